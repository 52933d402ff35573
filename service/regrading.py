"""What the past would have been under another model or other rules: a report; nothing on record is changed.

Other rules need no photograph, for the probabilities are on record. Another model sees each photograph that is still kept,
prepared as that model's card says and decided as a grading is. Gradings are read oldest first, a page in a transaction, so that
a season needs no more memory than a page and holds up nobody.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any, ClassVar, Final

import numpy as np
import numpy.typing as npt
from sqlalchemy import Engine, Row, Select, func, or_, select

from models.errors import ImageError, SenkaError
from models.grades import GRADES
from models.imaging import ImageLimits, Pixels
from service.decision import MANUAL, Decision, decide
from service.grading import rfc3339
from service.inference.session import LoadedModel
from service.records import profiles
from service.records.corrections import NOT_A_CUCUMBER
from service.records.filters import Filters
from service.records.photographs import PhotographStore
from service.records.profiles import Rules
from service.records.repository import current_corrections
from service.records.tables import gradings
from service.records.transactions import reading

PAGE: Final = 1_000
NO_GRADE: Final = "no_grade"
"""The deadline was missed: there is nothing to compare with."""
NOT_KEPT: Final = "photograph_not_kept"
UNREADABLE: Final = "photograph_unreadable"
_MANUAL_BELOW: Final = "manual_below"

Step = Callable[[int, int], None]
"""Told of progress: gradings done, of how many."""


class RegradingImpossible(SenkaError):
    """Nothing to grade again, or no rules to decide by."""

    code: ClassVar[str] = "regrading_impossible"


@dataclass(frozen=True, slots=True)
class Changed:
    """A grading whose grade or lane would have been another."""

    id: str
    received_at: str
    line: str | None
    lot: str | None
    old_grade: str
    old_lane: str
    old_confidence: float
    new_grade: str
    new_lane: str
    new_confidence: float
    corrected_grade: str | None
    """What somebody said it is: one of nine, or not_a_cucumber."""


@dataclass(slots=True)
class Regraded:
    """What came of it. The counts under `before` and `after` are of the same gradings, those that were graded again."""

    found: int
    """Gradings of the span that were asked for."""
    done: int = 0
    """Of these, looked at: fewer where it was interrupted."""
    skipped: Counter[str] = field(default_factory=Counter)
    table: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(grade on record, new grade)."""
    lanes_changed: int = 0
    manual_before: int = 0
    manual_after: int = 0
    corrected: int = 0
    """Graded again, and somebody said which of the nine grades it is."""
    right_before: int = 0
    right_after: int = 0
    not_cucumbers: int = 0

    @property
    def graded(self) -> int:
        return self.table.total()

    @property
    def grades_changed(self) -> int:
        return sum(count for (old, new), count in self.table.items() if old != new)

    def to_json(self) -> dict[str, Any]:
        """Shares are null where nothing was graded again, or corrected."""
        before, after = self._by_grade(0), self._by_grade(1)
        return {
            "found": self.found,
            "complete": self.done == self.found,
            "graded": self.graded,
            "skipped": dict(sorted(self.skipped.items())),
            "grades_changed": self.grades_changed,
            "lanes_changed": self.lanes_changed,
            "table": {old: {new: self.table[old, new] for new in GRADES} for old in GRADES},
            "share_by_grade": {grade: {"before": before[grade], "after": after[grade]} for grade in GRADES},
            "manual_share": {"before": self._share(self.manual_before), "after": self._share(self.manual_after)},
            "corrected": self.corrected,
            "not_cucumbers": self.not_cucumbers,
            "accuracy": {
                "before": self.right_before / self.corrected if self.corrected else None,
                "after": self.right_after / self.corrected if self.corrected else None,
            },
        }

    def note(self, row: Row[Any], new: Decision, corrected: str | None) -> Changed | None:
        """Count one; what changed of it, if anything did."""
        assert new.grade is not None and new.confidence is not None  # noqa: S101, PT018 - a network saw it
        self.table[row.grade, new.grade] += 1
        self.lanes_changed += row.lane != new.lane
        self.manual_before += row.lane == MANUAL
        self.manual_after += new.lane == MANUAL
        self.not_cucumbers += corrected == NOT_A_CUCUMBER
        if corrected in GRADES:
            self.corrected += 1
            self.right_before += row.grade == corrected
            self.right_after += new.grade == corrected
        if (row.grade, row.lane) == (new.grade, new.lane):
            return None
        old = (row.grade, row.lane, row.confidence)
        now = (new.grade, new.lane, new.confidence)
        return Changed(row.id, rfc3339(row.received_at), row.line, row.lot, *old, *now, corrected)

    def _by_grade(self, place: int) -> dict[str, float | None]:
        counts: Counter[str] = Counter()
        for pair, count in self.table.items():
            counts[pair[place]] += count
        return {grade: self._share(counts[grade]) for grade in GRADES}

    def _share(self, count: int) -> float | None:
        return count / self.graded if self.graded else None


class Lanes:
    """Decides by the rules of one profile, or of each grading's own where `version` is None."""

    def __init__(self, engine: Engine, version: int | None, otherwise: Rules) -> None:
        """`otherwise` decides about gradings from before there were profiles.

        Raises RegradingImpossible for a profile that is not there or holds rules that are not known here, RecordsUnavailable.
        """
        known = {one.version: one.rules for one in profiles.page(engine)}
        if version is not None and version not in known:
            there = ", ".join(str(number) for number in sorted(known)) or "none"
            raise RegradingImpossible(
                f"There is no profile {version}; on record: {there}. GET /v1/profiles shows their rules.",
                profile=version,
                valid=sorted(known),
            )
        self._by_version = {number: _manual_below(rules, number) for number, rules in known.items() if version in (None, number)}
        self._version, self._otherwise = version, _manual_below(otherwise, None)

    def decide(self, probabilities: npt.NDArray[np.float32], own: int | None) -> Decision:
        """(9,) in the order of GRADES; `own` is the profile that decided when it was graded."""
        version = own if self._version is None else self._version
        return decide(probabilities, self._by_version.get(version, self._otherwise) if version else self._otherwise)


class Again:
    """Another model, and the photographs it looks at."""

    def __init__(self, model: LoadedModel, store: PhotographStore, limits: ImageLimits, batch: int) -> None:
        self._model, self._store, self._limits, self._batch = model, store, limits, batch
        self._readers = ThreadPoolExecutor(max(1, len(os.sched_getaffinity(0))), thread_name_prefix="regrade")

    def __call__(self, rows: Sequence[Row[Any]]) -> Iterator[npt.NDArray[np.float32] | str]:
        """(9,) calibrated probabilities of each, or why there are none. Raises PhotographUnavailable."""
        for start in range(0, len(rows), self._batch):
            # decoding leaves the interpreter to others, so several at once take less time
            read = list(self._readers.map(self._prepared, rows[start : start + self._batch]))
            inputs = [one for one in read if not isinstance(one, str)]
            scores = iter(self._model.probabilities(inputs) if inputs else ())
            yield from (one if isinstance(one, str) else next(scores) for one in read)

    def close(self) -> None:
        self._readers.shutdown(cancel_futures=True)

    def _prepared(self, row: Row[Any]) -> Pixels | str:
        kept = row.photograph if row.photograph_deleted_at is None else None
        stored = self._store.get(kept) if kept else None
        if stored is None:
            return NOT_KEPT
        try:
            return self._model.card.preprocess.from_bytes(stored[0], self._limits)
        except ImageError:
            return UNREADABLE


def regrade(
    engine: Engine,
    filters: Filters,
    lanes: Lanes,
    again: Again | None = None,
    *,
    limit: int | None = None,
    changed: Callable[[Changed], None] = lambda _: None,
    step: Step = lambda *_: None,
) -> Regraded:
    """Grade a span again, its oldest `limit` where that is given: by `again`, or by the probabilities on record.

    `changed` is told each that would have been another. An interruption (KeyboardInterrupt) ends it early, and the report tells
    of what was done. Raises RegradingImpossible where there is nothing in the span, RecordsUnavailable, PhotographUnavailable.
    """
    with reading(engine) as connection:
        counted = connection.execute(select(func.count()).select_from(gradings).where(*filters.clauses())).scalar_one()
    if not counted:
        raise RegradingImpossible("There is no grading in the span. Name another since, until, line or lot.")
    made = Regraded(min(counted, limit or counted))
    with ExitStack() as stack:
        if again:
            stack.callback(again.close)
        try:
            _regrade(engine, filters, lanes, again or _on_record, made, changed, step)
        except KeyboardInterrupt:
            return made
    return made


def _regrade(
    engine: Engine,
    filters: Filters,
    lanes: Lanes,
    again: Callable[[Sequence[Row[Any]]], Iterator[npt.NDArray[np.float32] | str]],
    made: Regraded,
    changed: Callable[[Changed], None],
    step: Step,
) -> None:
    last: tuple[datetime, int] | None = None
    while made.done < made.found:
        with reading(engine) as connection:
            rows = connection.execute(_page_query(filters, last, min(PAGE, made.found - made.done))).all()
            said = current_corrections(connection, [row.id for row in rows])
        if not rows:  # fewer than were counted: a database was restored meanwhile
            made.found = made.done
            return
        graded = [row for row in rows if row.grade is not None]
        made.skipped[NO_GRADE] += len(rows) - len(graded)
        made.done += len(rows) - len(graded)
        for row, found in zip(graded, again(graded), strict=True):
            made.done += 1
            if isinstance(found, str):
                made.skipped[found] += 1
            else:
                correction = said.get(row.id)
                one = made.note(row, lanes.decide(found, row.profile_version), correction and correction.grade)
                if one:
                    changed(one)
            step(made.done, made.found)
        step(made.done, made.found)
        last = rows[-1].received_at, rows[-1].seq


def _on_record(rows: Sequence[Row[Any]]) -> Iterator[npt.NDArray[np.float32] | str]:
    for row in rows:
        yield np.array([row.probabilities.get(grade, 0.0) for grade in GRADES], np.float32)


def _page_query(filters: Filters, last: tuple[datetime, int] | None, count: int) -> Select[Any]:
    """Oldest first, all after (received_at, seq): a range of an index, however far into the season it is."""
    c = gradings.c
    columns = (c.seq, c.id, c.received_at, c.line, c.lot, c.grade, c.confidence, c.lane, c.probabilities, c.profile_version)
    narrowed = replace(filters, since=last[0]) if last else filters
    query = select(*columns, c.photograph, c.photograph_deleted_at).where(*narrowed.clauses())
    if last:
        query = query.where(or_(c.received_at > last[0], c.seq > last[1]))
    return query.order_by(c.received_at, c.seq).limit(count)


def _manual_below(rules: Rules, version: int | None) -> float:
    if set(rules) != {_MANUAL_BELOW}:
        unknown = ", ".join(sorted(set(rules) ^ {_MANUAL_BELOW}))
        raise RegradingImpossible(
            f"Profile {version} differs from the rules that this version of Senka knows by: {unknown}. Name another profile.",
            profile=version,
        )
    return float(rules[_MANUAL_BELOW])


def cells(one: Changed) -> dict[str, Any]:
    """A row of the list of what changed."""
    return asdict(one)
