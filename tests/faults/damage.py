"""Damage done to files on purpose: flipped bytes, files cut off as by a power cut, files gone."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from click.testing import CliRunner, Result

from energy_assets.cli import main
from tests.warehouses import NOW, Folder

BLOCK = 262_144  # bytes of DuckDB's blocks
HEADERS = 12_288


def flip(path: Path, at: float = 0.5) -> None:
    """Sixteen other bytes at a part of the file."""
    content = bytearray(path.read_bytes())
    start = int(len(content) * at)
    content[start : start + 16] = bytes(255 - byte for byte in content[start : start + 16])
    _replace(path, bytes(content))


def cut(path: Path, to: float = 0.5) -> None:
    """The file as far as it had reached the disk."""
    content = path.read_bytes()
    _replace(path, content[: int(len(content) * to)])


def flip_table(folder: Folder, table: str) -> None:
    """Bytes in the first block of a table's data in the working file."""
    [(block,)] = folder.rows(
        f"SELECT min(block_id) FROM pragma_storage_info('{table}') WHERE block_id >= 0 AND persistent"
    )
    assert isinstance(block, int)
    path = folder.path / "energy.duckdb"
    flip(path, (HEADERS + block * BLOCK + BLOCK // 4) / path.stat().st_size)


def _replace(path: Path, content: bytes) -> None:
    """In place: links to the same bytes are damaged with it."""
    with path.open("r+b") as opened:
        opened.write(content)
        opened.truncate()


def command(folder: Folder, name: str, *arguments: str, now: datetime = NOW) -> Result:
    """A command of `energy-assets` on the folder, in this process."""
    with folder.environment(now):
        return CliRunner().invoke(main, [name, "--warehouse", str(folder.path), *arguments])


def mended(folder: Folder) -> list[str]:
    """What `doctor --repair` says that it has done."""
    return [line[6:] for line in command(folder, "doctor", "--repair").output.splitlines() if line.startswith("mend  ")]
