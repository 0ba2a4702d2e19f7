"""Models, forecasts, backtests."""
