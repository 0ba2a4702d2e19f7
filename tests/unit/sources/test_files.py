"""Finding files, packed files, encodings, and files that are no tables."""

from __future__ import annotations

import gzip
import io
import zipfile
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from energy_assets.config import Simulation
from energy_assets.sources import SourceError, SourceFile, find_files, read, source_file
from tests.unit.sources.reading import PARIS, RECEIVED, read_text, reasons, source

METER: dict[str, Any] = {
    "type": "meter_files",
    "columns": {"timestamp": "time", "value": "kwh"},
    "meter_id": "m",
    "timezone": "UTC",
}
GOOD = "time,kwh\n2024-01-01 00:00,1.5\n2024-01-01 01:00,2\n"


def zipped(members: dict[str, str]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return packed.getvalue()


def error(folder: Path, content: str | bytes, name: str = "file.csv", **fields: object) -> SourceError:
    with pytest.raises(SourceError) as caught:
        read_text(folder, content, name, **{**METER, **fields})
    assert name in str(caught.value)
    return caught.value


def test_globs_are_sorted_and_relative_to_the_warehouse(tmp_path: Path) -> None:
    for name in ("b.csv", "a.csv", "c.txt"):
        (tmp_path / name).write_text(GOOD)
    assert [p.name for p in find_files(source(**{**METER, "path": "*.csv"}), tmp_path)] == ["a.csv", "b.csv"]
    assert find_files(source(**{**METER, "path": str(tmp_path / "c.*")}), Path("/nowhere"))[0].name == "c.txt"


def test_the_home_folder_is_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "a.csv").write_text(GOOD)
    assert find_files(source(**{**METER, "path": "~/a.csv"}), Path("/nowhere")) == [tmp_path / "a.csv"]


def test_a_name_with_brackets_is_a_name_first(tmp_path: Path) -> None:
    (tmp_path / "load [MW].csv").write_text(GOOD)
    assert len(find_files(source(**{**METER, "path": "load [MW].csv"}), tmp_path)) == 1


@pytest.mark.parametrize("pattern", ["no.csv", "*.nothing", "folder"])
def test_a_path_without_files_says_what_to_do(tmp_path: Path, pattern: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(SourceError, match=r"sources\.yaml") as caught:
        find_files(source(**{**METER, "path": pattern}), tmp_path)
    assert caught.value.reason == "missing_file"


def test_a_file_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(SourceError) as caught:
        source_file(tmp_path / "gone.csv")
    assert caught.value.reason == "missing_file"


@pytest.mark.parametrize(
    "content",
    [
        GOOD.encode(),
        gzip.compress(GOOD.encode()),
        zipped({"a.csv": GOOD, "__MACOSX/._a.csv": "x"}),
        b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode(),
        GOOD.encode("utf-16"),
        GOOD.replace("\n", "\n\n").encode(),
        GOOD.rstrip("\n").encode(),
    ],
    ids=["plain", "gzip", "zip", "mark and CRLF", "utf-16", "blank lines", "no last line end"],
)
def test_the_same_table_however_it_is_packed(tmp_path: Path, content: bytes) -> None:
    batch = read_text(tmp_path, content, **METER)
    assert batch.rows == 2
    assert batch.tables["raw.meter_readings"]["energy_kwh"].to_list() == [1.5, 2.0]
    assert batch.tables["raw.meter_readings"]["file_row"].to_list() == [1, 2]


def test_windows_text_is_read(tmp_path: Path) -> None:
    batch = read_text(tmp_path, "time,kwh,Gerät\n2024-01-01 00:00,1,ä\n".encode("cp1252"), **METER)
    assert batch.rows == 1


@pytest.mark.parametrize("content", ["", "\n \n", gzip.compress(b"", mtime=0), "time,kwh\n"])
def test_empty_files(tmp_path: Path, content: str | bytes) -> None:
    assert error(tmp_path, content).reason == "empty_file"


def test_truncated_archives(tmp_path: Path) -> None:
    big = GOOD + "".join(f"2024-02-{d:02} 00:00,{d * 1.37}\n" for d in range(1, 29))
    assert error(tmp_path, zipped({"a.csv": big})[:-40], "a.zip").reason == "unreadable_archive"
    assert error(tmp_path, gzip.compress(big.encode())[:-20], "a.csv.gz").reason == "unreadable_archive"
    assert error(tmp_path, "no archive", "b.zip").reason == "unreadable_archive"


def test_an_archive_of_two_files_names_them(tmp_path: Path) -> None:
    caught = error(tmp_path, zipped({"a.csv": GOOD, "b.csv": GOOD}), "a.zip")
    assert caught.reason == "unreadable_archive"
    assert "a.csv, b.csv" in str(caught)


def test_truncated_parquet(tmp_path: Path) -> None:
    whole = io.BytesIO()
    pl.DataFrame({"time": ["2024-01-01"], "kwh": [1.0]}).write_parquet(whole)
    assert error(tmp_path, whole.getvalue()[:-30], "a.parquet").reason == "unreadable_file"


def test_other_columns_are_named(tmp_path: Path) -> None:
    caught = error(tmp_path, "when,kwh\n2024-01-01 00:00,1\n")
    assert caught.reason == "wrong_columns"
    assert "'time'" in str(caught)
    assert "'when'" in str(caught)


def test_a_column_that_stands_twice(tmp_path: Path) -> None:
    assert error(tmp_path, "time,kwh,kwh\n2024-01-01 00:00,1,2\n").reason == "wrong_columns"


def test_binary_content_is_no_text(tmp_path: Path) -> None:
    assert error(tmp_path, b"\x89PNG\x00\x00\x00").reason == "not_text"


def test_a_file_that_is_being_written_waits(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(GOOD)
    before = source_file(path)
    path.write_text(GOOD + "2024-01-01 02:00,3\n")
    with pytest.raises(SourceError) as caught:
        read(source(**METER), before, PARIS, RECEIVED)
    assert caught.value.reason == "changed_file"
    assert source_file(path).sha256 != before.sha256


def test_rows_of_another_width_are_rejected_one_by_one(tmp_path: Path) -> None:
    text = GOOD + '2024-01-01 02:00,3,4\n2024-01-01 03:00\n"2024-01-01 04:00","5"\n'
    batch = read_text(tmp_path, text, **METER)
    assert batch.rows == 5
    assert reasons(batch) == [(3, "wrong_field_count"), (4, "wrong_field_count")]
    assert batch.rejected["raw_text"][0] == "2024-01-01 02:00,3,4"
    assert batch.tables["raw.meter_readings"]["file_row"].to_list() == [1, 2, 5]


def test_quoted_delimiters_are_text(tmp_path: Path) -> None:
    text = 'time,kwh,note\n2024-01-01 00:00,1,"a, b"\n2024-01-01 01:00,2,c\n'
    assert read_text(tmp_path, text, **METER).tables["raw.meter_readings"].height == 2


@pytest.mark.parametrize("row", ['2024-01-01 02:00,"3', '2024-01-01 02:00,"3"4', '"2024-01-01 02:00,3'])
def test_a_quote_that_is_not_closed_costs_one_row(tmp_path: Path, row: str) -> None:
    batch = read_text(tmp_path, f"{GOOD}{row}\n2024-01-01 03:00,4\n2024-01-01 04:00,5\n", **METER)
    assert batch.rows == 5
    assert reasons(batch) == [(3, "broken_quotes")]
    assert batch.rejected["raw_text"].to_list() == [row]


def test_quoted_line_breaks_are_text(tmp_path: Path) -> None:
    text = 'time,kwh,note\n2024-01-01 00:00,1,"a\nb"\n2024-01-01 01:00,2,c\n'
    assert read_text(tmp_path, text, **METER).tables["raw.meter_readings"]["energy_kwh"].to_list() == [1, 2]


def test_a_simulation_has_no_files(tmp_path: Path) -> None:
    simulation = Simulation(name="fleet", type="simulation")
    with pytest.raises(TypeError, match="no files"):
        read(simulation, SourceFile(tmp_path, ""), PARIS, RECEIVED)


def test_the_time_of_receipt_needs_an_offset(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="offset"):
        read(source(**METER), SourceFile(tmp_path, ""), PARIS, RECEIVED.replace(tzinfo=None))
