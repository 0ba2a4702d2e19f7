"""Peaks to come, and what may be done about them.

Belongs here: methods over frames that write rows of the schema `flexibility`. Does not belong here: forecasting the
demand itself, or what a reading is.
"""

from energy_assets.flexibility.peaks import demand_peaks, incumbent_peaks

__all__ = ["demand_peaks", "incumbent_peaks"]
