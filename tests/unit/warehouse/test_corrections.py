"""What file after file changes in raw.meter_readings, against the same rules row by row."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energy_assets.config import WarehouseConfig
from energy_assets.sources import parts
from energy_assets.warehouse import Warehouse, load_sources

START = datetime(2026, 3, 1, tzinfo=UTC)
RECEIVED = START + timedelta(days=9)
HOUR = timedelta(hours=1)
SOURCE = {"name": "homes", "type": "meter_files", "path": "*.parquet",
          "columns": {"meter_id": "meter", "timestamp": "at", "value": "kwh"}}  # fmt: skip
Row = tuple[str, int, float | None]
Version = tuple[datetime, float | None, str]
FILES = st.lists(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(0, 3), st.sampled_from([None, 1.0, 2.0])),
        min_size=1, max_size=9, unique_by=lambda row: row[:2],
    ),
    min_size=1, max_size=4,
)  # fmt: skip


def versions(files: list[list[Row]]) -> dict[tuple[str, int], list[Version]]:
    """Every version of every interval: the rules of `corrections`, one row after another."""
    known: dict[tuple[str, int], list[Version]] = {}
    for day, file in enumerate(files):
        for meter, hour, value in file:
            before = known.setdefault((meter, hour), [])
            quality = "missing" if value is None else "measured"
            if not before:
                before.append((START + (hour + 2) * HOUR, value, quality))
            elif before[-1][1] != value:
                replaces = before[-1][1] is not None and quality == "measured"
                receipt = max(RECEIVED + timedelta(days=day), before[-1][0] + timedelta(microseconds=1))
                before.append((receipt, value, "corrected" if replaces else quality))
    return known


@pytest.mark.parametrize("part_rows", [2, 100])
@settings(max_examples=6, deadline=None)
@given(files=FILES)
def test_file_after_file_makes_the_versions_that_the_rules_say(
    part_rows: int, files: list[list[Row]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("corrections")
    warehouse = Warehouse(folder / "energy.duckdb")
    config = WarehouseConfig.model_validate({"sources": [SOURCE]})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "PART_ROWS", part_rows)
        for day, file in enumerate(files):
            _write(folder / f"{day}.parquet", file)
            now = RECEIVED + timedelta(days=day)
            report = load_sources(warehouse, config, folder, received_at=now, known_until=now).frame()
            assert report["outcome"].to_list() == ["unchanged"] * day + ["loaded"]
    found: dict[tuple[str, int], list[Version]] = {}
    for meter, start, *version in warehouse.frame(
        "SELECT meter_id, interval_start_utc, known_at_utc, energy_kwh, quality FROM raw.meter_readings ORDER BY ALL"
    ).iter_rows():
        found.setdefault((meter, (start - START) // HOUR), []).append(tuple(version))
    assert found == versions(files)


def _write(path: Path, rows: list[Row]) -> None:
    frame = pl.DataFrame(rows, schema={"meter": pl.String, "hour": pl.Int64, "kwh": pl.Float64}, orient="row")
    frame.select("meter", "kwh", at=pl.lit(START) + pl.duration(hours="hour")).write_parquet(path, row_group_size=2)
