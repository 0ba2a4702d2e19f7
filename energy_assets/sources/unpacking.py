"""Archives and packed files from anybody: unpacked in memory, within bounds, or refused.

Belongs here: gzip, zip, and what a Parquet file would grow to. Does not belong here: where files lie (`files`) and what
they hold.

Nothing of an archive is written anywhere, so the names in it, `..` and links among them, mean nothing. Unpacking stops
at the bounds of the file, whatever sizes the archive claims.
"""

from __future__ import annotations

import gzip
import io
import lzma
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO

from energy_assets.sources.base import Bounds, SourceError, SourceFile

HARMLESS_BYTES = 64_000_000  # whatever it was packed to, this much does nobody harm
CELL_BYTES = 8  # of a number or a time in memory
# What the standard library raises on archives that were tampered with; nothing else can come of bytes in memory.
DAMAGED = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, OSError, EOFError, NotImplementedError, RuntimeError,
    ValueError, LookupError, OverflowError,
)  # fmt: skip


def unpack(packed: bytes, file: SourceFile) -> bytes:
    """The content of a plain, gzipped or zipped file, recognised by its first bytes.

    Raises:
        SourceError: `unreadable_archive`, truncated, damaged, encrypted, or with several members; `too_large`.
    """
    if packed.startswith(b"\x1f\x8b"):
        content = _bounded(lambda: gzip.GzipFile(fileobj=io.BytesIO(packed)), len(packed), file)
    elif packed.startswith(b"PK") or (packed and file.path.suffix.lower() == ".zip"):
        content = _only_member(packed, file)
    else:
        content = packed
    if content.startswith(b"PAR1"):
        check_parquet(io.BytesIO(content), len(packed), file)
    return content


def check_parquet(content: io.BytesIO | Path, packed_bytes: int, file: SourceFile) -> None:
    """Holds what a Parquet file would grow to against the file's bounds, by its footer alone.

    A footer that cannot be read is left to whoever reads the table.

    Raises:
        SourceError: `too_large`.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        footer = pq.read_metadata(content)
        encoded = sum(footer.row_group(n).total_byte_size for n in range(footer.num_row_groups))
    except (pa.ArrowException, OSError, ValueError):
        return
    in_memory = footer.num_rows * footer.num_columns * CELL_BYTES
    if encoded > file.bounds.largest_bytes or in_memory > _grown(packed_bytes, file.bounds):
        raise too_large(file.path, file.bounds)


def too_large(path: Path, bounds: Bounds) -> SourceError:
    """The error that says which bounds were met and how to move them."""
    return SourceError(
        "too_large",
        f"{path}: more than {bounds.largest_bytes / 1e6:,.0f} MB, or than {bounds.expansion} times its packed size; it "
        "was not read. If it is what it should be, raise `files.largest_mb` or `files.expansion` in sources.yaml.",
    )


def _grown(packed_bytes: int, bounds: Bounds) -> int:
    return max(HARMLESS_BYTES, bounds.expansion * packed_bytes)


def _only_member(packed: bytes, file: SourceFile) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(packed)) as archive:
            members = [n for n in archive.namelist() if not (n.endswith("/") or "__MACOSX" in n or _hidden(n))]
            if len(members) == 1:
                return _bounded(lambda: archive.open(members[0]), len(packed), file)
    except SourceError:
        raise
    except DAMAGED as error:
        raise _damaged(file.path, error) from None
    raise SourceError(
        "unreadable_archive",
        f"{file.path}: one file inside is expected, there are {len(members)}: {', '.join(members[:5])}. Unpack it and "
        "name the files with a glob.",
    )


def _hidden(member: str) -> bool:
    name = member.rpartition("/")[2]
    return name.startswith(".") and not name.startswith("..")


def _bounded(opening: Callable[[], IO[bytes] | gzip.GzipFile], packed_bytes: int, file: SourceFile) -> bytes:
    """All that a packed stream holds, or an error as soon as it is too much, whatever its header says."""
    most = min(file.bounds.largest_bytes, _grown(packed_bytes, file.bounds))
    try:
        with opening() as stream:
            content = stream.read(most + 1)
    except DAMAGED as error:
        raise _damaged(file.path, error) from None
    if len(content) > most:
        raise too_large(file.path, file.bounds)
    return content


def _damaged(path: Path, error: Exception) -> SourceError:
    return SourceError("unreadable_archive", f"{path}: truncated or damaged archive ({error}). Fetch it again.")
