"""Small photographs, told apart by a number."""

import io
import zlib

import numpy as np
from PIL import Image

FORMATS = {"jpeg": "JPEG", "png": "PNG", "webp": "WEBP", "bmp": "BMP"}


def picture(number: int = 0, kind: str = "jpeg", size: tuple[int, int] = (24, 24)) -> bytes:
    """An encoded photograph of coarse coloured noise; another number is another photograph, and another grading."""
    coarse = np.random.default_rng(number).integers(0, 256, (6, 6, 3)).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(coarse).resize(size, Image.Resampling.NEAREST).save(buffer, FORMATS[kind])
    return buffer.getvalue()


def declares(width: int, height: int) -> bytes:
    """A PNG that is a header alone: it says how large it is, and has nothing of it."""
    whole = bytearray(picture(0, "png"))
    whole[16:20], whole[20:24] = width.to_bytes(4), height.to_bytes(4)
    whole[29:33] = zlib.crc32(whole[12:29]).to_bytes(4)
    return bytes(whole[:200])
