"""An open warehouse for electricity demand: meters and weather in, forecasts and decisions out.

Nothing is imported or read here, so that `import energy_assets` stays cheap in every Dagster process.
"""
