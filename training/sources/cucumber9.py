"""CUCUMBER-9, the public set of cucumber photographs: an archive (.tar.gz) or a folder of batches in the CIFAR-10 python layout.

A batch is a pickled dict: `data`, uint8 (N, 3072) or (N, 9216), and `labels`, N class ids. A row is planes of 32 x 32 pixels,
row-major: red, green and blue seen from above (prototype 1), then the same from below and from the side (prototype 2). The
width of the rows tells the prototypes apart. `data_batch_*` is the training part, `test_batch` the test part.

CUCUMBER-9 is by Makoto Koike (workpiles) under CC BY 4.0.
"""

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from models.errors import DataError, UnsafeFile
from models.grades import GRADES
from training.sources import safe_pickle, safe_tar
from training.sources.samples import LabelledSet, Sample, Split

ATTRIBUTION: Final = "CUCUMBER-9 (https://github.com/workpiles/CUCUMBER-9) by Makoto Koike (workpiles), CC BY 4.0"
SOURCE_ORDER: Final = ("2L", "BM", "BL", "M", "S", "L", "2S", "BS", "C")
"""What the class ids 0 to 8 mean where a copy has no `batches.meta`; measured length and bend of the grades agree with it."""
SIDE_PX: Final = 32
VIEWS: Final = {1: ("above",), 2: ("above", "below", "side")}
"""The views of each prototype, in the order of a row."""

_META: Final = "batches.meta"
_TRAIN: Final = re.compile(r"data_batch_(\d+)")
_TEST: Final = "test_batch"
_PLANES: Final = 3 * SIDE_PX * SIDE_PX
_PROTOTYPES: Final = {_PLANES * len(views): number for number, views in VIEWS.items()}


def is_batch_folder(folder: Path) -> bool:
    """Whether a folder, or a folder directly inside it, holds batches."""
    return bool(_batch_files(folder))


def read(path: Path, split: Split = "all") -> LabelledSet:
    """The chosen part of an archive or folder; every sample has `pixels` of (32, 32, 3) uint8, seen from above.

    Samples of prototype 2 carry the `views` "below" and "side". Raises UnsafeFile where a file is more than data, DataError
    where it breaks the layout or lacks the part.
    """
    files = _contents(path)
    batches = _chosen(path, files, split)
    names = _label_names(path, files)
    samples: list[Sample] = []
    widths: set[int] = set()
    for batch, content in batches.items():
        data, labels = _batch(f"{path}: {batch}", content, len(names))
        widths.add(data.shape[1])
        samples.extend(_samples(batch, data, [names[label] for label in labels]))
    if len(widths) > 1:
        raise DataError(f"{path} mixes prototype 1 and prototype 2; keep their batches apart.", widths=sorted(widths))
    name = path.resolve().name.removesuffix(".gz").removesuffix(".tgz").removesuffix(".tar")
    return LabelledSet(name, tuple(samples), ATTRIBUTION)


def _is_batch(name: str) -> bool:
    return name in (_TEST, _META) or _TRAIN.fullmatch(name) is not None


def _batch_files(folder: Path) -> list[Path]:
    """The batch files of a folder or, if it has none, of the folders directly inside it."""
    files = [path for path in folder.iterdir() if _is_batch(path.name) and path.is_file()]
    return files or [path for path in folder.glob("*/*") if _is_batch(path.name) and path.is_file()]


def _contents(path: Path) -> dict[str, bytes]:
    """Batch name -> its pickle, "batches.meta" among them."""
    found: dict[PurePosixPath | Path, bytes] = {}
    if path.is_dir():
        for file in _batch_files(path):
            if file.stat().st_size > safe_tar.MAX_TOTAL_BYTES:
                raise UnsafeFile(f"{file} is larger than {safe_tar.MAX_TOTAL_BYTES:,} bytes.", limit=safe_tar.MAX_TOTAL_BYTES)
            found[file] = file.read_bytes()
    else:
        found.update({PurePosixPath(name): content for name, content in safe_tar.members(path).items()})
        found = {name: content for name, content in found.items() if _is_batch(name.name)}
    folders = sorted({str(name.parent) for name in found})
    if len(folders) > 1:
        raise DataError(f"{path} has batches in several folders ({', '.join(folders[:10])}); name one of them.", folders=folders)
    return {name.name: content for name, content in found.items()}


def _chosen(path: Path, files: Mapping[str, bytes], split: Split) -> dict[str, bytes]:
    """The batches of a part, training batches first, in the order of their numbers."""
    train = sorted((name for name in files if _TRAIN.fullmatch(name)), key=lambda name: (int(name.rpartition("_")[2]), name))
    test = [name for name in files if name == _TEST]
    chosen = {"train": train, "test": test, "all": train + test}[split]
    if not chosen:
        lacking = {"train": "data_batch_*", "test": _TEST, "all": f"data_batch_* and no {_TEST}"}[split]
        raise DataError(f"{path} has no {lacking}; it is no CUCUMBER-9 with that part.", split=split, found=sorted(files))
    return {name: files[name] for name in chosen}


def _unpickled(where: str, content: bytes) -> dict[str, object]:
    try:
        loaded = safe_pickle.load(content)
    except DataError as error:
        raise type(error)(f"{where}: {error}", **error.facts) from error
    if not isinstance(loaded, dict):
        raise DataError(f"{where} holds a {type(loaded).__name__}, not a dict with data and labels.")
    return {_text(key): value for key, value in loaded.items()}


def _text(value: object) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _label_names(path: Path, files: Mapping[str, bytes]) -> tuple[str, ...]:
    if _META not in files:
        return SOURCE_ORDER
    listed = _unpickled(f"{path}: {_META}", files[_META]).get("label_names")
    if not isinstance(listed, list) or not all(isinstance(name, str | bytes) for name in listed):
        raise DataError(f"{path}: {_META} has no list `label_names`; without the file the source's own order is used.")
    # Cut: the file chooses how long a name is and how often it stands in the list
    names = tuple(_text(name[:20]) for name in listed[:100])
    if len(set(names)) != len(listed) or not set(names) <= set(GRADES):
        raise DataError(f"{path}: {_META} names {' '.join(names[:20])}; the grades are {' '.join(GRADES)}.", found=list(names))
    return names


def _batch(where: str, content: bytes, classes: int) -> tuple[npt.NDArray[np.uint8], list[int]]:
    """(rows, class ids) of one batch: uint8 (N, 3072 or 9216) and N integers, each the index of a grade."""
    loaded = _unpickled(where, content)
    data, labels = loaded.get("data"), loaded.get("labels")
    if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.ndim != 2 or data.shape[1] not in _PROTOTYPES:
        found = f"{data.dtype} {data.shape}" if isinstance(data, np.ndarray) else type(data).__name__
        raise DataError(f"{where}: `data` is {found}; due is uint8 (N, {' or '.join(map(str, _PROTOTYPES))}).", found=found)
    ids = _class_ids(where, labels)
    if len(ids) != len(data):
        raise DataError(f"{where} has {len(data)} photographs and {len(ids)} labels.", images=len(data), labels=len(ids))
    wrong = sorted({label for label in ids if not 0 <= label < classes})
    if wrong:
        raise DataError(f"{where} has the labels {wrong[:10]}; they must be 0 to {classes - 1}.", labels=wrong)
    return data, ids


def _class_ids(where: str, labels: object) -> list[int]:
    if isinstance(labels, np.ndarray) and labels.ndim == 1 and labels.dtype.kind in "iu":
        return [int(label) for label in labels]
    if isinstance(labels, list) and all(type(label) is int for label in labels):
        return list(labels)
    raise DataError(f"{where}: `labels` is {type(labels).__name__}; due is a list of integers.")


def _samples(batch: str, data: npt.NDArray[Any], grades: list[str]) -> list[Sample]:
    views = VIEWS[_PROTOTYPES[data.shape[1]]]
    planes = data.reshape(len(data), len(views), 3, SIDE_PX, SIDE_PX)  # N x views x RGB x rows x columns
    pixels = np.ascontiguousarray(planes.transpose(1, 0, 3, 4, 2))  # views x N x rows x columns x RGB
    by_view = dict(zip(views, pixels, strict=True))
    above = by_view.pop("above")
    return [
        Sample(f"{batch}#{row}", grade, above[row], views={view: images[row] for view, images in by_view.items()})
        for row, grade in enumerate(grades)
    ]
