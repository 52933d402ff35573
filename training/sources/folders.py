"""Photographs in folders: one sub-folder per grade, or a labelled batch with its manifest.

Neither kind has a training and a test part. A photograph that cannot be read is an error that names it, never left out: a set
that shrinks without a word gives figures that nobody can repeat.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from models.errors import DataError, ImageError, InvalidBatch
from models.grades import GRADES
from models.imaging import read_header
from models.labelled import MANIFEST, read_manifest
from training.sources.samples import LabelledSet, Sample

SUFFIXES: Final = frozenset((".jpg", ".jpeg", ".png", ".webp", ".bmp"))
_OTHER_IMAGES: Final = frozenset((".gif", ".tif", ".tiff", ".heic", ".heif", ".avif", ".jp2", ".dng", ".nef", ".cr2", ".arw"))
FRUIT: Final = "fruit"
"""The fact of a manifest that tells which photographs show the same fruit."""
_LISTED: Final = 10  # so many bad files are named; the message stays readable


def is_batch(folder: Path) -> bool:
    """Whether a folder holds a labelled batch."""
    return (folder / MANIFEST).is_file()


def is_grade_folder(folder: Path) -> bool:
    """Whether a folder has a sub-folder named as a grade."""
    return any((folder / grade).is_dir() for grade in GRADES)


def read_batch(folder: Path) -> LabelledSet:
    """A labelled batch; a sample's group is the `fruit` fact of its row, its path where there is none.

    Raises InvalidBatch where the manifest breaks its format or lists nothing, DataError naming the unreadable photographs.
    """
    samples = tuple(
        Sample(row.path, row.grade, path=folder / row.path, group=row.facts.get(FRUIT, ""), lot=row.lot)
        for row in read_manifest(folder, GRADES)
    )
    if not samples:
        raise InvalidBatch(f"{folder / MANIFEST} lists no photograph.", path=str(folder))
    _check_headers(folder, samples)
    return LabelledSet(folder.resolve().name, samples)


def read_grade_folder(folder: Path) -> LabelledSet:
    """Photographs under `<folder>/<grade>/`, at any depth; hidden files and folders do not count.

    Raises DataError for sub-folders that are no grade, photographs outside of them, none at all, and unreadable ones by name.
    """
    visible = [path for path in sorted(folder.iterdir()) if not path.name.startswith(".")]
    unknown = [path.name for path in visible if path.is_dir() and path.name not in GRADES]
    if unknown:
        raise DataError(
            f"{folder} has sub-folders {', '.join(unknown[:_LISTED])}; the grades are {' '.join(GRADES)}. Rename or move them.",
            unknown=unknown,
        )
    stray = [path.name for path in visible if path.is_file() and path.suffix.lower() in SUFFIXES | _OTHER_IMAGES]
    if stray:
        raise DataError(f"{folder} has photographs outside of any grade: {', '.join(stray[:_LISTED])}. Move them.", stray=stray)
    samples = tuple(
        Sample(path.relative_to(folder).as_posix(), grade, path=path)
        for grade in GRADES
        for path in _photographs(folder, folder / grade)
    )
    if not samples:
        raise DataError(f"{folder} has sub-folders of grades, but no photograph ({', '.join(sorted(SUFFIXES))}) in them.")
    _check_headers(folder, samples)
    return LabelledSet(folder.resolve().name, samples)


def _photographs(root: Path, folder: Path) -> list[Path]:
    found = [path for path in sorted(folder.rglob("*")) if path.suffix.lower() in SUFFIXES | _OTHER_IMAGES and path.is_file()]
    return [path for path in found if not any(part.startswith(".") for part in path.relative_to(root).parts)]


def _check_headers(folder: Path, samples: Iterable[Sample]) -> None:
    bad: dict[str, str] = {}
    for sample in samples:
        if sample.path is None:
            continue
        try:
            read_header(sample.path.read_bytes())
        except (ImageError, OSError) as error:
            bad[sample.name] = str(error)
    if bad:
        listed = "\n".join(f"  {name}: {reason}" for name, reason in list(bad.items())[:_LISTED])
        more = f"\n  and {len(bad) - _LISTED} more" if len(bad) > _LISTED else ""
        raise DataError(
            f"{folder} has {len(bad)} unreadable photographs; repair or remove them:\n{listed}{more}", files=list(bad)
        )
