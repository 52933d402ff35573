"""What the challenger would have said: put on record in batches, summed up against the champion, forgotten after a season."""

import logging
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Engine, delete, func, insert, select, tuple_
from sqlalchemy.exc import SQLAlchemyError

from models.errors import SenkaError
from service.decision import MANUAL
from service.grading import rfc3339
from service.metrics import SHADOW
from service.records.tables import shadow_gradings
from service.records.transactions import reading, writing

log = logging.getLogger(__name__)

WRITES_EVERY_S: Final = 1.0
MAX_UNWRITTEN: Final = 2000
LATEST: Final = 10_000
"""So many of the latest are summed up, so that the question costs the same in any season."""
KEPT: Final = timedelta(days=90)
_BATCH: Final = 2000


@dataclass(frozen=True, slots=True)
class ShadowGrading:
    """One photograph's grade by the challenger, beside the one that counted; a row of the table."""

    grading_id: str
    model_version: int
    model_sha256: str
    grade: str
    confidence: float
    lane: str
    """The grade, or `manual`."""
    at: datetime
    champion_version: int
    champion_grade: str
    champion_confidence: float
    champion_lane: str


class ShadowRecords:
    """Writes what is put here in a thread of its own, apart from the gradings. What the database refuses is dropped and counted:
    it is worth no photograph that waits."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._unwritten: list[ShadowGrading] = []
        self._lock, self._closed = threading.Lock(), threading.Event()
        self._failing = False
        self._thread = threading.Thread(target=self._keep_writing, name="shadow-records", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Write what waits, once, and stop."""
        self._closed.set()
        if self._thread.is_alive():
            self._thread.join()
        self.flush()

    def put(self, one: ShadowGrading) -> None:
        """Write it with the next batch; dropped when too many wait. Never raises."""
        with self._lock:
            if len(self._unwritten) < MAX_UNWRITTEN:
                self._unwritten.append(one)
                return
        SHADOW.labels("dropped").inc()

    def flush(self) -> None:
        """Write what waits, or drop it. Never raises."""
        with self._lock:
            batch, self._unwritten = self._unwritten, []
        if not batch:
            return
        try:
            with writing(self._engine) as connection:
                connection.execute(insert(shadow_gradings), [asdict(one) for one in batch])
        except (SenkaError, SQLAlchemyError) as error:
            SHADOW.labels("dropped").inc(len(batch))
            if not self._failing:
                log.warning("what the challenger says is not on record for now: %s", getattr(error, "orig", None) or error)
            self._failing = True
        else:
            self._failing = False

    def _keep_writing(self) -> None:
        while not self._closed.wait(WRITES_EVERY_S):
            self.flush()


def compare(engine: Engine, champion: int, challenger: int) -> dict[str, Any]:
    """The latest photographs that both versions graded, up to LATEST: as `GET /v1/models/shadow` answers them.

    Blocks: call it from a thread. Raises RecordsUnavailable.
    """
    c = shadow_gradings.c
    both = (
        select(c.at, c.grade, c.confidence, c.lane, c.champion_grade, c.champion_confidence, c.champion_lane)
        .where(c.model_version == challenger, c.champion_version == champion)
        .order_by(c.at.desc())
        .limit(LATEST)
        .subquery()
    )
    b = both.c
    pairs = select(
        b.champion_grade,
        b.grade,
        func.count().label("count"),
        func.min(b.at).label("since"),
        func.sum(b.champion_confidence).label("champion_confidence"),
        func.sum(b.confidence).label("confidence"),
        func.count().filter(b.champion_lane == MANUAL).label("champion_manual"),
        func.count().filter(b.lane == MANUAL).label("manual"),
    ).group_by(b.champion_grade, b.grade)
    with reading(engine) as connection:
        return summed(connection.execute(pairs).mappings().all())


def summed(pairs: Sequence[Any]) -> dict[str, Any]:
    """Figures by pair of grades -> the figures of all; null where there is no photograph to speak of."""
    seen = sum(pair["count"] for pair in pairs)
    agreed = sum(pair["count"] for pair in pairs if pair["champion_grade"] == pair["grade"])

    def share(name: str) -> float | None:
        return sum(pair[name] for pair in pairs) / seen if seen else None

    different = [pair for pair in pairs if pair["champion_grade"] != pair["grade"]]
    different.sort(key=lambda pair: (-pair["count"], pair["champion_grade"], pair["grade"]))
    return {
        "seen": seen,
        "agreed": agreed,
        "agreement": agreed / seen if seen else None,
        "disagreements": [{"graded": p["champion_grade"], "shadow": p["grade"], "count": p["count"]} for p in different],
        "mean_confidence": {"champion": share("champion_confidence"), "challenger": share("confidence")},
        "manual_share": {"champion": share("champion_manual"), "challenger": share("manual")},
        "since": rfc3339(min(pair["since"] for pair in pairs)) if pairs else None,
    }


def forget(engine: Engine, before: datetime) -> int:
    """Delete the oldest that are older than `before`, one batch; return how many. Raises RecordsUnavailable."""
    c = shadow_gradings.c
    oldest = select(c.grading_id, c.model_version).where(c.at < before).order_by(c.at).limit(_BATCH)
    with writing(engine) as connection:
        return connection.execute(delete(shadow_gradings).where(tuple_(c.grading_id, c.model_version).in_(oldest))).rowcount
