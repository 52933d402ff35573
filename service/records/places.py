"""Cameras, lines, lots and growers: names that gradings carry, and what people enter about them.

A name that a grading carries is entered by itself, in the transaction of that grading. What follows is for the recorder's hot
path; `service.records.resources` is what people use.
"""

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Table, func, select
from sqlalchemy.dialects import postgresql, sqlite

from service.grading import Grading
from service.records.tables import cameras, lines, lots

MAX_NAMES: Final = 10_000
"""Of each kind. Whoever may post a photograph may name anything: beyond so many, names stay in the gradings alone."""
FORGET_AFTER_S: Final = 60.0
"""A name is entered again by its next grading so long after somebody deleted it in another worker."""

_KINDS: Final[dict[str, Table]] = {"camera": cameras, "line": lines, "lot": lots}
_Name = tuple[str, str]
"""(kind, name)"""


class Places:
    """The names that this process knows to be entered. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: set[_Name] = set()
        self._forget_at = clock() + FORGET_AFTER_S
        self._entered: dict[_Name, Any] = {}
        """Entered by a transaction that may have been undone since, with that transaction."""
        self._lock = threading.Lock()

    def seen(self, connection: Connection, gradings: Sequence[Grading]) -> None:
        """Enter the names of these gradings that are not entered yet, in the caller's transaction.

        For names that are known this is a look into a set; a new one costs a statement or two, once.
        """
        if self._clock() >= self._forget_at or len(self._known) > 10 * MAX_NAMES:
            self.forget()
        known = self._known
        new: dict[_Name, Grading] = {}
        for grading in gradings:
            origin = grading.origin
            for name in (("camera", origin.camera), ("line", origin.line), ("lot", origin.lot)):
                if name[1] and name not in known:
                    new[name[0], name[1]] = grading
        if new:
            self._enter(connection, new)

    def forget(self) -> None:
        """Look again whether the names are entered: one of them was deleted."""
        with self._lock:
            self._known = set()
            self._entered = {}
            self._forget_at = self._clock() + FORGET_AFTER_S

    def _enter(self, connection: Connection, new: dict[_Name, Grading]) -> None:
        current = connection.get_transaction()
        with self._lock:
            doubtful = [name for name in new if name in self._entered and self._entered[name] is not current]
        # One is known once another transaction finds it: the one that entered it may have been undone
        found = {
            (kind, name)
            for kind, table in _KINDS.items()
            if (names := [name for of, name in doubtful if of == kind])
            for name in connection.execute(select(table.c.name).where(table.c.name.in_(names))).scalars()
        }
        missing = {name: grading for name, grading in new.items() if name not in found}
        entered = [name for kind, table in _KINDS.items() for name in self._insert(connection, kind, table, missing)]
        current = connection.get_transaction()  # the first statement may have begun it
        with self._lock:
            self._known |= found
            for name in found:
                self._entered.pop(name, None)
            self._entered.update(dict.fromkeys(entered, current))

    def _insert(self, connection: Connection, kind: str, table: Table, new: dict[_Name, Grading]) -> Iterable[_Name]:
        # sorted, so that two transactions that meet enter the same names in the same order
        names = sorted(name for of, name in new if of == kind)
        if not names:
            return []
        room = MAX_NAMES - connection.execute(select(func.count()).select_from(table)).scalar_one()
        if room < len(names):
            there = set(connection.execute(select(table.c.name).where(table.c.name.in_(names))).scalars())
            missing = [name for name in names if name not in there]
            with self._lock:  # those that do not fit are not looked for again with every photograph
                self._known.update((kind, name) for name in missing[max(0, room) :][:MAX_NAMES])
            names = missing[: max(0, room)]
        if names:
            dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
            rows = [_row(kind, name, new[kind, name]) for name in names]
            connection.execute(dialect.insert(table).on_conflict_do_nothing(), rows)
        return [(kind, name) for name in names]


def _row(kind: str, name: str, grading: Grading) -> dict[str, Any]:
    row: dict[str, str | datetime | None] = {"name": name, "created_at": grading.received_at}
    return {**row, "line": grading.origin.line} if kind == "camera" else row
