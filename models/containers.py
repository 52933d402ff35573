"""What an encoded photograph's container says about it, read without a decoder: stored size and EXIF orientation.

Decoders are first called after this: Pillow's readers allocate the picture (WebP) or decode all of it (PNG, to find EXIF data)
before anyone could object to its size.
"""

import struct
from collections.abc import Iterator
from typing import Final

import simplejpeg

UPRIGHT: Final = 1
BROKEN: Final = (ValueError, IndexError, struct.error)
"""What `stored_size` and `essential_png` raise on broken files."""
_ORIENTATION_TAG: Final = 0x0112
_EXIF_PREFIX: Final = b"Exif\x00\x00"
_BMP_HEADERS: Final = frozenset((40, 52, 56, 64, 108, 124))
_BMP_RLE: Final = (1, 2)
_MAX_PIECES: Final = 5_000
"""Segments or chunks that are walked. A photograph of 16 MB in PNG's usual 8 kB chunks has 2,000; millions of empty ones would
keep everybody waiting."""
_PNG_KEPT: Final = frozenset((b"PLTE", b"tRNS", b"IDAT", b"IEND"))


def stored_size(kind: str, data: bytes) -> tuple[int, int]:
    """(width, height) in pixels as stored, before any turning; `kind` is jpeg, png, webp or bmp. Raises one of BROKEN."""
    width, height = {"jpeg": _jpeg_size, "png": _png_size, "webp": _webp_size, "bmp": _bmp_size}[kind](data)
    if width < 1 or height < 1:
        raise ValueError(f"{width} x {height} pixels")
    return width, height


def orientation(kind: str, data: bytes) -> int:
    """EXIF orientation, 1 to 8; 1 where there is none or it cannot be read: a broken EXIF block spoils no photograph."""
    find = {"jpeg": _jpeg_exif, "png": _png_exif, "webp": _webp_exif}.get(kind)
    try:
        return _tiff_orientation(find(data)) if find else UPRIGHT
    except BROKEN:
        return UPRIGHT


def jpeg_segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(marker, content) of the segments before the first scan. Raises ValueError for absurdly many."""
    at = 2
    for _ in _few():
        if at + 4 > len(data) or data[at] != 0xFF:
            return
        marker = data[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
        elif marker in (0xD9, 0xDA):  # the picture's end, or its first scan
            return
        elif marker == 0x01 or 0xD0 <= marker <= 0xD8:  # these have no content
            at += 2
        else:
            end = at + 2 + max(2, int.from_bytes(data[at + 2 : at + 4]))
            yield marker, data[at + 4 : end]
            at = end


def essential_png(data: bytes) -> bytes:
    """The chunks that carry the picture, up to its end. Raises one of BROKEN where the file ends too early.

    Texts, colour profiles and animations do not reach the decoder: they may be compressed bombs, and Pillow warns about flaws
    in them. A second IHDR, which would change the size that was judged, goes with them.
    """
    chunks = [data[start:end] for number, (name, start, end) in enumerate(_png_chunks(data)) if not number or name in _PNG_KEPT]
    return b"".join([data[:8], *chunks])


def _few() -> Iterator[int]:
    """Counts to _MAX_PIECES, then raises ValueError."""
    yield from range(_MAX_PIECES)
    raise ValueError(f"more than {_MAX_PIECES:,} segments")


def _jpeg_size(data: bytes) -> tuple[int, int]:
    height, width = simplejpeg.decode_jpeg_header(data)[:2]
    return width, height


def _png_size(data: bytes) -> tuple[int, int]:
    if data[12:16] != b"IHDR":
        raise ValueError("it does not start with IHDR")
    width, height = struct.unpack_from(">II", data, 16)
    return width, height


def _webp_size(data: bytes) -> tuple[int, int]:
    if data[12:16] == b"VP8X":  # extended: the canvas, less 1, in 24 bits each
        struct.unpack_from("30x", data)  # long enough
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if data[12:16] == b"VP8L" and data[20] == 0x2F:  # lossless
        (bits,) = struct.unpack_from("<I", data, 21)
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if data[12:16] == b"VP8 " and data[23:26] == b"\x9d\x01\x2a":  # lossy; the upper 2 bits are a hint for scaling
        width, height = struct.unpack_from("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF
    raise ValueError("unknown first chunk")


def _bmp_size(data: bytes) -> tuple[int, int]:
    (header,) = struct.unpack_from("<I", data, 14)
    if header == 12:
        width, height = struct.unpack_from("<HH", data, 18)
        return width, height
    if header not in _BMP_HEADERS:
        raise ValueError(f"a header of {header} bytes")
    width, height, _, _, compression = struct.unpack_from("<iiHHI", data, 18)
    if compression in _BMP_RLE:
        # Pillow decodes these in Python, seconds for a few kilobytes; no camera sends them.
        raise ValueError("run-length coding is not supported")
    return width, abs(height)  # a negative height lists the rows from the top


def _jpeg_exif(data: bytes) -> bytes:
    return next((content for marker, content in jpeg_segments(data) if marker == 0xE1 and content.startswith(_EXIF_PREFIX)), b"")


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """(name, start, end) of each chunk up to and with IEND."""
    at = 8
    for _ in _few():
        length, name = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if end > len(data):
            raise ValueError("the file ends too early")
        yield name, at, end
        if name == b"IEND":
            return
        at = end


def _png_exif(data: bytes) -> bytes:
    return next((data[start + 8 : end - 4] for name, start, end in _png_chunks(data) if name == b"eXIf"), b"")


def _webp_exif(data: bytes) -> bytes:
    at = 12
    for _ in _few():
        if at + 8 > len(data):
            break
        name, length = struct.unpack_from("<4sI", data, at)
        if name == b"EXIF":
            return data[at + 8 : at + 8 + length]
        at += 8 + length + length % 2
    return b""


def _tiff_orientation(exif: bytes) -> int:
    """Orientation in the first directory of an EXIF block (TIFF 6.0)."""
    exif = exif.removeprefix(_EXIF_PREFIX)  # JPEG's prefix; some programs write it into PNG and WebP too
    order = {b"II*\x00": "<", b"MM\x00*": ">"}.get(exif[:4])
    if order is None:
        return UPRIGHT
    (directory,) = struct.unpack_from(f"{order}I", exif, 4)
    (entries,) = struct.unpack_from(f"{order}H", exif, directory)
    for at in range(directory + 2, directory + 2 + 12 * entries, 12):
        tag, kind = struct.unpack_from(f"{order}HH", exif, at)
        if tag == _ORIENTATION_TAG:
            (value,) = struct.unpack_from(f"{order}{'I' if kind == 4 else 'H'}", exif, at + 8)
            return value if 1 <= value <= 8 else UPRIGHT
    return UPRIGHT
