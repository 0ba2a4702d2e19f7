"""Rules with a reason code: what a broken meter, clock, register or unit does to readings.

Belongs here: one function per reason code over the frame that `with_expectation` and `with_parts` made; each gives
flagged hours. Does not belong here: merging hours to events, and what no rule can name (`contextual.py`).

Zero, flat or high is normal for some meters. So each rule measures against the meter's own past, and a pattern that
has come often (more than once a fortnight) is usual and stays silent. A rule hands over what reaches `NEAR` times its
threshold, so that feedback can move the threshold either way; `detect` drops what does not reach it.
"""

from energy_assets.monitoring.anomalies.rules.clocks import dst_fold, file_order
from energy_assets.monitoring.anomalies.rules.gaps import duplicate, missing
from energy_assets.monitoring.anomalies.rules.parts import with_parts
from energy_assets.monitoring.anomalies.rules.registers import register_fall, sentinel
from energy_assets.monitoring.anomalies.rules.runs import declared_estimate, estimated_run, flatline, zero_run
from energy_assets.monitoring.anomalies.rules.tails import dip, negative, spike
from energy_assets.monitoring.anomalies.rules.units import unit_scale

__all__ = [
    "declared_estimate",
    "dip",
    "dst_fold",
    "duplicate",
    "estimated_run",
    "file_order",
    "flatline",
    "missing",
    "negative",
    "register_fall",
    "sentinel",
    "spike",
    "unit_scale",
    "with_parts",
    "zero_run",
]
