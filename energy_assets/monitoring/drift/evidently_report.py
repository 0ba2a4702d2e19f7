"""The Evidently run: drift of a few columns, and the HTML that shows it.

Belongs here: everything that touches Evidently. Does not belong here: thresholds and decisions.
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
    """Evidently's score per column, and the report as HTML where a path is given.

    The method is named, because Evidently's default changes with the number of rows. Evidently puts its 4 MB of
    JavaScript into every file; here it stands once in the folder above, and a report is some 300 kB that open
    without a network.

    Args:
        reference: values per column, without nulls; lengths may differ.
        current: the same columns.
        thresholds: per column; they colour the report, they do not decide.
        path: file to write, replaced as a whole; folders are made.

    Returns:
        column_name, score.
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
            _write(path, _with_library_apart(snapshot.get_html_str(as_iframe=False), path.parent.parent))
    scores = {metric["config"]["column"]: float(metric["value"]) for metric in content["metrics"]}
    return pl.DataFrame(
        {"column_name": list(scores), "score": list(scores.values())},
        schema={"column_name": pl.String, "score": pl.Float64},
    )


def _with_library_apart(html: str, folder: Path) -> str:
    """The page with Evidently's JavaScript as a file of `folder`; as it was, if it is not found in the page."""
    import evidently
    from evidently.legacy.utils.dashboard import STATIC_PATH

    library = (Path(STATIC_PATH) / "index.js").read_text(encoding="utf-8")
    name = f"evidently-{evidently.__version__}.js"
    if f"<script>{library}</script>" not in html:
        return html
    if not (folder / name).exists():
        _write(folder / name, library)
    return html.replace(f"<script>{library}</script>", f'<script src="../{name}"></script>')


def _write(path: Path, text: str) -> None:
    """Whole or not at all: a reader never sees half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, suffix=".part", delete=False) as file:
        file.write(text)
    Path(file.name).chmod(0o644)
    Path(file.name).replace(path)
