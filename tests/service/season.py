"""A season on record: sixty days of ten hours, two lines, lots of each day, and confidences as a network gives them."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import Engine, insert

from models.grades import GRADES
from service.decision import DEADLINE_MISSED, LOW_CONFIDENCE
from service.grading import Grading, ModelRef, Origin
from service.records.rows import to_row
from service.records.tables import gradings
from service.records.tallies import tally

DAYS: Final = 60
HOURS: Final = 10
WEIGHTS: Final = (18, 22, 20, 10, 4, 8, 8, 4, 6)
"""How often each of GRADES comes."""
MODEL: Final = ModelRef("cucumber", 3, "ab" * 32)
CHUNK: Final = 5_000


@dataclass(frozen=True, slots=True)
class Season:
    """`rows` gradings that end at `end`; the same seed makes the same season."""

    rows: int
    end: datetime = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
    seed: int = 7

    def gradings(self) -> Iterator[Grading]:
        """Oldest first."""
        draw = random.Random(self.seed)
        per_day = -(-self.rows // DAYS)
        step_s = HOURS * 3600 / per_day
        for number in range(self.rows):
            day, place = divmod(number, per_day)
            opened = self.end - timedelta(days=DAYS - 1 - day, hours=HOURS)
            yield self._grading(draw, number, opened + timedelta(seconds=(place + draw.random()) * step_s), place / per_day)

    def _grading(self, draw: random.Random, number: int, at: datetime, through: float) -> Grading:
        line = 1 + draw.randrange(2)
        lot = f"{at:%Y-%m-%d}-{line}{'A' if through < 0.5 else 'B'}"
        origin = Origin(f"line{line}-top", str(line), lot, None)
        seen = draw.random() >= 0.001
        confidence = round(0.25 + 0.75 * draw.betavariate(6, 1.2), 6) if seen else None
        grade = draw.choices(GRADES, WEIGHTS)[0] if seen else None
        second = GRADES[(GRADES.index(grade) + 1) % len(GRADES)] if grade else None
        sure = confidence is not None and confidence >= 0.5 and draw.random() >= 0.01
        return Grading(
            id=f"{number:08x}-0000-7000-8000-{draw.getrandbits(48):012x}",
            received_at=at,
            origin=origin,
            model=MODEL,
            grade=grade,
            confidence=confidence,
            runner_up=(second, 1 - confidence) if second and confidence is not None else None,
            probabilities=_PROBABILITIES if seen else {},
            lane=grade if grade and sure else "manual",
            reasons=() if sure else (LOW_CONFIDENCE,) if seen else (DEADLINE_MISSED,),
            timing_ms=_TIMING,
            batch_size=8 if seen else 0,
            photograph=f"{draw.getrandbits(256):064x}.jpg",
        )


_PROBABILITIES: Final = {grade: round(0.9 / (1 + place), 6) for place, grade in enumerate(GRADES)}
_TIMING: Final = {"decode": 0.412, "queue": 1.105, "infer": 2.031, "total": 4.27}


def fill(engine: Engine, season: Season, counted: bool = True) -> None:
    """Put a season on record, thousands in a commit."""
    chunk: list[Grading] = []
    for one in season.gradings():
        chunk.append(one)
        if len(chunk) == CHUNK:
            _keep(engine, chunk, counted)
            chunk = []
    if chunk:
        _keep(engine, chunk, counted)


def _keep(engine: Engine, chunk: list[Grading], counted: bool) -> None:
    with engine.begin() as connection:
        connection.execute(insert(gradings), [to_row(one) for one in chunk])
        if counted:
            tally(connection, chunk)
