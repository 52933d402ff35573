"""Writers of what the sources read: pickles byte for byte as Python 2 wrote them, archives, IDX files, photographs."""

import gzip
import io
import pickle
import struct
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from models.imaging import Pixels, encode_png


def python2_batch(data: npt.NDArray[np.uint8], labels: Sequence[int]) -> bytes:
    """{"data": array, "labels": list} as cPickle of Python 2 with numpy 1 wrote it, protocol 2."""
    rows, width = data.shape
    raw = data.tobytes()
    return b"".join(
        (
            b"\x80\x02}q\x01(U\x04dataq\x02cnumpy.core.multiarray\n_reconstruct\nq\x03cnumpy\nndarray\nq\x04K\x00\x85U\x01b\x87Rq\x05(K\x01",
            b"J" + struct.pack("<i", rows) + b"J" + struct.pack("<i", width) + b"\x86",
            b"cnumpy\ndtype\nq\x06U\x02u1K\x00K\x01\x87Rq\x07(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89",
            b"T" + struct.pack("<i", len(raw)) + raw + b"tb",
            b"U\x06labelsq\x08]q\x09(" + b"".join(b"K" + bytes((label,)) for label in labels) + b"eu.",
        )
    )


def rows(count: int, width: int = 3072, seed: int = 0) -> npt.NDArray[np.uint8]:
    """(count, width) uint8 noise."""
    return np.random.default_rng(seed).integers(0, 256, (count, width), np.uint8)


def batch(count: int = 3, width: int = 3072, seed: int = 0, protocol: int = 5, **changes: Any) -> bytes:
    """A batch as today's pickle writes it; labels count up from 0."""
    content = {"data": rows(count, width, seed), "labels": [row % 9 for row in range(count)]}
    return pickle.dumps({**content, **changes}, protocol)


def write_tar(path: Path, files: Mapping[str, bytes], mode: str = "w:gz") -> Path:
    """An archive of regular files."""
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def write_member(path: Path, member: tarfile.TarInfo, content: bytes = b"") -> Path:
    """An archive of one member as given."""
    with tarfile.open(path, "w") as tar:
        tar.addfile(member, io.BytesIO(content))
    return path


def write_idx(folder: Path, name: str, digits: npt.NDArray[np.uint8], labels: Sequence[int], zipped: bool = True) -> None:
    """A pair of IDX files; `digits` is (N, 28, 28) uint8."""
    images = struct.pack(">IIII", 0x0803, *digits.shape) + digits.tobytes()
    marks = struct.pack(">II", 0x0801, len(labels)) + bytes(labels)
    for suffix, content in (("images-idx3-ubyte", images), ("labels-idx1-ubyte", marks)):
        target = folder / f"{name}-{suffix}{'.gz' if zipped else ''}"
        target.write_bytes(gzip.compress(content) if zipped else content)


def photograph(width: int = 12, height: int = 8, seed: int = 0) -> Pixels:
    """(height, width, 3) uint8 noise."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def write_png(path: Path, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_png(photograph(seed=seed)))
    return path
