"""The intake report of a labelled batch: what is wrong with it, what is to be left out and why, and what training may use."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from models.errors import DataError
from training.intake.duplicates import Copy, copies_of, copies_within
from training.intake.looks import Looks, look
from training.intake.reading import Incoming, Refused
from training.intake.shift import GradeBalance, Shift, balance, shifts
from training.intake.suspects import Suspect, confident_joint, find_suspects, left_out_probabilities
from training.recipe import Recipe
from training.sources import LabelledSet

Advance = Callable[[str, int, int], None]
"""What is done, how far, of how many."""
LeftOutWhy = Literal["unreadable", "leak", "copy of an earlier photograph", "contradictory copies", "duplicate"]

TINY_PX: Final = 16
UNIFORM: Final = 4.0
DARK, BRIGHT = 20.0, 235.0
LONGEST_ASPECT: Final = 8.0
"""A photograph of a shorter side below TINY_PX, of a deviation below UNIFORM or a mean outside of DARK..BRIGHT (grey levels
0..255), or so many times as long as wide is called odd."""


class Odd(BaseModel):
    """A photograph that can be read, and is unlike what a camera over a belt takes. It is not left out."""

    model_config = ConfigDict(frozen=True)

    name: str
    reasons: tuple[str, ...]


class LeftOut(BaseModel):
    """A photograph that training should not use."""

    model_config = ConfigDict(frozen=True)

    name: str
    why: LeftOutWhy


class Report(BaseModel):
    """`intake --json`."""

    data: str
    against: tuple[str, ...] = ()
    golden: str = ""
    listed: int = Field(description="rows or photographs that the source names")
    listed_sha256: str = Field(description="over names and grades: which batch this is the report of")
    readable: int
    usable: int = Field(description="what `clean` gives")
    refused: tuple[Refused, ...] = ()
    odd: tuple[Odd, ...] = ()
    duplicates: tuple[Copy, ...] = Field((), description="inside the batch")
    earlier: tuple[Copy, ...] = Field((), description="copies of photographs of the earlier sources")
    leaks: tuple[Copy, ...] = Field((), description="copies of photographs of the golden set")
    contradictions: tuple[Copy, ...] = Field((), description="those of all the above whose two labels differ")
    balance: tuple[GradeBalance, ...] = ()
    shifts: tuple[Shift, ...] = ()
    suspects: tuple[Suspect, ...] = ()
    estimated_errors: float | None = Field(None, description="share of wrong labels by the confident joint, 0 to 1")
    unsuspected: str = Field("", description="why no label was suspected, where none could be")
    left_out: tuple[LeftOut, ...] = ()

    def left_out_counts(self) -> dict[str, int]:
        """Reason -> how many rows or photographs, those refused among them."""
        refused: Counter[str] = Counter(refused.why for refused in self.refused if refused.why != "unreadable")
        return dict(refused + Counter(out.why for out in self.left_out))


def examine(
    incoming: Incoming,
    against: Sequence[LabelledSet] = (),
    golden: LabelledSet | None = None,
    *,
    suspect: bool = True,
    recipe: Recipe | None = None,
    seed: int = 0,
    advance: Advance | None = None,
) -> Report:
    """Everything about a batch. The sources must have names of their own; `recipe` suspects labels, the likeliest by default.

    Raises DataError for two sources of one name.
    """
    tell = advance or (lambda *_: None)
    data = incoming.data
    names = [other.name for other in (*against, *((golden,) if golden else ()))]
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise DataError(f"{', '.join(twice)} is named twice; name each source once.", names=twice)
    looks, broken = _look(data, "reading the batch", tell)
    before = [_look(other, f"reading {other.name}", tell)[0] for other in against]
    duplicates = copies_within(looks)
    earlier = tuple(copy for other, known in zip(against, before, strict=True) for copy in copies_of(looks, known, other.name))
    leaks = copies_of(looks, _look(golden, f"reading {golden.name}", tell)[0], golden.name) if golden else ()
    left_out = _left_out(broken, duplicates, earlier, leaks)
    known = [sample for other in before for sample in other.samples]
    report = Report(
        data=data.name,
        against=tuple(other.name for other in against),
        golden=golden.name if golden else "",
        listed=incoming.listed,
        listed_sha256=_identity(data),
        readable=len(looks),
        usable=len(data) - len(left_out),
        refused=incoming.refused + broken,
        odd=_odd(looks),
        duplicates=duplicates,
        earlier=earlier,
        leaks=leaks,
        contradictions=tuple(copy for copy in (*duplicates, *earlier, *leaks) if copy.contradicts),
        balance=balance(looks.samples, known),
        shifts=shifts(looks, before),
        left_out=left_out,
    )
    if not suspect:
        return report.model_copy(update={"unsuspected": "not asked for"})
    # Copies stay on one side, or a wrong label would vouch for itself; what is refused or leaked teaches nothing. A duplicate is
    # judged as well: its label may be the wrong one.
    readable = {sample.name for sample in looks.samples}
    judged = LabelledSet(data.name, tuple(sample for sample in _grouped(data, report).samples if sample.name in readable))
    copied = {copy.of for copy in earlier}
    try:
        found = left_out_probabilities(judged, [s for s in known if s.name not in copied], recipe, seed, advance)
    except DataError as error:
        return report.model_copy(update={"unsuspected": str(error)})
    return report.model_copy(
        update={
            "suspects": tuple(
                find_suspects([sample.name for sample in found.samples], found.given, found.probabilities, found.grades)
            ),
            "estimated_errors": round(confident_joint(found.probabilities, found.given).estimated_errors, 4),
        }
    )


def clean(batch: LabelledSet, report: Report) -> LabelledSet:
    """What training may use of the batch: nothing unreadable, no leak, no second copy, none whose copies contradict each other.

    Photographs that are near copies of each other are kept, as one fruit, so that no split tears them. Raises DataError for a
    report of another batch, and where nothing is left.
    """
    if _identity(batch) != report.listed_sha256:
        raise DataError(f"The report is of another batch than {batch.name}, or of other labels. Run senka intake again.")
    out = {left.name for left in report.left_out}
    kept = tuple(sample for sample in _grouped(batch, report).samples if sample.name not in out)
    if not kept:
        raise DataError(f"Nothing of {batch.name} is left to train on; see what the report leaves out.")
    return replace(batch, samples=kept)


def _look(data: LabelledSet, doing: str, tell: Advance) -> tuple[Looks, tuple[Refused, ...]]:
    done = 0

    def one() -> None:
        nonlocal done
        done += 1
        tell(doing, done, len(data))

    return look(data.samples, one)


def _odd(looks: Looks) -> tuple[Odd, ...]:
    found = []
    for sample, (width, height), (mean, deviation) in zip(looks.samples, looks.sides, looks.grey, strict=True):
        reasons = []
        if min(width, height) < TINY_PX:
            reasons.append(f"tiny: {width} x {height} pixels")
        if deviation < UNIFORM:
            reasons.append(f"nearly uniform: grey levels deviate by {deviation:.1f} of 255")
        if mean < DARK:
            reasons.append(f"very dark: mean grey level {mean:.0f} of 255")
        if mean > BRIGHT:
            reasons.append(f"very bright: mean grey level {mean:.0f} of 255")
        if max(width, height) > LONGEST_ASPECT * min(width, height):
            reasons.append(f"odd proportions: {width} x {height} pixels")
        if reasons:
            found.append(Odd(name=sample.name, reasons=tuple(reasons)))
    return tuple(found)


def _left_out(
    broken: Sequence[Refused], duplicates: Sequence[Copy], earlier: Sequence[Copy], leaks: Sequence[Copy]
) -> tuple[LeftOut, ...]:
    """Each photograph once, with its weightiest reason."""
    why: dict[str, LeftOutWhy] = {refused.name: "unreadable" for refused in broken}
    for copy in leaks:
        why.setdefault(copy.name, "leak")
    for copy in earlier:
        why.setdefault(copy.name, "copy of an earlier photograph")
    for copy in duplicates:
        if copy.contradicts:  # one of the two labels is wrong, and nobody knows yet which
            why.setdefault(copy.name, "contradictory copies")
            why.setdefault(copy.of, "contradictory copies")
    for copy in duplicates:
        if copy.exact:
            why.setdefault(copy.name, "duplicate")
    return tuple(LeftOut(name=name, why=reason) for name, reason in why.items())


def _grouped(data: LabelledSet, report: Report) -> LabelledSet:
    """The same photographs, copies of each other in one group."""
    group = {sample.name: sample.group for sample in data.samples}
    parent = {name: name for name in group.values()}

    def root(name: str) -> str:
        while parent[name] != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    for copy in report.duplicates:
        parent[root(group[copy.name])] = root(group[copy.of])
    return replace(data, samples=tuple(replace(sample, group=root(sample.group)) for sample in data.samples))


def _identity(data: LabelledSet) -> str:
    listed = sorted((sample.name, sample.grade) for sample in data.samples)
    return hashlib.sha256(json.dumps(listed).encode()).hexdigest()
