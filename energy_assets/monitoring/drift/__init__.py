"""Drift: whether the models' world has changed, what has, and what to do about it.

Residuals of a reference that is held back decide, against thresholds from each series' own past; the calibration of
what was issued and Evidently's drift of features and demand explain. Does not belong here: retraining, alarms.
"""

from energy_assets.monitoring.drift.decisions import decide
from energy_assets.monitoring.drift.explain import explain, most_important, worst_meters
from energy_assets.monitoring.drift.weekly import score_rows, timeline

__all__ = ["decide", "explain", "most_important", "score_rows", "timeline", "worst_meters"]
