"""The Evidently run: scores of value drift for many series in one report, and its HTML.

Belongs here: everything that touches Evidently. Does not belong here: thresholds and verdicts (`drift.py`).
"""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl

STATTEST = "wasserstein"  # Evidently's name of the Wasserstein distance over the reference's standard deviation


def run(
    reference: Mapping[str, np.ndarray],
    current: Mapping[str, np.ndarray],
    thresholds: Mapping[str, float],
    path: Path | None = None,
) -> pl.DataFrame:
    """Evidently's score per series, and the report as one self-contained HTML file where a path is given.

    One report holds all series: each run and each file of Evidently costs seconds and megabytes. The method is named,
    because Evidently's default changes with the number of rows.

    Args:
        reference: values per series, without nulls; lengths may differ.
        current: the same series.
        thresholds: per series; they colour the report, they do not decide.
        path: file to write, replaced as a whole; folders are made.

    Returns:
        series, score.
    """
    names = [name for name in reference if name in current]
    os.environ.setdefault("DO_NOT_TRACK", "1")
    with warnings.catch_warnings():
        # deprecations inside Evidently and what it imports (numpy.core, litestar): not ours to mend
        warnings.simplefilter("ignore")
        import pandas as pd
        from evidently import DataDefinition, Dataset, Report
        from evidently.metrics import ValueDrift

        definition = DataDefinition(numerical_columns=names)
        sets = [
            Dataset.from_pandas(
                pd.DataFrame({name: pd.Series(values[name], dtype="float64") for name in names}),
                data_definition=definition,
            )
            for values in (current, reference)
        ]
        metrics = [ValueDrift(column=name, method=STATTEST, threshold=thresholds[name]) for name in names]
        snapshot = Report(metrics).run(*sets)
        content = snapshot.dict()
        if path is not None:
            _write(path, snapshot.get_html_str(as_iframe=False))
    scores = {metric["config"]["column"]: float(metric["value"]) for metric in content["metrics"]}
    return pl.DataFrame(
        {"series": list(scores), "score": list(scores.values())}, schema={"series": pl.String, "score": pl.Float64}
    )


def _write(path: Path, html: str) -> None:
    """Whole or not at all: a reader never sees half a report."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, suffix=".part", delete=False) as file:
        file.write(html)
    Path(file.name).chmod(0o644)
    Path(file.name).replace(path)
