"""A grading: what the service decided about one photograph, as it is answered, kept and shown."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from uuid_utils import uuid7


def rfc3339(moment: datetime) -> str:
    """UTC with milliseconds: 2026-11-23T02:11:00.123Z."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def new_id() -> str:
    """UUIDv7 (RFC 9562): later gradings sort later."""
    return str(uuid7())


@dataclass(frozen=True, slots=True)
class ModelRef:
    """The model that graded."""

    name: str
    version: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a photograph came from, as its camera says."""

    camera: str | None = None
    line: str | None = None
    lot: str | None = None
    captured_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Grading:
    """`grade`, `confidence` and the runner-up are None where no network saw the photograph in time."""

    id: str
    received_at: datetime
    origin: Origin
    model: ModelRef
    grade: str | None
    confidence: float | None
    runner_up: tuple[str, float] | None
    probabilities: dict[str, float]
    """Calibrated, in the order of GRADES; empty where `grade` is None."""
    lane: str
    """The grade, or `manual`."""
    reasons: tuple[str, ...]
    timing_ms: dict[str, float]
    """decode, queue, infer, and total: from the first byte until the decision is handed to the record."""
    batch_size: int
    measurement: dict[str, float | None] | None = None
    photograph: str | None = field(default=None)
    """Key of the photograph in the image store; None where it is not kept. Not part of the answer."""
    explanation: dict[str, Any] | None = field(default=None)
    """The class activation map, where it was asked for. Part of the answer, not of the record: it can be had again."""
    profile_version: int | None = None
    """Of the rules that decided the lane."""
    photograph_bytes: int | None = None
    interest: int | None = None
    """Why the photograph is kept: a number of service.records.keeping.Interest; None where it is not."""
    idempotency_key: str | None = None
    """The client's key behind the id of its credential: `<id or nothing>:<key>`."""
    body_sha256: str | None = None
    """Of the photograph, where an idempotency key came with it."""
    key_id: str | None = None
    """The camera key that posted it."""

    def to_json(self) -> dict[str, Any]:
        """The grading of the HTTP contract; `explanation` is in it only where it was asked for."""
        asked = {"explanation": self.explanation} if self.explanation is not None else {}
        return {
            "id": self.id,
            "grade": self.grade,
            "confidence": self.confidence,
            "runner_up": self.runner_up and {"grade": self.runner_up[0], "probability": self.runner_up[1]},
            "probabilities": self.probabilities,
            "lane": self.lane,
            "reasons": list(self.reasons),
            "measurement": self.measurement,
            "model": {"name": self.model.name, "version": self.model.version, "sha256": self.model.sha256},
            "profile": None if self.profile_version is None else {"version": self.profile_version},
            "camera": self.origin.camera,
            "line": self.origin.line,
            "lot": self.origin.lot,
            "captured_at": self.origin.captured_at and rfc3339(self.origin.captured_at),
            "received_at": rfc3339(self.received_at),
            "timing_ms": self.timing_ms,
            "batch_size": self.batch_size,
            **asked,
        }
