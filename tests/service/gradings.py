"""Gradings without a network: what a record can hold."""

from datetime import UTC, datetime, timedelta
from typing import Any

from models.grades import GRADES
from service.decision import DEADLINE_MISSED, LOW_CONFIDENCE
from service.grading import Grading, ModelRef, Origin, new_id

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
MODEL = ModelRef("cucumber", 3, "ab" * 32)


def grading(number: int = 0, grade: str | None = "M", confidence: float = 0.75, **changes: Any) -> Grading:
    """The grading number `number`, received so many seconds after NOON; without a grade it missed its deadline."""
    second = GRADES[(GRADES.index(grade) + 1) % len(GRADES)] if grade else None
    sure = confidence >= 0.5
    origin = {name: changes.pop(name) for name in ("camera", "line", "lot", "captured_at") if name in changes}
    facts: dict[str, Any] = {
        "id": new_id(),
        "received_at": NOON + timedelta(seconds=number, microseconds=123_456),
        "origin": Origin(**origin),
        "model": MODEL,
        "grade": grade,
        "confidence": confidence if grade else None,
        "runner_up": (second, 1 - confidence) if second else None,
        "probabilities": dict.fromkeys(GRADES, 0.0) | {grade: confidence, second: 1 - confidence} if grade else {},
        "lane": grade if grade and sure else "manual",
        "reasons": () if grade and sure else (LOW_CONFIDENCE,) if grade else (DEADLINE_MISSED,),
        "timing_ms": {"decode": 0.25, "queue": 1.5, "infer": 2.0, "total": 4.0},
        "batch_size": 8 if grade else 0,
    }
    return Grading(**{**facts, **changes})
