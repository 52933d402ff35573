"""Which lot runs on which line now: what a photograph that names no lot belongs to."""

import logging
import threading
from collections.abc import Mapping
from typing import Final

from sqlalchemy import Engine, select
from sqlalchemy.exc import SQLAlchemyError

from models.errors import SenkaError
from service.records.tables import lines
from service.records.transactions import reading

log = logging.getLogger(__name__)

REFRESH_S: Final = 1.0
"""How long a change made in another worker takes to show here."""


class CurrentLots:
    """Asking reads memory alone, so that it never delays or fails a grading; a thread follows the database, and while that is
    away what was known last goes on. `engine` is None with SENKA_RECORDS=off: no line has a lot then."""

    def __init__(self, engine: Engine | None) -> None:
        self._engine = engine
        self._lots: Mapping[str, str] = {}
        self._readable = True
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    def lot_of(self, line: str | None) -> str | None:
        """The lot that runs on a line; None where nobody said."""
        return self._lots.get(line) if line else None

    def refresh(self) -> None:
        """Read them now. Never raises."""
        if self._engine is None:
            return
        try:
            with reading(self._engine) as connection:
                found = connection.execute(select(lines.c.name, lines.c.lot).where(lines.c.lot.is_not(None)))
                self._lots = {name: lot for name, lot in found}  # noqa: C416 - rows are no pairs to the type checker
        except (SenkaError, SQLAlchemyError) as error:
            if self._readable:
                log.warning("the lots on the lines cannot be read, those known last go on: %s", error)
            self._readable = False
        else:
            self._readable = True

    def start(self) -> None:
        """Read them, and follow the database in a thread from now on."""
        self.refresh()
        self._thread = threading.Thread(target=self._follow, name="current-lots", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop following."""
        self._closed.set()
        if self._thread:
            self._thread.join()

    def _follow(self) -> None:
        while not self._closed.wait(REFRESH_S):
            self.refresh()
