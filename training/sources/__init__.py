"""Labelled photographs from wherever they are: `load` one source, or `load_all` of several as one set."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from models.archives import is_zip
from models.errors import DataError, UnknownSource
from training.sources import cucumber9, folders, label_studio, mnist, safe_tar, zipped
from training.sources.samples import LabelledSet, Sample, Split

__all__ = ["RECORDS", "LabelledSet", "Sample", "Split", "load", "load_all"]

KINDS: Final = (
    "a CUCUMBER-9 archive (.tar.gz) or folder (data_batch_*, test_batch)",
    "a labelled batch (a folder or .zip with manifest.csv and images)",
    "a folder with one sub-folder per grade",
    "a folder of MNIST IDX files (*-images-idx3-ubyte[.gz] and labels)",
    "an export of Label Studio (.json, JSON or JSON-MIN, or the folder that it is in) beside its images",
    "records: or records:SINCE..UNTIL, the corrections on record, in a command of senka",
)
RECORDS: Final = "records:"
"""The command exports these and passes on the folder: what is on record is the service's, which training never imports."""


def load(source: str | Path, split: Split = "all") -> LabelledSet:
    """The labelled photographs of one source, its kind told by what it holds.

    `split` chooses a part where the source has parts (CUCUMBER-9, MNIST); the others give everything for each split.
    Raises UnknownSource listing the kinds understood, and DataError where a source of a known kind is broken.
    """
    path = Path(source)
    if str(source).startswith(RECORDS):
        raise _unknown(
            path,
            "is read by commands alone: `senka` exports the corrections first, and training reads that folder. Give a command "
            "--data records:, or name the folder that `senka corrections export --out DIR` wrote",
        )
    try:
        if not path.exists():
            raise _unknown(path, "does not exist")
        return _reader(path)(split)
    except OSError as error:
        raise _unknown(path, f"cannot be read ({error.strerror or error})") from error


def load_all(sources: Sequence[str | Path], split: Split = "all") -> LabelledSet:
    """Several sources as one set; names get their source's name in front. Raises as `load`, and DataError for no source."""
    places = [Path(source).resolve() for source in sources]
    twice = {str(place) for place in places if places.count(place) > 1}
    if twice:
        raise DataError(f"{', '.join(sorted(twice))} is named twice: an image would stand on both sides of a split.")
    return LabelledSet.merged(load(source, split) for source in sources)


def _reader(path: Path) -> Callable[[Split], LabelledSet]:
    if path.is_file():
        if safe_tar.is_tar(path):
            return lambda split: cucumber9.read(path, split)
        if is_zip(path):
            return lambda _: zipped.read_batch(path)
        if path.suffix.lower() == ".json":
            return lambda _: label_studio.read(path, path.stem)
        raise _unknown(path, "is a file, but no .tar, .tar.gz or .zip archive and no .json")
    if folders.is_batch(path):
        return lambda _: folders.read_batch(path)
    if cucumber9.is_batch_folder(path):
        return lambda split: cucumber9.read(path, split)
    if mnist.is_mnist_folder(path):
        return lambda split: mnist.read(path, split)
    if folders.is_grade_folder(path):
        return lambda _: folders.read_grade_folder(path)
    # The folder of a downloaded archive stands for it, unless it leaves a choice
    archives = [file for file in sorted(path.iterdir()) if file.name.endswith((".tar.gz", ".tgz", ".tar"))]
    if len(archives) == 1:
        return _reader(archives[0])
    if archives:
        raise _unknown(path, f"holds several archives ({', '.join(file.name for file in archives[:10])}); name one of them")
    exports = label_studio.json_files(path)
    if len(exports) == 1:
        return lambda _: label_studio.read(exports[0], path.resolve().name)
    if exports:
        raise _unknown(path, f"holds several .json ({', '.join(file.name for file in exports[:10])}); name one of them")
    visible = [entry.name for entry in sorted(path.iterdir()) if not entry.name.startswith(".")]
    raise _unknown(path, f"holds {', '.join(visible[:10])}, which is none of them" if visible else "is empty")


def _unknown(path: Path, reason: str) -> UnknownSource:
    listed = "\n".join(f"  {kind}" for kind in KINDS)
    return UnknownSource(
        f"{path} {reason}. A source of labelled photographs is one of:\n{listed}", path=str(path), kinds=list(KINDS)
    )
