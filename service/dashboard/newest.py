"""The fruit that was graded last, in the live page as it is served: a slow tablet shows it with its first paint, before any
script has run."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from models.grades import BENT, STRAIGHT
from service.errors import RecordsUnavailable
from service.grading import Grading
from service.records.repository import Filters, Records

log = logging.getLogger(__name__)

LOOK_S: Final = 0.2
"""The page does not wait longer for the records: its scripts ask again, and say what is wrong."""
STALE_S: Final = 30.0
"""What is older is shown as history, as in live-line.js."""


def family(grade: str) -> str:
    """The kind of fruit that a grade stands for; pages give each kind a colour, a sign and a word."""
    return "straight" if grade in STRAIGHT else "bent" if grade in BENT else "misshapen"


@dataclass(frozen=True, slots=True)
class Newest:
    """What the template needs of it."""

    given: dict[str, Any]
    """The grading as the HTTP contract has it."""
    photographed: bool
    stale: bool

    @classmethod
    def of(cls, grading: Grading) -> "Newest":
        """Of a grading on record."""
        age_s = (datetime.now(UTC) - grading.received_at).total_seconds()
        return cls(grading.to_json(), grading.photograph is not None, age_s >= STALE_S)

    @property
    def kind(self) -> str | None:
        """None without a grade."""
        return family(self.given["grade"]) if self.given["grade"] else None

    @property
    def json(self) -> str:
        """For the page's scripts."""
        return orjson.dumps(self.given).decode()


FindNewest = Callable[[str | None], Newest | None]
"""By line; None of all lines. Blocks. Raises RecordsUnavailable."""


def newest_of(records: Callable[[], Records | None]) -> FindNewest:
    """Looks into the records, which are opened after the pages are added."""

    def find(line: str | None) -> Newest | None:
        opened = records()
        found = opened.page(Filters(line=line), 1) if opened else []
        return Newest.of(found[0].grading) if found else None

    return find


async def looked_up(find: FindNewest, line: str | None) -> Newest | None:
    """The newest, or None where there is none or no answer within LOOK_S."""
    if line is not None and "\0" in line:  # PostgreSQL does not even look for such a text
        return None
    try:
        async with asyncio.timeout(LOOK_S):
            return await asyncio.to_thread(find, line)
    except (TimeoutError, RecordsUnavailable) as problem:
        log.info("the live page is served without its newest fruit: %s", problem or "the records took too long")
        return None
