"""Anomalies in readings: rules with reason codes, and an isolation forest for what is merely out of character.

Belongs here: finding events. Does not belong here: cleaning readings or excluding them from training; a finding's
`action` is `none` until somebody decides.
"""

from energy_assets.monitoring.anomalies.detect import detect
from energy_assets.monitoring.anomalies.expectation import with_expectation

__all__ = ["detect", "with_expectation"]
