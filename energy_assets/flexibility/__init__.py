"""Peaks to come, and what may be done about them.

Belongs here: methods over frames that write rows of the schema `flexibility`. Does not belong here: forecasting the
demand itself, or what a reading is.
"""

from energy_assets.flexibility.flagging import Flagged, Known, flag_peaks
from energy_assets.flexibility.incumbents import TWELVE, demand_charges, incumbent_peaks
from energy_assets.flexibility.outcomes import hourly_power, peak_outcomes, peak_scores

__all__ = [
    "TWELVE",
    "Flagged",
    "Known",
    "demand_charges",
    "flag_peaks",
    "hourly_power",
    "incumbent_peaks",
    "peak_outcomes",
    "peak_scores",
]
