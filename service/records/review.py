"""Which gradings a person could look at next, and why: one bounded question to the database, whatever the season holds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final, Literal

from sqlalchemy import CTE, ColumnElement, Connection, Label, Select, func, literal, or_, select, union_all

from models.grades import GRADES
from service.decision import MANUAL
from service.grading import Grading
from service.records.filters import Filters
from service.records.keeping import Interest
from service.records.repository import Records, page_query
from service.records.rows import from_row
from service.records.tables import corrections, gradings, shadow_gradings
from service.records.transactions import reading

Why = Literal["unsure", "disagreement", "audit"]
UNSURE: Final[Why] = "unsure"
DISAGREEMENT: Final[Why] = "disagreement"
AUDIT: Final[Why] = "audit"

LOOKED_AT: Final = 10_000
"""So many of the newest of a span are looked at, so that the question costs the same in any season."""
CANDIDATES: Final = 200
"""So many of them are compared with each other, the most informative."""
UNSURE_MARGIN: Final = 0.3
"""Between the two best probabilities: below it, a grading is unsure."""
_CONTRADICTIONS: Final = 1_000
_SHADOW_WITHIN: Final = timedelta(hours=1)
"""After a photograph was received, the challenger has long graded it."""


@dataclass(frozen=True, slots=True)
class Shadowed:
    """What the challenger said where it contradicts the champion."""

    version: int
    grade: str
    confidence: float
    champion_confidence: float


@dataclass(frozen=True, slots=True)
class Candidate:
    """A grading that somebody could look at: its photograph is kept, it has a grade, and nobody said what it is."""

    seq: int
    id: str
    photograph: str
    """Its key in the image store."""
    margin: float
    """Between the two best probabilities, 0 to 1."""
    lane: str
    score: float
    """How much a label would tell, 0 to 1."""
    in_sample: bool
    """Drawn by lot when it was graded: see `service.records.keeping.in_sample`."""
    shadow: Shadowed | None

    @property
    def why(self) -> tuple[Why, ...]:
        """All that speaks for looking at it."""
        unsure = self.margin < UNSURE_MARGIN or self.lane == MANUAL
        reasons: tuple[tuple[bool, Why], ...] = (
            (unsure, UNSURE),
            (self.shadow is not None, DISAGREEMENT),
            (self.in_sample, AUDIT),
        )
        return tuple(code for holds, code in reasons if holds)


@dataclass(frozen=True, slots=True)
class Candidates:
    """What one span of time has to look at."""

    considered: int
    """Gradings that were looked at, LOOKED_AT at most."""
    informative: Sequence[Candidate]
    """Unsure ones and disagreements, by score, CANDIDATES at most."""
    sample: Sequence[Candidate]
    """Of the audit sample, newest first, CANDIDATES at most."""


def candidates(records: Records, filters: Filters, why: Why | None = None) -> Candidates:
    """Among the newest LOOKED_AT gradings that fit; for the reason `why` alone, where it is given.

    Blocks: call it from a thread. Raises RecordsUnavailable.
    """
    with reading(records.engine) as connection:
        looked_at, query = candidates_query(connection, filters, why)
        rows = [] if query is None else connection.execute(query).all()
        shadows = _shadows(connection, [row.id for row in rows])
    informative: dict[int, Candidate] = {}
    sample: dict[int, Candidate] = {}
    for row in rows:
        into = sample if row.kind == AUDIT else informative
        into[row.seq] = _candidate(row, shadows.get(row.id))
    ranked = sorted(informative.values(), key=lambda one: (-one.score, -one.seq))
    return Candidates(looked_at, ranked[:CANDIDATES], list(sample.values()))


def candidates_query(connection: Connection, filters: Filters, why: Why | None = None) -> tuple[int, Select[Any] | None]:
    """How many are looked at, and the statement that finds the candidates among them; None where nothing fits."""
    c = gradings.c
    page = page_query(connection, filters, LOOKED_AT)
    if page is None:
        return 0, None
    # How many, from when and to when, is in the index alone. Knowing it, the database reads of the challenger no more than that
    times = page.with_only_columns(c.received_at).subquery().c.received_at
    count, first, last = connection.execute(select(func.count(), func.min(times), func.max(times))).one()
    narrowed = replace(filters, since=first)
    newest = page_query(connection, narrowed, LOOKED_AT) if count else None
    if newest is None:
        return 0, None
    eligible = _eligible(newest)
    kinds: dict[Why, Callable[[], Select[Any]]] = {
        UNSURE: lambda: _best(UNSURE, eligible, eligible.c.unsure, eligible.c.margin),
        AUDIT: lambda: _best(AUDIT, eligible, eligible.c.in_sample),
        DISAGREEMENT: lambda: _contradicted(narrowed, first, last + _SHADOW_WITHIN),
    }
    chosen = [kinds[why]] if why else list(kinds.values())
    found = union_all(*(select(kind().subquery()) for kind in chosen)).subquery("found")
    return count, select(found)


def _eligible(page: Select[Any]) -> CTE:
    """What of the newest is unsure or in the sample, and can be looked at."""
    g = gradings.c
    columns = (g.seq, g.id, g.received_at, g.grade, g.confidence, g.runner_up_probability, g.lane)
    kept = (g.photograph, g.photograph_deleted_at, g.photograph_interest)
    window = page.with_only_columns(*columns, *kept).subquery("looked_at")
    w = window.c
    margin, in_sample = _margin(w), _in_sample(w)
    unsure = or_(margin < UNSURE_MARGIN, w.lane == MANUAL)
    found = select(w.seq, w.id, w.received_at, w.photograph, w.lane, margin, in_sample, unsure.label("unsure"))
    return found.where(or_(unsure, in_sample), *_can_be_seen(w)).cte("eligible")


def _best(kind: Why, eligible: CTE, fits: ColumnElement[bool], *by: ColumnElement[Any]) -> Select[Any]:
    e = eligible.c
    columns = (literal(kind).label("kind"), e.seq, e.id, e.photograph, e.lane, e.margin, e.in_sample)
    return select(*columns).where(fits, ~_corrected(e.id)).order_by(*by, e.received_at.desc(), e.seq.desc()).limit(CANDIDATES)


def _contradicted(filters: Filters, first: Any, last: Any) -> Select[Any]:
    """The surest contradictions, found from what the challenger said: looking each grading up there takes longer."""
    g, s = gradings.c, shadow_gradings.c
    sure = (s.confidence + s.champion_confidence).label("sure")
    said = (
        select(s.grading_id, sure)
        .where(s.at >= first, s.at <= last, s.grade != s.champion_grade, ~_corrected(s.grading_id))
        .order_by(sure.desc())
        .limit(_CONTRADICTIONS)  # a planner that knows them to be few looks each up, and reads no other grading
        .cte("contradicting")
        .prefix_with("MATERIALIZED")
    )
    columns = (literal(DISAGREEMENT).label("kind"), g.seq, g.id, g.photograph, g.lane, _margin(g), _in_sample(g))
    return (
        select(*columns)
        .select_from(said.join(gradings, g.id == said.c.grading_id))
        .where(*filters.clauses(opaque=("line", "lot")), *_can_be_seen(g))
        .order_by(said.c.sure.desc(), g.received_at.desc(), g.seq.desc())
        .limit(CANDIDATES)
    )


def _margin(c: Any) -> Label[float]:
    margin: Label[float] = (c.confidence - func.coalesce(c.runner_up_probability, 0.0)).label("margin")
    return margin


def _in_sample(c: Any) -> Label[bool]:
    return func.coalesce(c.photograph_interest == Interest.SAMPLE, False).label("in_sample")


def _can_be_seen(c: Any) -> list[ColumnElement[bool]]:
    not_labelled = or_(c.photograph_interest.is_(None), c.photograph_interest < Interest.LABELLED)
    return [c.grade.is_not(None), c.photograph.is_not(None), c.photograph_deleted_at.is_(None), not_labelled]


def _corrected(grading_id: ColumnElement[str]) -> ColumnElement[bool]:
    k = corrections.c
    return select(k.id).where(k.grading_id == grading_id, k.undone_at.is_(None)).exists()


def _shadows(connection: Connection, ids: Sequence[str]) -> dict[str, Shadowed]:
    """By grading, where a challenger contradicted the champion; of several the newest version's."""
    s = shadow_gradings.c
    query = select(s.grading_id, s.model_version, s.grade, s.confidence, s.champion_confidence)
    rows = connection.execute(query.where(s.grading_id.in_(set(ids)), s.grade != s.champion_grade).order_by(s.model_version))
    return {row.grading_id: Shadowed(*row[1:]) for row in rows}


def _candidate(row: Any, shadow: Shadowed | None) -> Candidate:
    # Of two that contradict each other one is wrong: the surer they are, the more is to be learned
    sure = (shadow.confidence + shadow.champion_confidence) / 2 if shadow else 0.0
    score = max(1 - row.margin, sure)
    return Candidate(row.seq, row.id, row.photograph, row.margin, row.lane, score, bool(row.in_sample), shadow)


def still_open(connection: Connection, ids: Sequence[str], filters: Filters, why: Why | None = None) -> dict[str, Candidate]:
    """By id: those of a handful that still fit, whose photograph is kept, and of which nobody said what they are."""
    c = gradings.c
    columns = (c.seq, c.id, c.photograph, c.lane, _margin(c), _in_sample(c))
    fitting = filters.clauses(opaque=("line", "lot", "received_at"))  # by their ids they are found at once
    query = select(*columns).where(c.id.in_(ids), *fitting, *_can_be_seen(c), ~_corrected(c.id))
    rows = connection.execute(query).all()
    shadows = _shadows(connection, [row.id for row in rows])
    found = (_candidate(row, shadows.get(row.id)) for row in rows)
    return {one.id: one for one in found if why is None or why in one.why}


def corrected_of(connection: Connection, ids: Sequence[str]) -> set[str]:
    """Those of which somebody said what they are."""
    k = corrections.c
    query = select(k.grading_id).where(k.grading_id.in_(ids), k.undone_at.is_(None))
    return set(connection.execute(query).scalars())


def probabilities(records: Records, wanted: Sequence[Candidate]) -> dict[int, list[float]]:
    """By number: the nine probabilities on record, in the order of GRADES. Blocks. Raises RecordsUnavailable."""
    c = gradings.c
    with reading(records.engine) as connection:
        rows = connection.execute(select(c.seq, c.probabilities).where(c.seq.in_([one.seq for one in wanted])))
        return {row.seq: [float(row.probabilities.get(grade, 0.0)) for grade in GRADES] for row in rows}


def whole(records: Records, seqs: Sequence[int]) -> dict[int, Grading]:
    """By number: the gradings of these numbers. Blocks. Raises RecordsUnavailable."""
    with reading(records.engine) as connection:
        rows = connection.execute(select(gradings).where(gradings.c.seq.in_(seqs)))
        return {row.seq: from_row(row) for row in rows}
