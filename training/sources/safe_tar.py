"""Regular files out of a .tar or .tar.gz, in memory and within limits. Nothing is written to disk, whatever the names say."""

import gzip
import io
import tarfile
import zlib
from pathlib import Path, PurePosixPath
from typing import Final

from models.errors import DataError, UnsafeFile

MAX_TOTAL_BYTES: Final = 512 * 1024 * 1024
"""The largest public set (8,400 samples of three views) has 77 MB."""
MAX_MEMBERS: Final = 10_000
_GZIP: Final = b"\x1f\x8b"
_USTAR_AT: Final = 257
# What tarfile and gzip raise on broken files; RecursionError: every extension header is parsed inside the one before
_BROKEN: Final = (tarfile.TarError, zlib.error, EOFError, OSError, ValueError, OverflowError, RecursionError)


def is_tar(path: Path) -> bool:
    """Whether the file looks like a .tar or .tar.gz, by its first bytes."""
    with path.open("rb") as file:
        start = file.read(_USTAR_AT + 5)
    return start.startswith(_GZIP) or start[_USTAR_AT:] == b"ustar"


def members(path: Path, max_total_bytes: int = MAX_TOTAL_BYTES, max_members: int = MAX_MEMBERS) -> dict[str, bytes]:
    """Name -> content of every regular file in the archive.

    `max_total_bytes` limits the uncompressed archive, headers included. Raises UnsafeFile for links, devices, names that lead
    out of a folder and archives over the limits, and DataError for a file that is no archive, cut short or broken.
    """
    archive = _uncompressed(path, max_total_bytes)
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:") as tar:
            for number, member in enumerate(tar):
                if number >= max_members:
                    raise UnsafeFile(f"{path} has more than {max_members:,} members.", limit=max_members)
                name = _judged(path, member, max_total_bytes)
                if member.isdir():
                    continue
                if name in found:
                    raise UnsafeFile(f"{path}: {name!r} occurs twice, and which one counts is anyone's guess.", member=name)
                content = tar.extractfile(member)
                found[name] = content.read() if content else b""
            end = tar.offset
    except _BROKEN as error:
        raise DataError(f"{path} is not a complete tar archive: {error}. Fetch it again.", path=str(path)) from error
    # tarfile takes a damaged header for the end and would drop what follows; a complete archive ends in zeros
    if not archive[end:] or archive[end:].strip(b"\0"):
        raise DataError(
            f"{path} is not a complete tar archive: it breaks off after {len(found)} files. Fetch it again.", path=str(path)
        )
    return found


def _uncompressed(path: Path, max_total_bytes: int) -> bytes:
    try:
        with path.open("rb") as file:
            compressed = file.read(len(_GZIP)) == _GZIP
            file.seek(0)
            if compressed:
                with gzip.GzipFile(fileobj=file) as stream:
                    archive = stream.read(max_total_bytes + 1)  # one more than allowed tells a bomb without unpacking it
            else:
                archive = file.read(max_total_bytes + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read: {error}. Fetch it again.", path=str(path)) from error
    if len(archive) > max_total_bytes:
        raise UnsafeFile(f"{path} unpacks to more than {max_total_bytes:,} bytes.", limit=max_total_bytes)
    return archive


def _judged(path: Path, member: tarfile.TarInfo, max_total_bytes: int) -> str:
    """The member's name, normalised, once its kind, name and size are found harmless."""
    name = PurePosixPath(member.name)
    if name.is_absolute() or ".." in name.parts or "\\" in member.name or "\0" in member.name:
        raise UnsafeFile(f"{path}: member {member.name!r} leads out of the archive.", member=member.name)
    # A sparse file's holes are bytes that the archive does not carry: a bomb of one header
    if not (member.isdir() or member.isreg()) or member.issparse():
        kind = "link" if member.issym() or member.islnk() else "device or special file"
        raise UnsafeFile(f"{path}: member {member.name!r} is a {kind}; only files and folders are read.", member=member.name)
    if not 0 <= member.size <= max_total_bytes:
        raise UnsafeFile(
            f"{path}: member {member.name!r} declares {member.size} bytes.", member=member.name, limit=max_total_bytes
        )
    return str(name)
