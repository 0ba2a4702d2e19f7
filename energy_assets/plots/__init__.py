"""Small pictures for the UI's metadata, reports and the README, as PNG bytes.

Belongs here: drawing. Does not belong here: numbers; what is drawn comes as a frame. Only `Figure` objects on the Agg
canvas are used, never pyplot: no window, no global state. The same frame gives the same bytes.

Every function gives one PNG below about 60 kB. Times are drawn in `timezone`, as the axis says.
"""

from energy_assets.plots.comparison import calibration, errors_by, feature_importance, metric_bars
from energy_assets.plots.drift import drift_timeline
from energy_assets.plots.load_shifting import shifted_day
from energy_assets.plots.peaks import peak_day
from energy_assets.plots.style import as_data_uri, as_markdown, model_colours
from energy_assets.plots.time_series import forecast_band, row_counts_by_day, series

__all__ = [
    "as_data_uri",
    "as_markdown",
    "calibration",
    "drift_timeline",
    "errors_by",
    "feature_importance",
    "forecast_band",
    "metric_bars",
    "model_colours",
    "peak_day",
    "row_counts_by_day",
    "series",
    "shifted_day",
]
