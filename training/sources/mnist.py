"""MNIST and its kin as IDX files (big-endian header, then bytes), plain or gzipped: the digits of "Deep MNIST for Experts".

A folder holds pairs `NAME-images-idx3-ubyte[.gz]` and `NAME-labels-idx1-ubyte[.gz]`. With `train` and `t10k` both there, these
are the training and the test part. A folder with one pair only is cut: its first 8/10 are the training part, the rest the test.
"""

import gzip
import re
import struct
import zlib
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from models.errors import DataError
from training.sources.samples import LabelledSet, Sample, Split

SIDE_PX: Final = 28
MAX_DIGITS: Final = 1_000_000
_FILE: Final = re.compile(r"(?P<name>.+)[-.](?P<kind>images|labels)[-.]idx[13]-ubyte(\.gz)?")
_IMAGES_MAGIC: Final = 0x0803  # unsigned bytes, three axes
_LABELS_MAGIC: Final = 0x0801  # unsigned bytes, one axis


def is_mnist_folder(folder: Path) -> bool:
    """Whether a folder holds IDX files of images."""
    return any("images" in kinds for kinds in _pairs(folder).values())


def read(folder: Path, split: Split = "all") -> LabelledSet:
    """The chosen part, as pixels of (28, 28, 3) uint8, the grey repeated, and labels "0" to "9".

    Raises DataError where a file is missing, cut short, or breaks the format.
    """
    pairs = _pairs(folder)
    lone = [name for name, kinds in pairs.items() if len(kinds) != 2]
    if lone:
        raise DataError(f"{folder}: {', '.join(sorted(lone))} has images or labels, but not both.", names=sorted(lone))
    if len(pairs) == 1:
        [(name, files)] = pairs.items()
        samples = _samples(name, files)
        cut = len(samples) * 8 // 10
        chosen = {"train": samples[:cut], "test": samples[cut:], "all": samples}[split]
    elif set(pairs) == {"train", "t10k"}:
        parts = {"train": ("train",), "test": ("t10k",), "all": ("train", "t10k")}[split]
        chosen = [sample for name in parts for sample in _samples(name, pairs[name])]
    else:
        raise DataError(f"{folder} has {', '.join(sorted(pairs))}; due is one pair, or train and t10k.", names=sorted(pairs))
    return LabelledSet(folder.resolve().name, tuple(chosen))


def _pairs(folder: Path) -> dict[str, dict[str, Path]]:
    """Name -> {"images": path, "labels": path}; of a file and its gzipped twin the plain one counts."""
    pairs: dict[str, dict[str, Path]] = {}
    for path in sorted(folder.iterdir()):
        match = _FILE.fullmatch(path.name)
        if match and path.is_file():
            pairs.setdefault(match["name"], {}).setdefault(match["kind"], path)
    return pairs


def _samples(name: str, files: dict[str, Path]) -> list[Sample]:
    images, labels = _images(files["images"]), _labels(files["labels"])
    if len(images) != len(labels):
        raise DataError(
            f"{files['images']} has {len(images)} digits, {files['labels']} {len(labels)} labels.",
            images=len(images),
            labels=len(labels),
        )
    wrong = sorted({int(label) for label in labels if label > 9})
    if wrong:
        raise DataError(f"{files['labels']} has the labels {wrong[:10]}; digits are 0 to 9.", labels=wrong)
    rgb = np.repeat(images[..., np.newaxis], 3, axis=-1)  # N x 28 x 28 x 3
    return [Sample(f"{name}#{row}", str(label), rgb[row]) for row, label in enumerate(labels)]


def _images(path: Path) -> npt.NDArray[np.uint8]:
    """(N, 28, 28) uint8."""
    magic, count, rows, columns = struct.unpack(">IIII", _read(path, 0, 16))
    _check_header(path, magic, _IMAGES_MAGIC, count)
    if (rows, columns) != (SIDE_PX, SIDE_PX):
        raise DataError(
            f"{path} has digits of {rows} x {columns} pixels; due is {SIDE_PX} x {SIDE_PX}.", rows=rows, columns=columns
        )
    return np.frombuffer(_read(path, 16, count * rows * columns, last=True), np.uint8).reshape(count, rows, columns)


def _labels(path: Path) -> npt.NDArray[np.uint8]:
    """(N,) uint8."""
    magic, count = struct.unpack(">II", _read(path, 0, 8))
    _check_header(path, magic, _LABELS_MAGIC, count)
    return np.frombuffer(_read(path, 8, count, last=True), np.uint8)


def _check_header(path: Path, magic: int, due: int, count: int) -> None:
    if magic != due:
        raise DataError(f"{path} starts with {magic:#010x}, an IDX file of this kind with {due:#010x}.", found=magic, due=due)
    if count > MAX_DIGITS:
        raise DataError(f"{path} declares {count:,} digits; at most {MAX_DIGITS:,} are read.", declared=count, limit=MAX_DIGITS)


def _read(path: Path, start: int, count: int, *, last: bool = False) -> bytes:
    """Exactly `count` bytes from `start`; with `last`, nothing may follow them. Never unpacks more than that."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            data: bytes = file.read(start + count + 1)[start:]
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read: {error}. Fetch it again.", path=str(path)) from error
    if len(data) < count or (last and len(data) > count):
        less = "more" if len(data) > count else "less"
        raise DataError(
            f"{path} has {less} than the {start + count} bytes that its header declares. Fetch it again.", path=str(path)
        )
    return data[:count]
