"""Encoded photograph -> upright RGB pixels, within limits. JPEG, PNG, WebP and BMP; nothing else is tried.

The header is read and judged before a single pixel is decoded, so that a small file declaring a huge picture costs nothing.
JPEGs are scaled down inside the decoder (libjpeg-turbo's DCT scaling) to the smallest size that is still large enough.
"""

import struct
from dataclasses import dataclass
from io import BytesIO
from typing import Final

import numpy as np
import numpy.typing as npt
import simplejpeg
from PIL import BmpImagePlugin, Image, PngImagePlugin, WebPImagePlugin
from PIL.ImageFile import ImageFile

from models.containers import BROKEN, UPRIGHT, essential_png, jpeg_segments, orientation, stored_size
from models.errors import EmptyBody, TooManyPixels, UndecodableImage

Pixels = npt.NDArray[np.uint8]
"""(H, W, 3) uint8 RGB."""

MEDIA_TYPES: Final = {"jpeg": "image/jpeg", "png": "image/png", "webp": "image/webp", "bmp": "image/bmp"}
_TURNED: Final = frozenset((5, 6, 7, 8))  # EXIF orientations that exchange width and height
_SEQUENTIAL: Final = (0xC0, 0xC1)  # frame markers of JPEGs that are not progressive
_MAX_SCANS: Final = 64
# What decoders raise on broken files of these formats; anything else is a bug and must surface.
_DECODER_ERRORS: Final = (
    *(OSError, SyntaxError, ValueError, EOFError, IndexError, OverflowError, struct.error),
    Image.DecompressionBombError,  # Pillow's own limit for WebP, far above ours
)


@dataclass(frozen=True, slots=True)
class ImageLimits:
    """What is accepted at the door."""

    max_pixels: int = 25_000_000
    """Width times height as declared by the header."""


DEFAULT_LIMITS: Final = ImageLimits()


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """Facts known before decoding: `format` is a key of MEDIA_TYPES, sizes are of the upright picture in pixels."""

    format: str
    width: int
    height: int
    orientation: int
    """EXIF orientation, 1 to 8; 1 is upright."""


def sniff(data: bytes) -> str | None:
    """Format by its magic number: a key of MEDIA_TYPES, or None. A file's name or content type is never believed."""
    if data[:3] == b"\xff\xd8\xff":
        return "jpeg"
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        return "png"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    if data[:2] == b"BM":
        return "bmp"
    return None


def read_header(data: bytes, limits: ImageLimits = DEFAULT_LIMITS) -> ImageHeader:
    """Format, upright size and orientation of an encoded photograph, without decoding it.

    Raises EmptyBody, UndecodableImage, TooManyPixels.
    """
    if not data:
        raise EmptyBody
    kind = sniff(data)
    if kind is None:
        raise UndecodableImage("it is none of JPEG, PNG, WebP or BMP")
    try:
        width, height = stored_size(kind, data)
    except BROKEN as error:
        raise UndecodableImage(f"broken {kind.upper()} header ({error})") from error
    if width * height > limits.max_pixels:  # before anything else is read
        raise TooManyPixels(width, height, limits.max_pixels)
    turn = orientation(kind, data)
    if turn in _TURNED:
        width, height = height, width
    return ImageHeader(kind, width, height, turn)


def decode(data: bytes, header: ImageHeader, at_least: tuple[int, int] | None = None) -> Pixels:
    """Encoded photograph -> (H, W, 3) uint8 RGB, upright.

    With `at_least` = (width, height) of the upright picture in pixels, a JPEG may come smaller than it is, but no smaller
    than that on either side; other formats always come whole. Bytes after the picture's end are ignored, a picture that
    ends too early is not. Raises UndecodableImage.
    """
    try:
        if header.format == "jpeg":
            pixels = _decode_jpeg(data, header, at_least)
        else:
            picture = _open(header.format, data)
            if picture.size != _stored(header, header.width, header.height):
                raise ValueError("its parts disagree about its size")
            if picture.mode == "P" and picture.palette is None:
                raise ValueError("it lacks its palette")
            pixels = np.array(_rgb(picture))
    except _DECODER_ERRORS as error:
        raise UndecodableImage(f"broken {header.format.upper()} data ({error})") from error
    return pixels if header.orientation == UPRIGHT else _upright(pixels, header.orientation)


def decode_whole(data: bytes, limits: ImageLimits = DEFAULT_LIMITS) -> Pixels:
    """Encoded photograph at its full size -> (H, W, 3) uint8 RGB. Raises as `read_header` and `decode`."""
    return decode(data, read_header(data, limits))


def encode_png(pixels: Pixels) -> bytes:
    """(H, W, 3) uint8 RGB -> lossless PNG."""
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=3)
    return buffer.getvalue()


def _decode_jpeg(data: bytes, header: ImageHeader, at_least: tuple[int, int] | None) -> Pixels:
    # A progressive scan passes over the whole picture and may be a few bytes long: unlimited, a small file takes minutes.
    sequential = any(marker in _SEQUENTIAL for marker, _ in jpeg_segments(data))
    if not sequential and data.count(b"\xff\xda") > _MAX_SCANS:
        raise ValueError(f"more than {_MAX_SCANS} scans")
    width, height = _stored(header, *at_least) if at_least else (0, 0)
    inks = simplejpeg.decode_jpeg_header(data)[2] in ("CMYK", "YCCK")  # libjpeg-turbo does not convert these to RGB
    # strict: without it a photograph cut off in transfer decodes to one whose lower part is grey
    pixels = np.asarray(
        simplejpeg.decode_jpeg(data, "CMYK" if inks else "RGB", min_height=height, min_width=width, strict=True), np.uint8
    )
    if not inks:
        return pixels
    inverted = (~pixels).tobytes()  # every program stores inks as Adobe's do: 255 is none
    return np.array(Image.frombytes("CMYK", (pixels.shape[1], pixels.shape[0]), inverted).convert("RGB"))


def _open(kind: str, data: bytes) -> ImageFile:
    """A decoder of exactly this format, ready to load; `kind` is png, webp or bmp."""
    if kind == "png":
        return PngImagePlugin.PngImageFile(BytesIO(essential_png(data)))
    if kind == "webp":
        return WebPImagePlugin.WebPImageFile(BytesIO(data))
    return BmpImagePlugin.BmpImageFile(BytesIO(data))


def _stored(header: ImageHeader, width: int, height: int) -> tuple[int, int]:
    """(width, height) of the upright picture <-> of the stored one."""
    return (height, width) if header.orientation in _TURNED else (width, height)


def _upright(pixels: Pixels, orientation: int) -> Pixels:
    """Undo an EXIF orientation (EXIF 2.32, tag 0x0112)."""
    if orientation in _TURNED:
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (2, 3, 7, 8):
        vertical, horizontal = {2: (1, -1), 3: (-1, -1), 7: (-1, -1), 8: (-1, 1)}[orientation]
    else:
        vertical, horizontal = {4: (-1, 1), 6: (1, -1)}.get(orientation, (1, 1))
    return np.ascontiguousarray(pixels[::vertical, ::horizontal])


def _rgb(picture: Image.Image) -> Image.Image:
    """Any mode -> RGB: transparency lies on white, 16-bit grey keeps its upper byte."""
    if picture.mode.startswith("I"):
        return Image.fromarray((np.asarray(picture).astype(np.uint32) >> 8).clip(0, 255).astype(np.uint8)).convert("RGB")
    if picture.has_transparency_data:
        whole = picture.convert("RGBA")
        paper = Image.new("RGBA", whole.size, "white")
        return Image.alpha_composite(paper, whole).convert("RGB")
    return picture.convert("RGB")
