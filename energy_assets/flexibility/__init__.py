"""Peaks to come, and what may be done about them.

Belongs here: methods over frames that write rows of the schema `flexibility`. Does not belong here: forecasting the
demand itself, or what a reading is.
"""

from energy_assets.flexibility.advice import Advised, advise
from energy_assets.flexibility.flagging import Flagged, Known, flag_peaks
from energy_assets.flexibility.incumbents import TWELVE, demand_charges, incumbent_peaks, mean_power
from energy_assets.flexibility.outcomes import hourly_power, peak_outcomes, peak_scores
from energy_assets.flexibility.planning import KnownForAdvice
from energy_assets.flexibility.settling import settled

__all__ = [
    "TWELVE",
    "Advised",
    "Flagged",
    "Known",
    "KnownForAdvice",
    "advise",
    "demand_charges",
    "flag_peaks",
    "hourly_power",
    "incumbent_peaks",
    "mean_power",
    "peak_outcomes",
    "peak_scores",
    "settled",
]
