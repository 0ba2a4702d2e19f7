"""Anomalies in readings: rules with reason codes, changes that persist, and what is merely out of character.

Belongs here: finding events and saying what the policy makes of them. Does not belong here: cleaning readings; the
marts apply what `actions.py` decides from the next run on.
"""

from energy_assets.monitoring.anomalies.actions import POLICY, decisions, with_action
from energy_assets.monitoring.anomalies.detect import detect, flagged_hours
from energy_assets.monitoring.anomalies.events import continue_known, merge
from energy_assets.monitoring.anomalies.expectation import Sight, with_expectation

__all__ = [
    "POLICY",
    "Sight",
    "continue_known",
    "decisions",
    "detect",
    "flagged_hours",
    "merge",
    "with_action",
    "with_expectation",
]
