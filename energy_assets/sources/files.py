"""Finding files and getting at their bytes: globs, where links may lead, checksums, text encodings.

Belongs here: everything before a file's content has a meaning. Does not belong here: archives (`unpacking`), columns
(`tabular`) and formats.
"""

from __future__ import annotations

import glob
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path

from energy_assets.config import Files, FileSource
from energy_assets.sources.base import Bounds, SourceError, SourceFile
from energy_assets.sources.unpacking import too_large, unpack

BYTE_ORDER_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
ANYWHERE = Bounds()


def find_files(source: FileSource, folder: Path) -> list[Path]:
    """The files a source's `path` names, absolute and sorted.

    Args:
        source: its `path` is a file or a glob (`*`, `**`, `?`, `[]`); `~` is the home folder, relative paths start at
            the warehouse folder.
        folder: the warehouse folder.

    Raises:
        SourceError: `missing_file`, nothing matches. A source without files is a mistake, not an empty source.
    """
    try:
        pattern = folder / Path(source.path).expanduser()
        # pathlib's glob takes no absolute patterns
        found = [pattern] if pattern.is_file() else [Path(p) for p in glob.glob(str(pattern), recursive=True)]  # noqa: PTH207
    except (OSError, RuntimeError, ValueError) as error:  # too long, no such user, a byte that no path may have
        raise SourceError(
            "missing_file", f"source {source.name}: {source.path!r} is no path ({error}). Correct it in sources.yaml."
        ) from None
    files = sorted(path.absolute() for path in found if path.is_file())
    if not files:
        raise SourceError(
            "missing_file",
            f"source {source.name}: no file matches {pattern}. Put the file there, or correct `path` in sources.yaml "
            f"(relative paths start at the warehouse folder {folder}).",
        )
    return files


def bounds(source: FileSource, folder: Path, limits: Files) -> Bounds:
    """How far the files of a source may reach.

    Args:
        source: the folder before the first wildcard of its `path` is where they lie.
        folder: the warehouse folder.
        limits: sizes, and further folders that links may lead to.
    """
    pattern = folder / Path(source.path).expanduser()
    fixed = list(takewhile(lambda part: not glob.has_magic(part), pattern.parts[:-1]))
    named = [Path(*fixed), *(folder / Path(other).expanduser() for other in limits.linked_folders)]
    return Bounds(tuple(path.resolve() for path in named), limits.largest_mb * 1_000_000, limits.expansion)


def source_file(path: Path, bounds: Bounds = ANYWHERE) -> SourceFile:
    """The file with the checksum of its bytes as they lie there.

    Raises:
        SourceError: `missing_file`, it is gone or may not be read; `outside_folders`; `too_large`.
    """
    _keep_within(path, bounds)
    with _unless_gone(path), path.open("rb") as opened:
        return SourceFile(path, hashlib.file_digest(opened, "sha256").hexdigest(), bounds)


def read_bytes(file: SourceFile) -> bytes:
    """The content of a plain, gzipped or zipped file, recognised by its first bytes and not by its name.

    Raises:
        SourceError: `missing_file`; `empty_file`; `unreadable_archive`, a truncated or damaged archive, or one with
            several members; `changed_file`, the bytes are not those whose checksum was taken, so that it is being
            written right now; `outside_folders` and `too_large`, beyond the file's bounds.
    """
    _keep_within(file.path, file.bounds)
    with _unless_gone(file.path):
        packed = file.path.read_bytes()
    if file.sha256 and hashlib.sha256(packed).hexdigest() != file.sha256:
        raise SourceError("changed_file", f"{file.path}: changed while it was read; it is loaded at the next run")
    content = unpack(packed, file)
    if not content.strip():
        raise _empty(file.path)
    return content


def decode(content: bytes, path: Path) -> str:
    """The text of a file: by its byte-order mark, else UTF-8, else Windows-1252.

    Carriage returns alone, where no other line end stands, end its lines.

    Raises:
        SourceError: `not_text`, the bytes are no text; `empty_file`, there is nothing but a byte-order mark.
    """
    text = _text(content, path)
    if not text.strip():
        raise _empty(path)
    return text if "\n" in text else text.replace("\r", "\n")


def _empty(path: Path) -> SourceError:
    return SourceError("empty_file", f"{path}: empty. Fetch the file again, or take it away.")


def _text(content: bytes, path: Path) -> str:
    for mark, encoding in BYTE_ORDER_MARKS:
        if content.startswith(mark):
            return _decode(content, encoding, path)
    if b"\x00" in content[:4096]:
        raise SourceError("not_text", f"{path}: binary content where text (CSV or JSON) is expected")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return _decode(content, "cp1252", path)


def _decode(content: bytes, encoding: str, path: Path) -> str:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        raise SourceError("not_text", f"{path}: neither UTF-8 nor {encoding} text (byte {error.start})") from None


@contextmanager
def _unless_gone(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, RuntimeError) as error:  # the latter for links in a circle
        raise SourceError("missing_file", f"{path}: cannot be read ({error}). Put the file there again.") from None


def _keep_within(path: Path, bounds: Bounds) -> None:
    """Raises `outside_folders` where a link leads out of the folders, `too_large` before anything is read."""
    with _unless_gone(path):
        real = path.resolve(strict=True)
        size = real.stat().st_size
    if bounds.folders and not any(real.is_relative_to(folder) for folder in bounds.folders):
        raise SourceError(
            "outside_folders",
            f"{path}: a link out of the folder that `path` names. Put the file itself there, or name the folder that "
            "it leads to in `files.linked_folders` of sources.yaml.",
        )
    if size > bounds.largest_bytes:
        raise too_large(path, bounds)
