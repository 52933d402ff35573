"""A .zip out of strangers' hands, unpacked into a folder of its own: judged by its directory before anything is unpacked.

What a bomb needs is refused by name: entries that share their bytes, sizes beyond the limits or out of proportion, more entries
than a batch has, compression nobody needs. So is what could write elsewhere: absolute names, `..`, links, names that two
programs would read differently. Archives inside the archive are files like any other and stay closed.
"""

import os
import shutil
import stat
import struct
import unicodedata
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Final

from models.errors import DataError, UnsafeFile

_END: Final = struct.Struct("<4s4H2LH")
_END_MAGIC: Final = b"PK\x05\x06"
_END64_LOCATOR: Final = b"PK\x06\x07"
_END64_LOCATOR_BYTES: Final = 20
_ENTRY: Final = struct.Struct("<4s4B4H3L5H2L")
_ENTRY_MAGIC: Final = b"PK\x01\x02"
_NAME, _EXTRA, _COMMENT = 12, 13, 14
"""Where the lengths stand in an entry of the directory."""
_LOCAL_HEADER_BYTES: Final = 30
_LONGEST_COMMENT: Final = 2**16 - 1
_MAX_NAME_BYTES: Final = 512
_MAX_PART_BYTES: Final = 200
_MAX_DEPTH: Final = 8
_PIECE_BYTES: Final = 256 * 1024
_OF_MACOS: Final = "__MACOSX"
"""A folder that Finder adds to every archive; nobody means it."""
_BROKEN: Final = (
    *(zipfile.BadZipFile, zlib.error, EOFError, struct.error, ValueError, OverflowError),
    *(NotImplementedError, RuntimeError),
)
"""What zipfile raises on broken and unsupported archives."""


@dataclass(frozen=True, slots=True)
class ArchiveLimits:
    """What an archive may come to. The defaults hold a season's labelled photographs."""

    entries: int = 50_000
    total_bytes: int = 4 * 2**30
    entry_bytes: int = 64 * 2**20
    ratio: int = 50
    """Bytes unpacked for each byte of the archive, beyond the first `free_bytes`; photographs come to about 1."""
    free_bytes: int = 16 * 2**20


DEFAULT_ARCHIVE_LIMITS: Final = ArchiveLimits()


def is_zip(path: Path) -> bool:
    """Whether the file begins as a .zip does."""
    with path.open("rb") as file:
        return file.read(4) in (b"PK\x03\x04", _END_MAGIC)


def extract_zip(archive: Path, folder: Path, limits: ArchiveLimits = DEFAULT_ARCHIVE_LIMITS) -> list[str]:
    """Unpack `archive` into `folder`, which must not exist yet; return the names of its files, relative, with forward slashes.

    Raises UnsafeFile naming what is wrong with it, DataError for a file that is no .zip, cut short or broken, and OSError where
    the disk refuses; `folder` is not there then.
    """
    folder.mkdir(parents=True)
    try:
        with archive.open("rb") as file:
            _require_small_directory(archive, file, limits)
            try:
                with zipfile.ZipFile(file) as opened:
                    wanted = _judged(archive, opened, limits)
                    for name, info in wanted.items():
                        _unpack(archive, opened, info, folder / name)
            except _BROKEN as error:
                raise DataError(f"{archive} is not a complete .zip: {error}. Make it again.", path=str(archive)) from error
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return list(wanted)


def declared_bytes(archive: Path, limits: ArchiveLimits = DEFAULT_ARCHIVE_LIMITS) -> int:
    """How much `extract_zip` will write, before it does. Raises as it does."""
    with archive.open("rb") as file:
        _require_small_directory(archive, file, limits)
        try:
            with zipfile.ZipFile(file) as opened:
                return sum(info.file_size for info in _judged(archive, opened, limits).values())
        except _BROKEN as error:
            raise DataError(f"{archive} is not a complete .zip: {error}. Make it again.", path=str(archive)) from error


def _require_small_directory(archive: Path, file: BinaryIO, limits: ArchiveLimits) -> None:
    """Walk the directory without keeping it: zipfile would make an object of every entry before anyone could object."""
    size = file.seek(0, os.SEEK_END)
    tail_at = max(0, size - _END.size - _LONGEST_COMMENT)
    file.seek(tail_at)
    tail = file.read()
    at = tail.rfind(_END_MAGIC)
    if at < 0 or len(tail) - at < _END.size:
        raise DataError(f"{archive} is not a .zip, or its end is missing. Make it again.", path=str(archive))
    _, disk, first_disk, here, count, length, start, comment = _END.unpack_from(tail, at)
    if (disk, first_disk) != (0, 0) or here != count or at + _END.size + comment != len(tail):
        raise UnsafeFile(f"{archive} is in several parts, or something follows its end.", path=str(archive))
    if tail[max(0, at - _END64_LOCATOR_BYTES) : at].startswith(_END64_LOCATOR):
        raise UnsafeFile(f"{archive} is a ZIP64 archive, which no batch of this size needs.", path=str(archive))
    if start + length != tail_at + at:
        raise UnsafeFile(f"{archive}: its directory is not where its end says.", path=str(archive))
    if count > limits.entries:
        raise _too_many(archive, limits)
    file.seek(start)
    directory = file.read(length)
    walked = position = 0
    while position < length:
        if walked >= limits.entries:
            raise _too_many(archive, limits)
        if length - position < _ENTRY.size:
            raise DataError(f"{archive} is not a complete .zip: its directory breaks off. Make it again.", path=str(archive))
        entry = _ENTRY.unpack_from(directory, position)
        if entry[0] != _ENTRY_MAGIC:
            raise DataError(f"{archive} is not a complete .zip: its directory is broken. Make it again.", path=str(archive))
        position += _ENTRY.size + entry[_NAME] + entry[_EXTRA] + entry[_COMMENT]
        walked += 1
    if walked != count:
        raise UnsafeFile(f"{archive} says it has {count} entries and lists {walked}.", path=str(archive))


def _too_many(archive: Path, limits: ArchiveLimits) -> UnsafeFile:
    return UnsafeFile(f"{archive} has more than {limits.entries:,} entries.", limit=limits.entries)


def _judged(archive: Path, opened: zipfile.ZipFile, limits: ArchiveLimits) -> dict[str, zipfile.ZipInfo]:
    """Name -> entry of every file, once all are found harmless."""
    entries = opened.infolist()
    _require_apart(archive, entries, opened.start_dir)
    total = 0
    found: dict[str, zipfile.ZipInfo] = {}
    folders: set[str] = set()
    for info in entries:
        name = _name(archive, info)
        _require_plain(archive, info)
        if info.file_size > limits.entry_bytes:
            raise UnsafeFile(
                f"{archive}: {name!r} unpacks to {info.file_size:,} bytes; at most {limits.entry_bytes:,} are taken.",
                member=name,
                limit=limits.entry_bytes,
            )
        total += info.file_size
        if total > limits.total_bytes:
            raise UnsafeFile(f"{archive} unpacks to more than {limits.total_bytes:,} bytes.", limit=limits.total_bytes)
        path = PurePosixPath(name)
        if path.parts[0] == _OF_MACOS:
            continue
        folders.update(str(parent) for parent in path.parents)
        if info.is_dir():
            folders.add(name)
        elif name in found:
            raise UnsafeFile(f"{archive}: {name!r} occurs twice, and which one counts is anyone's guess.", member=name)
        else:
            found[name] = info
    _require_proportion(archive, entries, total, limits)
    both = sorted(folders & set(found))
    if both:
        raise UnsafeFile(f"{archive}: {both[0]!r} is a file and a folder.", member=both[0])
    return found


def _require_apart(archive: Path, entries: list[zipfile.ZipInfo], directory_at: int) -> None:
    """Every entry must have bytes of its own: entries that overlap unpack the same ones again and again."""
    end, before = 0, ""
    for info in sorted(entries, key=lambda entry: entry.header_offset):
        if info.header_offset < end:
            raise UnsafeFile(f"{archive}: {info.filename[:80]!r} and {before!r} share their bytes.", member=info.filename[:80])
        end = info.header_offset + _LOCAL_HEADER_BYTES + info.compress_size
        before = info.filename[:80]
    if end > directory_at:
        raise UnsafeFile(f"{archive}: {before!r} reaches beyond the archive's files.", member=before)


def _require_proportion(archive: Path, entries: list[zipfile.ZipInfo], total: int, limits: ArchiveLimits) -> None:
    carried = sum(info.compress_size for info in entries)
    if total > limits.free_bytes + limits.ratio * carried:
        raise UnsafeFile(
            f"{archive} unpacks to {total:,} bytes from {carried:,}, more than {limits.ratio} for one; photographs do not.",
            limit=limits.ratio,
        )


def _name(archive: Path, info: zipfile.ZipInfo) -> str:
    """The entry's name, normalised. zipfile cuts names at a NUL and turns backslashes, so the name as stored is judged."""
    stored = info.orig_filename
    path = PurePosixPath(stored)
    if path.is_absolute() or ".." in path.parts or "\\" in stored or ":" in stored or not path.parts:
        raise UnsafeFile(f"{archive}: {stored[:80]!r} leads out of the archive.", member=stored[:80])
    if any(unicodedata.category(letter) in ("Cc", "Cf", "Cs") for letter in stored):
        raise UnsafeFile(f"{archive}: {stored[:80]!r} has characters that cannot be seen.", member=stored[:80])
    parts = [len(os.fsencode(part)) for part in path.parts]
    if max(parts) > _MAX_PART_BYTES or sum(parts) > _MAX_NAME_BYTES or len(parts) > _MAX_DEPTH:
        raise UnsafeFile(f"{archive}: {stored[:80]!r} is too long, or too deep inside folders.", member=stored[:80])
    return str(path)


def _require_plain(archive: Path, info: zipfile.ZipInfo) -> None:
    """A stored or deflated file or folder, nothing else."""
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        what = "link" if kind == stat.S_IFLNK else "device or special file"
        raise UnsafeFile(
            f"{archive}: {info.filename[:80]!r} is a {what}; only files and folders are taken.", member=info.filename
        )
    if info.flag_bits & 0x1:
        raise UnsafeFile(f"{archive}: {info.filename[:80]!r} is encrypted.", member=info.filename)
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise UnsafeFile(
            f"{archive}: {info.filename[:80]!r} is compressed by method {info.compress_type}; only stored and deflated files are "
            "taken.",
            member=info.filename,
        )
    if info.compress_type == zipfile.ZIP_STORED and info.file_size != info.compress_size:
        raise UnsafeFile(f"{archive}: {info.filename[:80]!r} is stored, and of two sizes.", member=info.filename)


def _unpack(archive: Path, opened: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    try:
        file = target.open("xb")
    except FileExistsError:  # names that this file system takes for one
        raise UnsafeFile(f"{archive}: {info.filename!r} occurs twice in other letters.", member=info.filename) from None
    with file, opened.open(info) as member:
        while piece := member.read(_PIECE_BYTES):
            written += file.write(piece)
    if written != info.file_size:  # zipfile checks the sum of what there is, and takes too little for enough
        raise DataError(f"{archive} is not a complete .zip: {info.filename!r} breaks off. Make it again.", path=str(archive))
