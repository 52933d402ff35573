"""Which gradings: the filters that pages, figures and exports share."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from sqlalchemy import ColumnElement, Table, func, literal_column

from service.decision import LOW_CONFIDENCE, MANUAL
from service.records.tables import gradings

Reason = Literal["low_confidence", "deadline_missed"]
"""Why a fruit went to the manual lane."""

UNSURE: Final = 0.5
"""Of the gradings below it there is an index, ix_gradings_unsure."""
PLACES: Final = ("line", "lot", "camera", "grade", "lane", "model_version")
"""The filters that are equal to a column, of gradings and of their tallies by hour."""


@dataclass(frozen=True, slots=True)
class Filters:
    """Which gradings; None is any. `since` is included, `until` is not."""

    since: datetime | None = None
    until: datetime | None = None
    line: str | None = None
    lot: str | None = None
    camera: str | None = None
    grade: str | None = None
    lane: str | None = None
    model_version: int | None = None
    reason: Reason | None = None
    max_confidence: float | None = None

    @property
    def places(self) -> dict[str, str | int]:
        """The given ones of PLACES."""
        given = ((name, getattr(self, name)) for name in PLACES)
        return {name: value for name, value in given if value is not None}

    def clauses(self, opaque: Sequence[str] = ()) -> list[ColumnElement[bool]]:
        """What a row of `gradings` must fulfil; the columns named by `opaque` so that no index of theirs is taken for it.

        The databases know too little of the gradings to see which index is the narrow one.
        """
        c = {name: func.coalesce(column, column) if name in opaque else column for name, column in gradings.c.items()}
        clauses = [c[name] == value for name, value in self.places.items()]
        clauses += self._because(c["lane"], c["grade"].is_not(None))
        if self.since is not None:
            clauses.append(c["received_at"] >= self.since)
        if self.until is not None:
            clauses.append(c["received_at"] < self.until)
        if self.max_confidence is not None:
            clauses.append(c["confidence"] <= self.max_confidence)
            if self.max_confidence < UNSURE:
                # said once more as the index says it: a database does not look into parameters for that
                clauses.append(gradings.c.confidence < literal_column(str(UNSURE)))
        return clauses

    def place_clauses(self, table: Table) -> list[ColumnElement[bool]]:
        """What a row of tallies must fulfil, but for its time and confidence. Those by confidence know no model."""
        clauses = [table.c[name] == value for name, value in self.places.items()]
        return clauses + self._because(table.c.lane, table.c.grade != "")

    def _because(self, lane: ColumnElement[Any], graded: ColumnElement[bool]) -> list[ColumnElement[bool]]:
        """The reason from lane and grade, which indices and tallies have: without a grade is what missed its deadline, and
        nothing but a low confidence sends what has one to the manual lane."""
        if self.reason is None:
            return []
        return [lane == MANUAL, graded if self.reason == LOW_CONFIDENCE else ~graded]
