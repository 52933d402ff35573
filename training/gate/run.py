"""The gate as a whole: two model files and labelled images -> a verdict, and what its page shows."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import Final

import numpy as np
import numpy.typing as npt

from models.card import ModelCard, card_of
from models.grades import GRADES
from models.graph import open_session
from training.cost import CostModel
from training.evaluate import Answers, answers, require_answerable
from training.gate.bounds import GateBounds, Require
from training.gate.compare import compare
from training.gate.facts import Comparison, Graded, Reason, Verdict
from training.gate.judge import judge
from training.gate.served import RUNS, cam_error, has_map, latency
from training.sources import LabelledSet

Floats = npt.NDArray[np.floating]

CAM_IMAGES: Final = 1200
"""Enough to test the map of a head of 512 units (see `served.unexplained`)."""


@dataclass(frozen=True, slots=True)
class NamedModel:
    """An ONNX file as it was named."""

    name: str
    content: bytes

    @property
    def card(self) -> ModelCard:
        return card_of(open_session(self.content))

    def graded(self) -> Graded:
        return Graded(name=self.name, sha256=sha256(self.content).hexdigest(), architecture=self.card.architecture)


@dataclass(frozen=True, slots=True)
class Evidence:
    """The answers of both models to the same images; `grades` is the order in which they are compared."""

    data: LabelledSet
    grades: tuple[str, ...]
    ours: Answers
    theirs: Answers | None

    @property
    def candidate(self) -> Floats:
        """(N, K) calibrated probabilities, columns by `grades`, whatever the card's order."""
        return _ordered(self.ours, self.grades)

    @property
    def champion(self) -> Floats | None:
        """As `candidate`; None where there is no champion."""
        return None if self.theirs is None else _ordered(self.theirs, self.grades)

    @property
    def truth(self) -> npt.NDArray[np.integer]:
        """(N,) indices into `grades`."""
        return np.array([self.grades.index(sample.grade) for sample in self.data.samples])


def run_gate(
    candidate: NamedModel,
    champion: NamedModel | None,
    golden: LabelledSet,
    corrections: LabelledSet | None = None,
    *,
    recent: LabelledSet | None = None,
    tried: int = 1,
    bounds: GateBounds | None = None,
    require: Require = "better",
    costs: CostModel | None = None,
    parity: float | None = None,
    latency_runs: int = RUNS,
    advance: Callable[[int], None] | None = None,
) -> tuple[Verdict, Evidence | None]:
    """Compare two models as they would serve.

    `recent` and `tried` are as in `judge`. `parity` is the figure of `training.export.parity` for the candidate's file;
    `advance` hears of each batch graded. The evidence is of the golden set, None where there is nothing to compare.

    Raises InvalidCard; DataError for no images, or for labels that the champion, or the first model, does not know.
    """
    bounds = bounds or GateBounds()
    card = candidate.card
    decide = partial(
        judge,
        bounds=bounds,
        require=require,
        tried=tried,
        notes=list(_flattered(champion, golden)),
        candidate=candidate.graded(),
        champion=None if champion is None else champion.graded(),
    )
    named = {"golden": golden, "recent": recent, "corrections": corrections}
    sets = {name: labelled for name, labelled in named.items() if labelled is not None}
    for labelled in sets.values():
        require_answerable((champion or candidate).content, labelled)
    refusals = list(_leaks(card, golden))
    if champion and sorted(card.grades) != sorted(known := champion.card.grades):
        text = f"The candidate grades {' '.join(card.grades)}, the champion {' '.join(known)}; they must be the same."
        return decide(None, refusals=[*refusals, Reason(code="grade_set", text=text)]), None
    grades = _common_order(card.grades)
    seen: dict[str, Evidence] = {}
    for name, labelled in sets.items():
        both = Evidence(
            labelled,
            grades,
            answers(candidate.content, labelled, advance),
            None if champion is None else answers(champion.content, labelled, advance),
        )
        if broken := int((~np.isfinite(both.ours.logits)).any(axis=1).sum()):
            text = f"The candidate's answers to {broken} of {len(labelled)} images of {labelled.name} are not finite."
            return decide(None, refusals=[*refusals, Reason(code="not_finite", text=text)]), None
        seen[name] = both
    compared = {name: _compared(both, bounds, costs) for name, both in seen.items()}
    first = seen["golden"]
    shown = first.ours.inputs[:CAM_IMAGES]
    explained = cam_error(candidate.content, shown)
    notes = list(_flattered(champion, golden))
    if explained is None and has_map(candidate.content):
        notes.append(f"{len(shown)} images are too few to check that the candidate's map adds up to its answers.")
    verdict = decide(
        compared["golden"],
        notes=notes,
        recent=compared.get("recent"),
        corrections=compared.get("corrections"),
        refusals=refusals,
        latency=latency(
            (candidate.content, first.ours.inputs),
            None if champion is None or first.theirs is None else (champion.content, first.theirs.inputs),
            latency_runs,
        ),
        parity=parity,
        cam_error=explained,
    )
    return verdict, first


def _compared(both: Evidence, bounds: GateBounds, costs: CostModel | None) -> Comparison:
    return compare(
        both.candidate,
        both.champion,
        both.truth,
        both.grades,
        groups=[sample.group for sample in both.data.samples],
        bounds=bounds,
        costs=costs,
        data=both.data.name,
    )


def _ordered(found: Answers, grades: tuple[str, ...]) -> Floats:
    """(N, K) probabilities with columns in the order of `grades`."""
    return found.probabilities[:, [found.card.grades.index(grade) for grade in grades]]


def _common_order(grades: tuple[str, ...]) -> tuple[str, ...]:
    """That of GRADES for cucumbers, sorted for others: the order of neither card."""
    return (*(grade for grade in GRADES if grade in grades), *sorted(set(grades).difference(GRADES)))


def _leaks(card: ModelCard, golden: LabelledSet) -> Iterator[Reason]:
    """A candidate trained on the golden set knows the answers; only the whole set, byte for byte, is recognised."""
    if golden.sha256 in [data.sha256 for data in card.data]:
        text = f"The candidate was trained on {golden.name} itself: its figures there say nothing. Use images it has not seen."
        yield Reason(code="leak", text=text)


def _flattered(champion: NamedModel | None, golden: LabelledSet) -> Iterator[str]:
    if champion and golden.sha256 in [data.sha256 for data in champion.card.data]:
        yield f"The champion was trained on {golden.name} itself: its figures are better than they should be."
