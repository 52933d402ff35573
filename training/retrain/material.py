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

RECENT_SHARE: Final = 0.2
"""Of the new photographs: never trained on, the gate shows on them what was learned of today's fruit and light."""
STAYING_SHARE: Final = 0.6
"""Of a batch's recent photographs: they are never trained on later either. A champion that has learned a photograph, and a
training that goes on from it, cannot be judged by it; so each batch is parted once, whatever else there is."""
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
    """New photographs that are held out, drawn as the fruit came; None where there are too few."""
    chosen: LabelledSet | None
    """Those of batches whose fruit were chosen: what is got right of them proves no gain."""
    validation: LabelledSet
    """Both, and the earlier ones that were held out when they were new."""
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
    return [one for one in batches if not (one.replayed or one.data.sha256 in known or one.origin_sha256 in known)]


def assemble(taken: Taken, root: Path, golden: LabelledSet, request: RetrainRequest) -> Material:
    """Read the batches and part them, without what is in `golden`, see `never_learned`.

    Raises DataError where a batch is gone or nothing is left to learn.
    """
    batches = {batch.folder.name: batch for batch in kept(root)}
    if gone := [name for name in (*taken.new, *taken.earlier) if name not in batches]:
        raise DataError(f"The batches {', '.join(gone)} are no longer in {root}. Start a retraining anew.", gone=gone)
    seen = set(pixels_of(golden))
    fresh = [batches[name] for name in reversed(taken.new)]  # the newest first: a label that was put right counts
    by_lot, chosen = ([one for one in fresh if one.selected is selected] for selected in (False, True))
    learned, recent = _joined("new", by_lot, seen)
    more, hard = _joined("chosen", chosen, seen)
    learned = replace(learned, samples=(*learned.samples, *more.samples))
    remembered, checked = _joined("earlier", [batches[name] for name in taken.earlier], seen, staying=True)
    held = [*recent.samples, *hard.samples, *checked.samples]
    if not learned.samples and not held:
        raise DataError("None of the new photographs is left to learn from: all of them are in the golden set.")
    if not held:
        raise DataError(
            f"{len(learned)} photographs are too few: some must be held out, and every grade has a single fruit. Label more, or "
            "name earlier ones with --replay."
        )
    learnable = {sample.grade for part in (learned, remembered) for sample in part.samples}
    validation = LabelledSet("held out", tuple(sample for sample in held if sample.grade in learnable))
    used = tuple(batches[name] for name in (*taken.new, *taken.earlier))
    return Material(learned, _unless_empty(remembered), _unless_empty(recent), _unless_empty(hard), validation, used)


def _unless_empty(data: LabelledSet) -> LabelledSet | None:
    return data if data.samples else None


def never_learned(golden: Golden, source: str | None) -> LabelledSet | None:
    """What no model may be trained on: the golden set of SENKA_HOME, and `source` where that judges instead. None for neither."""
    sets = [*([golden.data()] if golden.exists else []), *([load(source)] if source else [])]
    return LabelledSet.merged(sets) if sets else None


def _joined(name: str, batches: Sequence[Kept], seen: set[str], *, staying: bool = False) -> tuple[LabelledSet, LabelledSet]:
    """What is learned of several batches, and what is held out; each counts its fruit for itself.

    Without the fruit of which a photograph was seen before, by its pixels, and every photograph once: two batches may hold the
    same, one to learn and one held out. What is taken is added to `seen`.
    """
    learned: list[Sample] = []
    held: list[Sample] = []
    for batch in batches:
        prefix = batch.folder.name
        out = _held_out(batch.data, staying)
        for sample in without(batch.data, frozenset(seen)).samples:
            if (pixels := sample.pixel_digest()) not in seen:
                seen.add(pixels)
                mine = replace(sample, name=f"{prefix}/{sample.name}", group=f"{prefix}/{sample.group}")
                (held if sample.name in out else learned).append(mine)
    return LabelledSet(name, tuple(learned)), LabelledSet(name, tuple(held))


def _held_out(batch: LabelledSet, staying: bool) -> frozenset[str]:
    """Names of the photographs of a batch that are held out while it is new, or of those among them that stay so.

    Whole lots where each grade came in several, else whole fruit.
    """
    out = _drawn_out(batch, RECENT_SHARE)
    if staying and out:
        recent = replace(batch, samples=tuple(sample for sample in batch.samples if sample.name in out))
        out = _drawn_out(recent, STAYING_SHARE) or out
    return out


def _drawn_out(data: LabelledSet, share: float) -> frozenset[str]:
    try:
        _, held = hold_out(data, share, seed=0, by="lot" if lots_suffice(data) else "fruit")
    except DataError as error:  # a single grade, or a single fruit of each: there is nothing to hold out
        log.info("nothing of %s is held out: %s", data.name, error)
        return frozenset()
    return frozenset(sample.name for sample in held)


def pixels_of(golden: LabelledSet | None) -> frozenset[str]:
    """What tells golden photographs from others: their pixels, whatever file they come in."""
    return frozenset(sample.pixel_digest() for sample in golden.samples) if golden else frozenset()


def without(data: LabelledSet, golden: frozenset[str]) -> LabelledSet:
    """The set without the fruit of which a photograph is golden, by `pixels_of` the golden set."""
    judged = {sample.group for sample in data.samples if sample.pixel_digest() in golden} if golden else set()
    if not judged:
        return data
    return replace(data, samples=tuple(sample for sample in data.samples if sample.group not in judged), parts=())


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
