"""Finding files and getting at their bytes: globs, checksums, packed files, text encodings.

Belongs here: everything before a file's content has a meaning. Does not belong here: columns (`tabular`) and formats.
"""

from __future__ import annotations

import glob
import gzip
import hashlib
import io
import zipfile
import zlib
from pathlib import Path

from energy_assets.config import FileSource
from energy_assets.sources.base import SourceError, SourceFile

BYTE_ORDER_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))


def find_files(source: FileSource, folder: Path) -> list[Path]:
    """The files a source's `path` names, absolute and sorted.

    Args:
        source: its `path` is a file or a glob (`*`, `**`, `?`, `[]`); `~` is the home folder, relative paths start at
            the warehouse folder.
        folder: the warehouse folder.

    Raises:
        SourceError: `missing_file`, nothing matches. A source without files is a mistake, not an empty source.
    """
    pattern = folder / Path(source.path).expanduser()
    # pathlib's glob takes no absolute patterns
    found = [pattern] if pattern.is_file() else [Path(p) for p in glob.glob(str(pattern), recursive=True)]  # noqa: PTH207
    files = sorted(path.absolute() for path in found if path.is_file())
    if not files:
        raise SourceError(
            "missing_file",
            f"source {source.name}: no file matches {pattern}. Put the file there, or correct `path` in sources.yaml "
            f"(relative paths start at the warehouse folder {folder}).",
        )
    return files


def source_file(path: Path) -> SourceFile:
    """The file with the checksum of its bytes as they lie there.

    Raises:
        SourceError: `missing_file`, it is gone or may not be read.
    """
    return SourceFile(path=path, sha256=hashlib.sha256(_read(path)).hexdigest())


def read_bytes(file: SourceFile) -> bytes:
    """The content of a plain, gzipped or zipped file, recognised by its first bytes and not by its name.

    Raises:
        SourceError: `missing_file`; `empty_file`; `unreadable_archive`, a truncated or damaged archive, or one with
            several members; `changed_file`, the bytes are not those whose checksum was taken, so that it is being
            written right now.
    """
    packed = _read(file.path)
    if file.sha256 and hashlib.sha256(packed).hexdigest() != file.sha256:
        raise SourceError("changed_file", f"{file.path}: changed while it was read; it is loaded at the next run")
    content = _unpack(packed, file.path)
    if not content.strip():
        raise SourceError("empty_file", f"{file.path}: empty. Fetch the file again, or take it away.")
    return content


def decode(content: bytes, path: Path) -> str:
    """The text of a file: by its byte-order mark, else UTF-8, else Windows-1252.

    Raises:
        SourceError: `not_text`, the bytes are no text.
    """
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


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SourceError(
            "missing_file", f"{path}: cannot be read ({error.strerror}). Put the file there again."
        ) from None


def _unpack(packed: bytes, path: Path) -> bytes:
    if packed.startswith(b"\x1f\x8b"):
        try:
            return gzip.decompress(packed)
        except (OSError, EOFError, zlib.error) as error:
            raise _damaged(path, error) from None
    looks_zipped = packed.startswith(b"PK") or path.suffix.lower() == ".zip"
    if not packed or not looks_zipped:
        return packed
    try:
        with zipfile.ZipFile(io.BytesIO(packed)) as archive:
            members = [n for n in archive.namelist() if not n.endswith("/") and "__MACOSX" not in n and "/." not in n]
            if len(members) == 1:
                return archive.read(members[0])
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise _damaged(path, error) from None
    raise SourceError(
        "unreadable_archive",
        f"{path}: one file inside is expected, there are {len(members)}: {', '.join(members[:5])}. Unpack it and name "
        "the files with a glob.",
    )


def _damaged(path: Path, error: Exception) -> SourceError:
    return SourceError("unreadable_archive", f"{path}: truncated or damaged archive ({error}). Fetch it again.")
