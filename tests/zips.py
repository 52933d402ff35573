"""Archives as strangers make them, byte for byte where zipfile is too polite to."""

import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

MEGABYTE = 2**20


def write_zip(path: Path, members: Mapping[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> Path:
    """An honest one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def local(name: bytes, data: bytes, size: int, checksum: int, method: int = 8, flags: int = 0) -> bytes:
    """The header in front of an entry's bytes, and the bytes."""
    return struct.pack("<4s5H3L2H", b"PK\3\4", 20, flags, method, 0, 33, checksum, len(data), size, len(name), 0) + name + data


def listed(
    name: bytes,
    offset: int,
    packed: int,
    size: int,
    checksum: int,
    *,
    method: int = 8,
    flags: int = 0,
    attributes: int = 0,
    extra: bytes = b"",
) -> bytes:
    """An entry of the directory."""
    lengths = (len(name), len(extra), 0, 0, 0)
    head = struct.pack(
        "<4s4B4H3L5H2L", b"PK\1\2", 20, 3, 20, 0, flags, method, 0, 33, checksum, packed, size, *lengths, attributes, offset
    )
    return head + name + extra


def end(count: int, length: int, start: int, comment: bytes = b"", *, says: int | None = None) -> bytes:
    """The record that ends an archive."""
    said = count if says is None else says
    return struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, said, said, length, start, len(comment)) + comment


def whole(files: bytes, directory: bytes, count: int, comment: bytes = b"", *, says: int | None = None) -> bytes:
    return files + directory + end(count, len(directory), len(files), comment, says=says)


def deflated_zeros(size: int) -> tuple[bytes, int]:
    """(bytes, checksum) of so many zeros, without ever holding them."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    piece = bytes(MEGABYTE)
    made, checksum = bytearray(), 0
    for _ in range(size // MEGABYTE):
        made += packer.compress(piece)
        checksum = zlib.crc32(piece, checksum)
    return bytes(made + packer.flush()), checksum


def bomb_of_ten_gigabytes(path: Path) -> Path:
    """160 entries of 64 MB each, of zeros: 10 GB in 10 MB, as everybody's first bomb is made."""
    packed, checksum = deflated_zeros(64 * MEGABYTE)
    files, directory = bytearray(), b""
    for number in range(160):
        name = b"image-%d.bmp" % number
        directory += listed(name, len(files), len(packed), 64 * MEGABYTE, checksum)
        files += local(name, packed, 64 * MEGABYTE, checksum)
    path.write_bytes(whole(bytes(files), directory, 160))
    return path


def overlapping_bomb(path: Path, entries: int = 5000) -> Path:
    """As David Fifield's of 2019: many entries of the directory, one kernel of bytes that all of them unpack."""
    packed, checksum = deflated_zeros(2 * MEGABYTE)
    kernel = local(b"kernel", packed, 2 * MEGABYTE, checksum)
    directory = b"".join(listed(b"kernel", 0, len(packed), 2 * MEGABYTE, checksum) for _ in range(entries))
    path.write_bytes(whole(kernel, directory, entries))
    return path


def liar(path: Path, declared: int = 100) -> Path:
    """Its directory and header say 100 bytes; its data is a gigabyte of zeros."""
    packed, checksum = deflated_zeros(1024 * MEGABYTE)
    name = b"a.bmp"
    path.write_bytes(whole(local(name, packed, declared, checksum), listed(name, 0, len(packed), declared, checksum), 1))
    return path


def one_entry(path: Path, name: bytes, content: bytes = b"x", *, method: int = 0, flags: int = 0, attributes: int = 0) -> Path:
    """A single stored entry, of whatever name, kind and method."""
    checksum = zlib.crc32(content)
    files = local(name, content, len(content), checksum, method, flags)
    directory = listed(name, 0, len(content), len(content), checksum, method=method, flags=flags, attributes=attributes)
    path.write_bytes(whole(files, directory, 1))
    return path
