"""What people say about forecasts, peaks, advice and anomalies, and what follows from it.

Belongs here: which statements are sound, and their consequences for training data and thresholds. Does not belong
here: how statements come in (`energy_assets.feedback`, `sources.feedback_files`) and where they are kept.
"""

from energy_assets.monitoring.feedback.consequences import decisions, sensitivities
from energy_assets.monitoring.feedback.statements import WORDS, checked, forecast_id, pseudonyms

__all__ = ["WORDS", "checked", "decisions", "forecast_id", "pseudonyms", "sensitivities"]
