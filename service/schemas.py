"""The JSON of the contract, for OpenAPI and for checking it in tests. Answers are not built from these: that costs too much
on the grading path; a test compares the two."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

from models.judged import Word


def _utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError:  # the first and the last hours of the calendar, seen from elsewhere
        raise ValueError("the time is out of range") from None


def _rfc3339(value: Any) -> Any:
    """Text in the form of RFC 3339 only; pydantic would take a bare number for seconds since 1970 too."""
    if not isinstance(value, str):
        return value
    text = re.sub(r" (\d\d:\d\d)$", r"+\1", value)  # a + that was not percent-encoded arrives as a space
    if not re.fullmatch(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", text):
        raise ValueError("not a time of RFC 3339, such as 2026-11-23T02:11:00Z")
    return text


Moment = Annotated[AwareDatetime, BeforeValidator(_rfc3339), AfterValidator(_utc)]
"""A time with its offset, as RFC 3339 writes it; in UTC from here on."""


class GradeProbability(BaseModel):
    grade: str
    probability: float = Field(ge=0, le=1)


class Measurement(BaseModel):
    """Of the fruit, in pixels of the photograph; millimetres where the camera is calibrated."""

    length_px: float
    length_mm: float | None
    width_px: float
    bend_ratio: float = Field(description="arc height over chord")
    area_px: float


class Model(BaseModel):
    name: str
    version: int
    sha256: str


class Profile(BaseModel):
    """The rules that decided the lane."""

    version: int


class Timing(BaseModel):
    """Milliseconds."""

    decode: float
    queue: float = Field(description="waiting for the network")
    infer: float = Field(description="in the network, with its whole batch")
    total: float = Field(description="from the first byte until the decision was handed to the record")


class GradingOut(BaseModel):
    """One photograph's grade, its lane and the reason."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": "0193a2f0-7b1c-7d2e-9a57-1f0e4b6c2d11",
                "grade": "2L",
                "confidence": 0.91,
                "runner_up": {"grade": "L", "probability": 0.06},
                "probabilities": {
                    "2L": 0.91, "L": 0.06, "M": 0.01, "S": 0.0, "2S": 0.0, "BL": 0.02, "BM": 0.0, "BS": 0.0, "C": 0.0,
                },
                "lane": "2L",
                "reasons": [],
                "measurement": None,
                "model": {"name": "cucumber", "version": 3, "sha256": "9f2c..."},
                "profile": {"version": 1},
                "camera": "line1-top",
                "line": "1",
                "lot": "2026-11-23-A",
                "captured_at": None,
                "received_at": "2026-11-23T02:11:00.123Z",
                "timing_ms": {"decode": 0.4, "queue": 1.1, "infer": 0.9, "total": 2.9},
                "batch_size": 8,
            }
        }
    )  # fmt: skip

    id: str
    grade: str | None = Field(description="one of nine; null where the deadline was missed")
    confidence: float | None
    runner_up: GradeProbability | None
    probabilities: dict[str, float] = Field(description="calibrated, by grade")
    lane: str = Field(description="the grade, or `manual`")
    reasons: list[str] = Field(description="why the lane is `manual`: low_confidence, deadline_missed")
    measurement: Measurement | None = Field(description="null where nothing was measured")
    model: Model
    profile: Profile | None = Field(description="GET /v1/profiles has its rules; null for gradings from before there were any")
    camera: str | None
    line: str | None
    lot: str | None
    captured_at: datetime | None
    received_at: datetime
    timing_ms: Timing
    batch_size: int


class ContrastiveMap(BaseModel):
    """Why this grade and not that: the difference of their maps."""

    grade: str
    against: str = Field(description="the runner-up")
    values: list[list[float]]
    minimum: float
    maximum: float


class GradeExplanation(BaseModel):
    """What each place adds to each grade's logit, from the graph that graded. Over the places, the maps add up to the logits but
    for a constant of each grade: their mean where the network pools globally, their sum where it is a LeNet."""

    method: str = Field(description="cam")
    maps: dict[str, list[list[float]]] | None = Field(description="by grade, rows of h x w values; null: `detail` says why")
    detail: str | None = None
    shape: list[int] | None = Field(None, description="[h, w], over the network's input")
    logits: dict[str, float] | None = None
    contrastive: ContrastiveMap | None = None


class GradedOut(GradingOut):
    """A grading as it is answered at once."""

    explanation: GradeExplanation | None = Field(None, description="only there where `explain=cam` asked for it")


class CorrectionInEffect(BaseModel):
    """What somebody said the grade really is."""

    id: str
    grade: str = Field(description="one of nine, or not_a_cucumber")
    note: str | None
    by: str
    at: datetime


class RecordedOut(GradingOut):
    """A grading on record."""

    correction: CorrectionInEffect | None = Field(None, description="the latest that was not undone; absent where there is none")


class GradingsPage(BaseModel):
    """Newest first."""

    gradings: list[RecordedOut]
    next_cursor: str | None = Field(description="send it as `cursor` for the next page; null on the last")


class GradeStats(BaseModel):
    count: int
    share: float
    mean_confidence: float | None
    per_minute: int = Field(description="in the last 60 s")


class Stats(BaseModel):
    total: int
    manual: int = Field(description="in the manual lane")
    mean_confidence: float | None
    per_minute: int
    first_received_at: datetime | None
    last_received_at: datetime | None
    grades: dict[str, GradeStats] = Field(description="all nine, counted or not")


class Problem(BaseModel):
    """RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    code: str = Field(description="stable, snake_case")


class PublishedModel(BaseModel):
    version: int
    sha256: str
    published_at: datetime
    note: str
    aliases: list[str]
    retraining_id: str | None = Field(description="the retraining that made it; null for one that was published otherwise")


class ModelVersion(PublishedModel):
    gate: Word | None = Field(description="what the gate said of it before; null where no retraining made it")


class Models(BaseModel):
    name: str
    champion: int | None
    challenger: int | None
    serving: int | None = Field(description="the version that this worker grades with")
    versions: list[ModelVersion]


class GradedPair(BaseModel):
    graded: str = Field(description="by the champion")
    shadow: str = Field(description="by the challenger")
    count: int


class OfBoth(BaseModel):
    """null where no photograph was graded by both."""

    champion: float | None
    challenger: float | None


class ShadowReport(BaseModel):
    """The champion and the challenger of now, on the latest photographs that both graded: 10,000 of them at most."""

    champion: int | None
    challenger: int | None
    seen: int = Field(description="photographs that both graded")
    agreed: int
    agreement: float | None = Field(description="share of the same grade, 0 to 1")
    disagreements: list[GradedPair] = Field(description="the most frequent first")
    mean_confidence: OfBoth
    manual_share: OfBoth = Field(description="share that went to the manual lane, and that would have gone, 0 to 1")
    since: datetime | None = Field(description="when the first of them was graded by the challenger")
