"""What the gate found and decided, in the shape it is printed and kept (JSON)."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from training.gate.bounds import GateBounds, Require

Outcome = Literal["better", "not_better", "refused"]
Code = Literal[
    "better", "better_lately", "first", "not_better",
    "grade_set", "leak", "not_finite", "too_few_images", "too_few_grades", "class_order",
    "accuracy", "recall", "cost", "calibration", "far_errors", "coverage", "recent", "corrections", "latency", "parity", "cam",
]  # fmt: skip


class _Facts(BaseModel):
    model_config = ConfigDict(frozen=True)


class Change(_Facts):
    """A figure of both models. `worse` is how much the candidate is worse, negative where it is better.

    `low` and `high` are the bounds of `worse` that each hold at the gate's certainty (one-sided, paired bootstrap); `beyond` is
    the share of draws in which `worse` exceeds `bound`. None where there is no champion.
    """

    candidate: float
    champion: float | None = None
    worse: float | None = None
    low: float | None = None
    high: float | None = None
    bound: float | None = None
    beyond: float | None = None


class GradeChange(Change):
    """Recall of one grade, over its images; `fruit` and `images` are those of this grade."""

    fruit: int
    images: int


class ClassOrder(_Facts):
    """The renaming of answers that fits the truth best: `means[answer]` is the grade that the answer stands for."""

    accuracy: float
    renamed_accuracy: float
    means: dict[str, str]
    """Only the answers that stand for another grade; empty where every answer means what it says."""
    moved_recall: float
    """Mean recall of the grades concerned, answers renamed; 0 where none is."""


class Confusion(_Facts):
    """Images by true grade (rows) and answer (columns), both in the order of the comparison's `grades`."""

    candidate: tuple[tuple[int, ...], ...]
    champion: tuple[tuple[int, ...], ...] | None = None


class Comparison(_Facts):
    """Candidate and champion on the same images."""

    data: str
    images: int
    fruit: int
    grades: tuple[str, ...]
    accuracy: Change
    recall: dict[str, GradeChange]
    """Of the grades that occur."""
    far_errors: Change | None
    """Share of images; None for labels that are no grades of cucumbers."""
    cost: Change | None
    """Yen a fruit."""
    log_loss: Change
    """Mean cross-entropy, nats: answers that are surer of the right grade, or less sure of a wrong one, cost less."""
    ece: Change
    ece_by_chance: float
    """What a perfectly calibrated model of these confidences exceeds in 5 % of such sets."""
    coverage: Change
    temperature_ratio: float
    """The temperature that would fit these images, relative to the card's: above 1, the model is too sure of itself."""
    champion_temperature_ratio: float | None
    won: int
    """Fruit that the candidate grades better than the champion, and those it grades worse."""
    lost: int
    p_value: float | None
    """McNemar's exact test, one-sided: how likely so many would be won if both models were equally good."""
    order: ClassOrder
    confusion: Confusion | None = None
    """None in verdicts of earlier versions, which did not keep it."""


class Latency(_Facts):
    """Median milliseconds of one photograph from network input to logits, on one thread, both models in turn."""

    candidate_ms: float
    champion_ms: float | None
    runs: int


class Reason(_Facts):
    code: Code
    text: str


class Graded(_Facts):
    """Which model was meant: its name on the command line and the sha256 of its file."""

    name: str
    sha256: str
    architecture: str


class Verdict(_Facts):
    """`senka gate --json`. `reasons` says in plain words what decided; `notes`, what could not be judged."""

    outcome: Outcome
    passed: bool
    require: Require
    reasons: tuple[Reason, ...]
    notes: tuple[str, ...] = ()
    candidate: Graded | None = None
    champion: Graded | None = None
    golden: Comparison | None = None
    """None where the two could not be compared at all."""
    recent: Comparison | None = None
    """On labelled images of today that neither model was trained on."""
    corrections: Comparison | None = None
    latency: Latency | None = None
    parity: float | None = None
    cam_error: float | None = None
    judged_at: str | None = None
    """RFC 3339, UTC; None where nobody wrote it down."""
    bounds: GateBounds = GateBounds()
