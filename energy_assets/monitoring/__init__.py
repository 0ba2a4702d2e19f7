"""What went wrong, what changed, and how good the forecasts were: anomalies, drift, scores.

Belongs here: methods over frames that write rows of the schema `monitoring`. Does not belong here: forecasting, or the
decision what to do about a finding.
"""

from energy_assets.monitoring import anomalies, drift
from energy_assets.monitoring.anomalies import Sight, detect
from energy_assets.monitoring.bands import recent_bands
from energy_assets.monitoring.scores import score_forecasts

__all__ = ["Sight", "anomalies", "detect", "drift", "recent_bands", "score_forecasts"]
