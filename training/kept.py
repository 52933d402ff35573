"""Labelled batches that models were trained on, kept so that later trainings can replay them.

`<root>/<first 16 hexadecimal digits of its batch_sha256>/` holds `manifest.csv`, `images/`, each named by its content, and
`kept.json`: what it was made of, and when. A batch appears in one step and never changes.
"""

import re
import shutil
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict

from models.durable import locked, read_json, sync_folder, write_durably
from models.errors import DataError, ImageError, InvalidBatch
from models.grades import GRADES
from models.imaging import read_header
from models.labelled import MANIFEST, BatchDigest, LabelledImage, batch_sha256, manifest_writer
from training.sources import LabelledSet, Sample, load
from training.sources.folders import FRUIT

KEPT_FILE: Final = "kept.json"
IMAGES: Final = "images"
ASIDE: Final = ".incoming-"
"""How names of unfinished files and folders begin."""
_NAME: Final = re.compile(r"[0-9a-f]{16}")
_SUFFIXES: Final = {"jpeg": ".jpg", "png": ".png", "webp": ".webp", "bmp": ".bmp"}


class _Facts(BaseModel):
    """`kept.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    """Of the set that was given."""
    origin_sha256: str
    kept_at: str
    attribution: str = ""
    selected: bool = False
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class Kept:
    """A labelled batch that is kept."""

    data: LabelledSet
    """As read back; its name is the folder's."""
    folder: Path
    origin_sha256: str
    """`sha256` of the set that was given: what the card of a model trained on it lists. Of the first, where several gave the
    same batch."""
    kept_at: str
    """RFC 3339, UTC."""
    selected: bool = False
    """Whether its fruit were chosen, as corrections are because a model erred: what is got right of them proves no gain."""
    replayed: bool = False
    """Whether it came as an earlier set: a model that was not trained by a retraining knows it."""


def keep(data: LabelledSet, root: Path, *, selected: bool = False, replayed: bool = False) -> Kept:
    """Keep a set as a labelled batch under `root`; the same set twice is one batch, made whole where it was damaged.

    Encoded files are copied byte for byte, pixels written as PNG: the network inputs are the same. Grades, lots, fruit (as the
    fact `fruit`) and the set's name (as `source`) are kept; further `views` of a fruit and the names of the photographs are not.
    Raises DataError for a set that is empty or not of cucumbers, and naming a photograph that cannot be read.
    """
    require_cucumbers(data)
    root.mkdir(parents=True, exist_ok=True)
    with locked(root / ".lock"):
        _sweep(root)  # under the lock nobody else is writing
        aside = root / f"{ASIDE}{uuid.uuid4().hex}"
        try:
            name = _write(data, aside, selected, replayed)[:16]
            folder = root / name
            if not _is_whole(folder):
                if folder.exists():
                    folder.rename(root / f"{ASIDE}{uuid.uuid4().hex}")
                aside.rename(folder)
                sync_folder(root)
        finally:
            _sweep(root)
    return _read(folder)


def kept(root: Path) -> list[Kept]:
    """Every batch kept under `root`, oldest first. Raises InvalidBatch, DataError and RepositoryUnreadable for a damaged one."""
    folders = [folder for folder in root.glob("*") if _NAME.fullmatch(folder.name) and (folder / KEPT_FILE).is_file()]
    return sorted((_read(folder) for folder in folders), key=lambda one: (one.kept_at, one.folder.name))


def require_cucumbers(data: LabelledSet) -> None:
    """Raise DataError for a set that a labelled batch cannot hold: none at all, or grades that cucumbers do not have."""
    if not data.samples:
        raise DataError(f"{data.name} holds no photograph.")
    if others := [label for label in data.labels if label not in GRADES]:
        raise DataError(
            f"{data.name} holds the labels {' '.join(others)}; a labelled batch is of cucumbers ({' '.join(GRADES)}).",
            labels=others,
        )


def encoded(sample: Sample) -> tuple[bytes, str]:
    """The encoded photograph and the suffix of its format. Raises DataError naming one that cannot be read."""
    content = sample.encoded()
    try:
        return content, _SUFFIXES[read_header(content).format]
    except ImageError as error:
        raise DataError(f"{sample.path or sample.name} cannot be read: {error}", sample=sample.name) from error


def _write(data: LabelledSet, folder: Path, selected: bool, replayed: bool) -> str:
    """Write the batch durably into the new `folder`; returns its `batch_sha256`."""
    (folder / IMAGES).mkdir(parents=True)
    digest = BatchDigest()
    with manifest_writer(folder / MANIFEST, [FRUIT]) as write:
        for row, content in _rows(data):
            write_durably(folder / row.path, content)
            write(row)
            digest.add(row, sha256(content).hexdigest())
    facts = _Facts(
        name=data.name,
        origin_sha256=data.sha256,
        kept_at=datetime.now(UTC).isoformat(timespec="microseconds"),
        attribution=data.attribution,
        selected=selected,
        replayed=replayed,
    )
    write_durably(folder / KEPT_FILE, facts.model_dump_json(indent=1).encode())
    for written in (folder / MANIFEST, folder / IMAGES, folder):
        sync_folder(written)
    return digest.hexdigest()


def _rows(data: LabelledSet) -> Iterator[tuple[LabelledImage, bytes]]:
    """Each photograph as its row, with its encoded bytes.

    In an order that their names do not decide: the same photograph under two labels gets its two file names in that order.
    """
    fruit = data.declared_groups()
    found: Counter[str] = Counter()
    for sample in sorted(data.samples, key=lambda one: (one.grade, one.lot, fruit.get(one.name, ""))):
        content, suffix = encoded(sample)
        name = sha256(content).hexdigest()
        found[name] += 1
        again = f"-{found[name]}" if found[name] > 1 else ""
        facts = {FRUIT: fruit[sample.name]} if sample.name in fruit else {}
        row = LabelledImage(f"{IMAGES}/{name}{again}{suffix}", sample.grade, lot=sample.lot, source=data.name, facts=facts)
        yield row, content


def _is_whole(folder: Path) -> bool:
    """Whether the batch that the folder's name promises is in it."""
    try:
        return (folder / KEPT_FILE).is_file() and batch_sha256(folder).startswith(folder.name)
    except InvalidBatch:
        return False


def _read(folder: Path) -> Kept:
    facts = read_json(folder / KEPT_FILE, _Facts, f"delete the folder {folder.name}: later trainings then do without the batch")
    data = replace(load(folder), attribution=facts.attribution)
    return Kept(data, folder, facts.origin_sha256, facts.kept_at, facts.selected, facts.replayed)


def _sweep(root: Path) -> None:
    for left in root.glob(f"{ASIDE}*"):
        shutil.rmtree(left) if left.is_dir() else left.unlink()
