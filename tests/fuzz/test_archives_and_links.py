"""No file grows beyond its bounds, and none is read from outside the folders that are named."""

from __future__ import annotations

import gzip
import io
import zipfile
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from energy_assets.config import Files, WarehouseConfig
from energy_assets.contracts import TABLES
from energy_assets.sources import Bounds, SourceError, SourceFile, bounds, find_files, read, source_file
from energy_assets.sources.files import read_bytes
from energy_assets.sources.unpacking import HARMLESS_BYTES
from energy_assets.warehouse import Warehouse, ensure_tables, load_sources
from energy_assets.warehouse.feedback_files import load_feedback_files
from tests.fuzz.strange import LONG, parquet, zipped
from tests.unit.sources.reading import PARIS, RECEIVED, read_text, source

METER: dict[str, Any] = {
    "type": "meter_files", "columns": {"timestamp": "time", "value": "value", "meter_id": "meter"}, "timezone": "UTC",
}  # fmt: skip
TOO_MUCH = b"0" * (HARMLESS_BYTES + 1)


def reason(path: Path, within: Bounds) -> str:
    """Why the file is not read; the message names it."""
    with pytest.raises(SourceError) as caught:
        read_bytes(source_file(path, within))
    assert path.name in str(caught.value)
    return caught.value.reason


def loaded(warehouse: Warehouse, folder: Path, **more: Any) -> list[tuple[str, str]]:
    """Path and outcome of what one source over landing/ brings."""
    config = WarehouseConfig.model_validate(
        {"sources": [{"name": "homes", "path": "landing/*.csv", **METER}], **more}
    )  # fmt: skip
    report = load_sources(warehouse, config, folder, received_at=RECEIVED, known_until=RECEIVED)
    return [(str(file["path"]), str(file["outcome"])) for file in report.files]


def rejected(warehouse: Warehouse) -> list[tuple[str, str]]:
    """Path and reason of every file that was refused."""
    return warehouse.frame("SELECT path, reason FROM raw.rejected_rows ORDER BY ALL").rows()


@pytest.mark.parametrize("bomb", [gzip.compress(TOO_MUCH), zipped(TOO_MUCH)], ids=["gzip", "zip"])
def test_a_bomb_is_not_unpacked(bomb: bytes, tmp_path: Path) -> None:
    path = tmp_path / "bomb.csv"
    path.write_bytes(bomb)
    assert len(bomb) * 250 < len(TOO_MUCH)
    assert reason(path, Bounds()) == "too_large"
    assert len(read_bytes(source_file(path, Bounds(expansion=2000)))) == len(TOO_MUCH)
    assert reason(path, Bounds(largest_bytes=1_000_000, expansion=2000)) == "too_large"


def test_a_zip_that_lies_about_its_size_is_not_believed(tmp_path: Path) -> None:
    honest = zipped(TOO_MUCH)
    size = len(TOO_MUCH).to_bytes(4, "little")
    assert honest.count(size) == 2
    path = tmp_path / "liar.zip"
    path.write_bytes(honest.replace(size, (100).to_bytes(4, "little")))
    assert reason(path, Bounds()) in {"too_large", "unreadable_archive"}


def test_a_parquet_bomb_is_known_by_its_footer(tmp_path: Path) -> None:
    ones = pl.repeat(1.0, HARMLESS_BYTES // 8, eager=True)
    path = tmp_path / "bomb.parquet"
    path.write_bytes(parquet(pl.DataFrame({"value": ones, "again": ones})))
    assert reason(path, Bounds()) == "too_large"
    assert len(read_bytes(source_file(path, Bounds(expansion=1_000_000)))) == path.stat().st_size


def test_a_file_that_is_too_large_is_not_even_read(tmp_path: Path) -> None:
    path = tmp_path / "sparse.csv"
    with path.open("wb") as opened:
        opened.truncate(2_000_000)
    assert reason(path, Bounds(largest_bytes=1_000_000)) == "too_large"


@pytest.mark.parametrize("name", ["../../evil.csv", "/etc/evil.csv", "..\\evil.csv", "C:\\evil.csv", "a/../../b.csv"])
def test_names_in_an_archive_lead_nowhere(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "landing"
    folder.mkdir(parents=True)
    batch = read_text(folder, zipped(LONG.encode(), name), "packed.zip", **METER)
    assert batch.rows == 8
    assert sorted(p.name for p in tmp_path.rglob("*") if p.is_file()) == ["packed.zip"]
    assert not Path("/etc/evil.csv").exists()


def test_a_link_in_an_archive_is_its_text(tmp_path: Path) -> None:
    packed = io.BytesIO()
    link = zipfile.ZipInfo("link.csv")
    link.create_system, link.external_attr = 3, 0o120777 << 16
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(SourceError) as caught:
        read_text(tmp_path, packed.getvalue(), "link.zip", **METER)
    assert caught.value.reason == "wrong_columns"
    assert "root:" not in str(caught.value)


def test_a_link_out_of_the_folder_is_refused_and_the_others_load(warehouse: Warehouse, tmp_path: Path) -> None:
    folder, outside = tmp_path / "warehouse", tmp_path / "outside"
    (folder / "landing").mkdir(parents=True)
    outside.mkdir()
    (outside / "secret.csv").write_text(LONG)
    (folder / "landing" / "good.csv").write_text(LONG)
    (folder / "landing" / "inner.csv").symlink_to("good.csv")
    (folder / "landing" / "link.csv").symlink_to(outside / "secret.csv")
    refused = [("landing/good.csv", "loaded"), ("landing/inner.csv", "loaded"), ("landing/link.csv", "failed")]
    assert loaded(warehouse, folder) == refused
    assert rejected(warehouse) == [("landing/link.csv", "outside_folders")]
    again = [("landing/good.csv", "unchanged"), ("landing/inner.csv", "unchanged"), ("landing/link.csv", "failed")]
    assert loaded(warehouse, folder) == again
    assert rejected(warehouse) == [("landing/link.csv", "outside_folders")]
    allowed = loaded(warehouse, folder, files={"linked_folders": [str(outside)]})
    assert allowed[-1] == ("landing/link.csv", "loaded")


def test_a_file_that_is_too_large_comes_in_when_the_bound_is_raised(warehouse: Warehouse, tmp_path: Path) -> None:
    (tmp_path / "landing").mkdir()
    (tmp_path / "landing" / "big.csv").write_text(LONG + "\n" * 1_100_000)
    assert loaded(warehouse, tmp_path, files={"largest_mb": 1}) == [("landing/big.csv", "failed")]
    assert rejected(warehouse) == [("landing/big.csv", "too_large")]
    assert loaded(warehouse, tmp_path, files={"largest_mb": 2}) == [("landing/big.csv", "loaded")]


def test_the_folders_that_a_path_names_are_those_before_its_first_wildcard(tmp_path: Path) -> None:
    def folders(path: str) -> list[str]:
        found = bounds(source(**{**METER, "path": path}), tmp_path / "warehouse", Files()).folders
        return [str(folder.relative_to(tmp_path.resolve())) for folder in found]

    assert folders("landing/*/2024-*.csv") == ["warehouse/landing"]
    assert folders("**/*.csv") == ["warehouse"]
    assert folders("one.csv") == ["warehouse"]
    assert folders("../archive/one.csv") == ["archive"]  # whoever writes sources.yaml may name any folder
    assert folders(str(tmp_path / "else" / "*.csv")) == ["else"]


@pytest.mark.parametrize("path", ["a\x00b.csv", "x" * 5000, "~nobody_of_this_name/a.csv", "\ud800.csv"])
def test_a_path_that_cannot_be_says_so(path: str, tmp_path: Path) -> None:
    described = source(**METER).model_copy(update={"path": path})
    with pytest.raises(SourceError) as caught:
        find_files(described, tmp_path)
    assert caught.value.reason == "missing_file"


def test_statements_are_not_read_through_links_either(warehouse: Warehouse, tmp_path: Path) -> None:
    folder = tmp_path / "warehouse"
    (folder / "landing" / "feedback_folder.csv").mkdir(parents=True)
    (tmp_path / "outside.csv").write_text("target_type,target_id,verdict,author\nanomaly,a,correct,ana\n")
    (folder / "landing" / "feedback_link.csv").symlink_to(tmp_path / "outside.csv")
    (folder / "landing" / "feedback_nothing.csv").symlink_to("nowhere")
    with warehouse.transaction() as con:
        ensure_tables(con, TABLES.values())
    for _ in range(2):
        report = load_feedback_files(warehouse, folder, timezone="UTC", key=lambda: b"k", received_at=RECEIVED)
        assert [file["outcome"] for file in report.files] == ["failed"] * 3
    assert rejected(warehouse) == [
        ("landing/feedback_folder.csv", "missing_file"),
        ("landing/feedback_link.csv", "outside_folders"),
        ("landing/feedback_nothing.csv", "missing_file"),
    ]


def test_a_file_whose_checksum_was_taken_elsewhere_has_bounds_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(LONG)
    with pytest.raises(SourceError, match="linked_folders"):
        read(source(**METER), SourceFile(path, "", Bounds((tmp_path / "other",))), PARIS, RECEIVED)
