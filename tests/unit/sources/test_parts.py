"""A large file read in parts is the file read as a whole, whatever stands in it and in whatever order."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energy_assets.contracts.keys import any_shared
from energy_assets.sources import Batch, SourceError, parts, read, read_parts, source_file
from tests.unit.sources.reading import PARIS, RECEIVED, check, source

LONG: dict[str, Any] = {"type": "meter_files", "columns": {"meter_id": "id", "timestamp": "at", "value": "kwh"}}
SOURCES = {
    "intervals": LONG,
    "prefixed": LONG | {"meter_id_prefix": "home "},
    "register": LONG | {"values": "register", "rollover": 10},
    "repaired": LONG | {"repair": ["midnight_belongs_to_next_day"]},
    "versions": LONG | {"columns": LONG["columns"] | {"known_at": "known", "quality": "quality"}},
}
AUTUMN = datetime(2024, 10, 26, 22)  # the night of the 27th has an hour twice; midnights, off the grid, in the future
TIMES = st.sampled_from(
    [*(AUTUMN + timedelta(hours=h) for h in range(8)), AUTUMN.replace(minute=7), datetime(2031, 1, 1)]
)
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "id": st.sampled_from(["a", "b", "b ", " c", "c", "d", "", "NA", None]),
            "at": TIMES,
            "kwh": st.sampled_from([None, -1.0, 1.0, 2.0, 9.0, 1e15, float("nan"), float("inf")]),
            "known": TIMES,
            "quality": st.sampled_from([None, "ok", "missing", "odd"]),
        }
    ),
    min_size=1,
    max_size=30,
)
SCHEMA = {"id": pl.String, "at": pl.Datetime("us"), "kwh": pl.Float64, "known": pl.Datetime("us"), "quality": pl.String}


@pytest.mark.parametrize("name", SOURCES)
@settings(max_examples=30, deadline=None)
@given(rows=ROWS, instants=st.booleans(), in_order=st.booleans(), packed=st.booleans())
def test_parts_are_the_whole(
    name: str,
    rows: list[dict[str, Any]],
    *,
    instants: bool,
    in_order: bool,
    packed: bool,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    frame = pl.DataFrame(rows, schema=SCHEMA)
    if instants:
        frame = frame.with_columns(pl.col("at", "known").dt.replace_time_zone("UTC"))
    if in_order:
        frame = frame.sort("id", "at")
    path = tmp_path_factory.mktemp("parts") / "file"
    if packed:
        frame.write_parquet(path, row_group_size=4)
    else:
        frame.write_csv(path, datetime_format="%Y-%m-%d %H:%M:%S" + ("%:z" if instants else ""))
    described, file = source(**SOURCES[name]), source_file(path)
    whole = read(described, file, PARIS, RECEIVED)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "PART_ROWS", 3)
        pieces = list(read_parts(described, file, PARIS, RECEIVED))
    for piece in pieces:
        check(piece)
    assert sum(piece.rows for piece in pieces) == whole.rows == frame.height
    meters = [set(piece.tables["raw.meter_readings"]["meter_id"]) for piece in pieces]
    assert sum(len(ids) for ids in meters) == len(set().union(*meters))
    for table in whole.tables:
        assert _rows(pl.concat(p.tables[table] for p in pieces if table in p.tables)) == _rows(whole.tables[table])
    assert _rows(pl.concat(piece.rejected for piece in pieces)) == _rows(whole.rejected)


def _rows(frame: pl.DataFrame) -> list[str]:
    return sorted(map(str, frame.iter_rows()))


@pytest.mark.parametrize(
    ("ids", "cut"), [([1, 12, 2, 12, 1], [["1"], ["12", "2"]]), (["1", "12", "2", "12", "1"], [["1"], ["12"], ["2"]])]
)
def test_a_part_ends_with_the_meter_that_fills_it(
    ids: list[Any], cut: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "PART_ROWS", 2)
    start = datetime(2024, 1, 1, tzinfo=UTC)
    at = [start + timedelta(hours=n) for n in range(5)]
    pl.DataFrame({"id": ids, "at": at, "kwh": 1.0}).write_parquet(tmp_path / "x.parquet")
    pieces = list(read_parts(source(**LONG), source_file(tmp_path / "x.parquet"), PARIS, RECEIVED))
    readings = [piece.tables["raw.meter_readings"] for piece in pieces]
    assert [sorted(set(rows["meter_id"])) for rows in readings] == cut
    assert sorted(row for rows in readings for row in rows["file_row"]) == [1, 2, 3, 4, 5]


def test_a_lost_row_of_a_part_is_noticed() -> None:
    part = Batch(rows=2, loaded_rows=pl.Series([4]), file_rows=pl.Series([4, 7]))
    assert part.unaccounted() == [7]


def test_damage_that_only_a_later_part_meets_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "PART_ROWS", 4)
    start = datetime(2024, 1, 1, tzinfo=UTC)
    at = pl.datetime_range(start, start + timedelta(hours=3), "1h", eager=True)
    ids = pl.DataFrame({"id": ["a", "b"]})
    written = io.BytesIO()
    rows = ids.join(pl.DataFrame({"at": at}), how="cross").with_columns(kwh=pl.int_range(pl.len()) * 1.37)
    rows.write_parquet(written, row_group_size=4, compression="uncompressed")
    content = bytearray(written.getvalue())
    last = bytes(rows["kwh"].to_numpy()[-1:].tobytes())
    at_byte = content.rindex(last)
    content[at_byte - 40 : at_byte + 8] = b"\xff" * 48  # the last page's header and values
    (tmp_path / "x.parquet").write_bytes(bytes(content))
    reading = read_parts(source(**LONG), source_file(tmp_path / "x.parquet"), PARIS, RECEIVED)
    with pytest.raises(SourceError, match="Fetch it again"):
        list(reading)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3), st.sampled_from([None, 1.0])), max_size=6),
    order=st.sampled_from([["m"], ["at"], ["m", "at"], ["at", "m"]]),
)
def test_a_shared_key_is_found_in_any_order(rows: list[tuple[str, int, float | None]], order: list[str]) -> None:
    frame = pl.DataFrame(rows, schema={"m": pl.String, "at": pl.Int64, "x": pl.Float64}, orient="row").sort(order)
    frame = frame.with_columns(at=pl.from_epoch("at", time_unit="s"))
    for key in (["m", "at"], ["m", "at", "x"]):
        assert any_shared(frame, key) == bool(frame.select(key).is_duplicated().any())
