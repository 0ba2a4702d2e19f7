"""What pytest leaves out of the package's own examples: modules whose optional extra is not installed here."""

from __future__ import annotations

from importlib.util import find_spec

collect_ignore = (
    [] if find_spec("onnxruntime") and find_spec("torch") else ["energy_assets/forecasting/contenders/sequence.py"]
)
