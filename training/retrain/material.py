"""What a retraining learns from: new photographs, earlier ones, and those that it is judged on and never sees."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Final

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from models.card import ModelCard
from models.durable import read_json
from models.errors import DataError
from models.retrainings import MATERIAL_FILE, RetrainRequest
from training.checkpoints import write_bytes
from training.golden import Golden
from training.kept import Kept, kept
from training.sources import LabelledSet, Sample, load
from training.splits import hold_out, lots_suffice

log = logging.getLogger(__name__)

RECENT_SHARE: Final = 0.25
"""Of the new photographs: never trained on, the gate shows on them what was learned of today's fruit and light."""
VALIDATION_SHARE: Final = 0.15
"""Of the earlier ones: beside the recent photographs they choose between two trainings, and calibrate."""
REPLAY_LEAST: Final = 1000
REPLAY_TIMES: Final = 4
"""So many earlier photographs are replayed for each new one in a fine-tuning, and REPLAY_LEAST where there are that many."""


class Taken(BaseModel):
    """`material.json`: which kept batches are new to the champion and which it knows. Written before anything is trained, so that
    a resumed retraining reads the same, whatever was kept meanwhile."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    new: tuple[str, ...] = Field(description="names of kept batches")
    earlier: tuple[str, ...] = ()
    changed: bool = Field(description="whether the new photographs differ much from the earlier ones")
    notes: tuple[str, ...] = ()

    def write(self, folder: Path) -> None:
        write_bytes(folder / MATERIAL_FILE, self.model_dump_json(indent=1).encode())

    @classmethod
    def read(cls, folder: Path) -> "Taken | None":
        """None before the intake is done."""
        try:
            return read_json(folder / MATERIAL_FILE, cls, "delete it and resume the retraining")
        except FileNotFoundError:
            return None


@dataclass(frozen=True, slots=True)
class Material:
    """The parts of all photographs; no fruit is in two of them, and none of them is in the golden set."""

    new: LabelledSet
    earlier: LabelledSet | None
    """Everything kept that is neither new nor held out."""
    recent: LabelledSet | None
    """New photographs that are held out; None where there are too few."""
    validation: LabelledSet
    """`recent`, and a share of the earlier ones."""
    batches: tuple[Kept, ...]

    def everything(self) -> LabelledSet:
        """What a training from scratch learns."""
        return self._listed([self.new, *([self.earlier] if self.earlier else [])])

    def replayed(self, seed: int) -> LabelledSet:
        """What a fine-tuning learns: the new ones and a sample of the earlier ones, of every grade alike."""
        if self.earlier is None:
            return self._listed([self.new])
        wanted = max(REPLAY_LEAST, REPLAY_TIMES * len(self.new))
        return self._listed([self.new, replace(self.earlier, samples=_drawn(self.earlier, wanted, seed))])

    @property
    def sha256(self) -> str:
        """Of all that is learned and held out: a training of anything else is another one."""
        return sha256(f"{self.everything().sha256} {self.validation.sha256}".encode()).hexdigest()

    def _listed(self, parts: Sequence[LabelledSet]) -> LabelledSet:
        """As one set; a card that lists it lists the batches."""
        samples = tuple(sample for part in parts for sample in part.samples)
        about = tuple(entry for batch in self.batches for entry in batch.data.about())
        attribution = "; ".join(sorted({batch.data.attribution for batch in self.batches} - {""}))
        return LabelledSet("+".join(part.name for part in parts), samples, attribution, about)


def unknown_to(card: ModelCard | None, batches: Sequence[Kept]) -> list[Kept]:
    """Batches that the champion was not trained on: those of retrainings that were refused, too."""
    known = set() if card is None else {data.sha256 for data in card.data}
    return [batch for batch in batches if batch.data.sha256 not in known and batch.origin_sha256 not in known]


def assemble(taken: Taken, root: Path, golden: LabelledSet, request: RetrainRequest) -> Material:
    """Read the batches and part them, without what is in `golden`, see `never_learned`.

    Raises DataError where a batch is gone or nothing is left to learn.
    """
    batches = {batch.folder.name: batch for batch in kept(root)}
    if gone := [name for name in (*taken.new, *taken.earlier) if name not in batches]:
        raise DataError(f"The batches {', '.join(gone)} are no longer in {root}. Start a retraining anew.", gone=gone)
    seen = set(pixels_of(golden))
    new = _joined("new", [batches[name] for name in taken.new], seen)
    earlier = _joined("earlier", [batches[name] for name in taken.earlier], seen) if taken.earlier else None
    if not new.samples:
        raise DataError("None of the new photographs is left to learn from: all of them are in the golden set.")
    learned, recent = _part(new, RECENT_SHARE, request.seed)
    remembered, checked = (None, None) if earlier is None else _part(earlier, VALIDATION_SHARE, request.seed)
    held = [part for part in (recent, checked) if part is not None]
    if not held:
        raise DataError(
            f"{len(new)} photographs are too few: some must be held out, and every grade has a single fruit. Label more, or name "
            "earlier ones with --replay."
        )
    samples = tuple(sample for part in held for sample in part.samples)
    learnable = {sample.grade for part in (learned, remembered) if part is not None for sample in part.samples}
    validation = LabelledSet("held out", tuple(sample for sample in samples if sample.grade in learnable))
    used = tuple(batches[name] for name in (*taken.new, *taken.earlier))
    return Material(learned, remembered, recent, validation, used)


def never_learned(golden: Golden, source: str | None) -> LabelledSet | None:
    """What no model may be trained on: the golden set of SENKA_HOME, and `source` where that judges instead. None for neither."""
    sets = [*([golden.data()] if golden.exists else []), *([load(source)] if source else [])]
    return LabelledSet.merged(sets) if sets else None


def _joined(name: str, batches: Sequence[Kept], seen: set[str]) -> LabelledSet:
    """Several batches as one set; each counts its fruit for itself.

    Without the fruit of which a photograph was seen before, by its pixels, and every photograph once: two batches may hold the
    same, one to learn and one held out. What is taken is added to `seen`.
    """
    samples: list[Sample] = []
    for batch in batches:
        prefix = batch.folder.name
        for sample in without(batch.data, frozenset(seen)).samples:
            if (pixels := sample.pixel_digest()) not in seen:
                seen.add(pixels)
                samples.append(replace(sample, name=f"{prefix}/{sample.name}", group=f"{prefix}/{sample.group}"))
    return LabelledSet(name, tuple(samples))


def pixels_of(golden: LabelledSet | None) -> frozenset[str]:
    """What tells golden photographs from others: their pixels, whatever file they come in."""
    return frozenset(sample.pixel_digest() for sample in golden.samples) if golden else frozenset()


def without(data: LabelledSet, golden: frozenset[str]) -> LabelledSet:
    """The set without the fruit of which a photograph is golden, by `pixels_of` the golden set."""
    judged = {sample.group for sample in data.samples if sample.pixel_digest() in golden} if golden else set()
    if not judged:
        return data
    return replace(data, samples=tuple(sample for sample in data.samples if sample.group not in judged), parts=())


def _part(data: LabelledSet, share: float, seed: int) -> tuple[LabelledSet, LabelledSet | None]:
    """What is learned and what is held out, whole lots where each grade came in several, else whole fruit."""
    try:
        learned, held = hold_out(data, share, seed, by="lot" if lots_suffice(data) else "fruit")
    except DataError as error:  # a single grade, or a single fruit of each: there is nothing to hold out
        log.info("nothing of %s is held out: %s", data.name, error)
        return data, None
    return replace(data, samples=tuple(learned)), replace(data, samples=tuple(held))


def _drawn(data: LabelledSet, wanted: int, seed: int) -> tuple[Sample, ...]:
    """`wanted` samples of `data`, each grade as often as it can be."""
    if len(data) <= wanted:
        return data.samples
    rng = np.random.default_rng(seed)
    drawn: list[Sample] = []
    by_grade = sorted(
        ([sample for sample in data.samples if sample.grade == grade] for grade in data.labels),
        key=len,
    )
    for place, samples in enumerate(by_grade):  # the rarest first: what they lack, the others make up for
        room = (wanted - len(drawn)) // (len(by_grade) - place)
        drawn += (samples[i] for i in sorted(rng.permutation(len(samples))[:room].tolist()))
    return tuple(drawn)


def grow_golden(golden: Golden, part: LabelledSet) -> str:
    """Add the part that was set aside for it; twice is once. Returns what was done, in words."""
    grown = golden.add(part)
    return f"The golden set grew by {grown.added + grown.already} photographs."  # those already there came before a kill
