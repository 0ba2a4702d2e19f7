"""Files of statements dropped into landing/: into the ledger, `raw.feedback` and `raw.rejected_rows` like any file.

Belongs here: which files are new, one transaction per file. Does not belong here: the format
(`sources.feedback_files`), which statements are sound (`monitoring.feedback`).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import polars as pl

from energy_assets.contracts import TABLES
from energy_assets.monitoring.feedback import WORDS, pseudonyms
from energy_assets.sources.base import Bounds, SourceError
from energy_assets.sources.feedback_files import FEEDBACK, read_feedback_file
from energy_assets.sources.files import source_file
from energy_assets.warehouse.connection import Warehouse
from energy_assets.warehouse.feedback import SOURCE, append_statements, sorted_out
from energy_assets.warehouse.ingestion import LoadReport
from energy_assets.warehouse.ledger import enter_load, last_load, next_load_id, reject_file, whole_file, write_rejected

PATTERN = "feedback*.csv"


def load_feedback_files(
    warehouse: Warehouse, folder: Path, *, timezone: str, key: Callable[[], bytes], received_at: datetime
) -> LoadReport:
    """Brings in what `landing/feedback*.csv` say anew; statements act from `received_at` on.

    Args:
        warehouse: with all tables.
        folder: the warehouse folder.
        timezone: zone of naive times.
        key: gives what authors' pseudonyms are made with; asked only where there is something new.
        received_at: the present.

    Returns:
        A row per file. A file that cannot be read is a rejected row, a faulty statement too; the others come in.
    """
    report = LoadReport()
    for path in sorted((folder / "landing").glob(PATTERN)):
        shown = str(path.relative_to(folder))
        try:
            file = source_file(path, Bounds((path.parent.resolve(),)))
        except SourceError as error:
            with warehouse.transaction() as con:
                reject_file(con, SOURCE, shown, "", error, load_id=0, received_at=received_at)
            report.add(SOURCE, shown, "failed", rejected=1)
            continue
        with warehouse.connect(read_only=True) as con:
            last = last_load(con, SOURCE, shown)
        if last is not None and last["sha256"] == file.sha256:
            report.add(SOURCE, shown, "unchanged")
            continue
        try:
            said, rejected = read_feedback_file(file, timezone, WORDS)
            outcome = "loaded"
        except SourceError as error:
            said, rejected, outcome = TABLES[FEEDBACK].empty(), whole_file(error), "failed"
        rows = said.height + rejected.filter(pl.col("file_row") > 0)["file_row"].n_unique()
        with warehouse.transaction() as con:
            load_id, new = next_load_id(con), 0
            if said.height:
                sound, faulty = sorted_out(
                    con, said.with_columns(pseudonyms(said["author"], key())), known_at=received_at
                )
                faulty = faulty.with_columns(table_name=pl.lit(FEEDBACK))
                rejected = pl.concat([rejected, faulty], how="diagonal")
                new = append_statements(con, sound, load_id)
            enter_load(
                con, SOURCE, shown, file.sha256, load_id=load_id, received_at=received_at, rows=rows, new=new,
                rejected=rejected.height,
            )  # fmt: skip
            write_rejected(con, SOURCE, shown, file.sha256, rejected, load_id=load_id, received_at=received_at)
        report.add(SOURCE, shown, outcome, rows, new, rejected.height)
    return report
