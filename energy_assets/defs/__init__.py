"""The only place that imports Dagster: thin assets that fetch, call a domain package, and write."""
