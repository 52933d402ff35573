"""What the gate said of retrained models, read from the `gate/verdict.json` that each retraining leaves: training writes it, and
the service, which never loads training, shows it.
"""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from models.durable import read_json
from models.errors import RepositoryUnreadable
from models.retrainings import GATE_VERDICT, Retraining, Retrainings

log = logging.getLogger(__name__)

_KEPT: Final = 1024
"""Verdicts in memory: one for each retraining of some twenty years."""

Word = Literal["better", "not_worse", "not_better", "refused"]
"""`not_worse` passed because no more was asked for; `not_better` did not pass."""
Matrix = list[list[int]]


class GateReason(BaseModel):
    code: str = Field(description="such as better, not_better, recall, accuracy, cost, calibration, latency")
    text: str


class GradeFigures(BaseModel):
    recall: float | None = Field(description="share of this grade's images that are graded so; null where there are none")
    precision: float | None = Field(description="share of the images graded so that are; null where none is, or not known")
    support: int = Field(description="images of this grade")


class GateFigures(BaseModel):
    """One model on the images of the gate."""

    accuracy: float
    ece: float = Field(description="expected calibration error, 0 to 1")
    cost_yen: float | None = Field(description="what its errors cost, for each fruit")
    coverage: float = Field(description="share of the images that it may grade alone at the accuracy `target_accuracy`")
    far_errors: float | None = Field(description="share graded far from the truth, such as 2L for S")
    per_grade: dict[str, GradeFigures] = Field(description="of the grades that occur")
    confusion: Matrix | None = Field(description="images by true grade (rows) and answer, in the order of `grades`")


class GateSet(BaseModel):
    """Both models on the same images; null where they could not be compared, or where there was no champion."""

    images: int
    fruit: int
    grades: list[str] = Field(description="order of the rows and columns of `confusion`")
    won: int = Field(description="fruit that the candidate grades better than the champion")
    lost: int
    champion: GateFigures | None
    candidate: GateFigures | None


class Gate(GateSet):
    """How the gate judged the model of a retraining, on the golden set."""

    retraining_id: str
    verdict: Word
    passed: bool
    reasons: list[GateReason]
    notes: list[str] = Field(description="what could not be judged")
    judged_at: datetime
    champion_version: int | None = Field(description="the version that it was compared with")
    target_accuracy: float = Field(description="of `coverage`")
    recent: GateSet | None = Field(description="the same on new photographs that neither model was trained on")
    corrections: GateSet | None = Field(description="the same on photographs that people corrected")


class _Part(BaseModel):
    """Of the verdict, what is shown; training knows the rest."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class _Change(_Part):
    candidate: float
    champion: float | None = None
    images: int = 0


class _Confusion(_Part):
    candidate: Matrix
    champion: Matrix | None = None


class _Comparison(_Part):
    images: int
    fruit: int
    grades: list[str]
    accuracy: _Change
    recall: dict[str, _Change]
    far_errors: _Change | None = None
    cost: _Change | None = None
    ece: _Change
    coverage: _Change
    won: int
    lost: int
    confusion: _Confusion | None = None


class _Model(_Part):
    sha256: str


class _Bounds(_Part):
    target_accuracy: float


class _Verdict(_Part):
    outcome: Literal["better", "not_better", "refused"]
    passed: bool
    reasons: list[GateReason]
    notes: list[str] = []
    candidate: _Model | None = None
    golden: _Comparison | None = None
    recent: _Comparison | None = None
    corrections: _Comparison | None = None
    judged_at: datetime | None = None
    bounds: _Bounds

    @property
    def word(self) -> Word:
        return "not_worse" if self.passed and self.outcome == "not_better" else self.outcome


def judged_models(retrainings: Retrainings) -> dict[str, tuple[str, Word]]:
    """By the sha256 of a model: the newest retraining that made it, and what the gate said; refused models too."""
    found: dict[str, tuple[str, Word]] = {}
    for retraining_id in retrainings.ids():
        read = _read(retrainings, retraining_id)
        if read and read[0].candidate:
            found.setdefault(read[0].candidate.sha256, (retraining_id, read[0].word))
    return found


def gate_of(retrainings: Retrainings, state: Retraining) -> Gate | None:
    """What the gate said of a retraining's model; None before it did."""
    read = _read(retrainings, state.id)
    if read is None:
        return None
    verdict, written_at = read
    golden = _set(verdict.golden) or GateSet(images=0, fruit=0, grades=[], won=0, lost=0, champion=None, candidate=None)
    return Gate(
        **dict(golden),
        retraining_id=state.id,
        verdict=verdict.word,
        passed=verdict.passed,
        reasons=verdict.reasons,
        notes=verdict.notes,
        judged_at=verdict.judged_at or written_at,
        champion_version=state.champion,
        target_accuracy=verdict.bounds.target_accuracy,
        recent=_set(verdict.recent),
        corrections=_set(verdict.corrections),
    )


def _read(retrainings: Retrainings, retraining_id: str) -> tuple[_Verdict, datetime] | None:
    """The verdict, and when its file was written."""
    path = retrainings.root / retraining_id / GATE_VERDICT
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        verdict = _parsed(path, found.st_mtime_ns, found.st_size)
    except FileNotFoundError:  # deleted meanwhile
        return None
    except RepositoryUnreadable as error:  # a damaged one is as good as none: who grades is shown without it
        if path not in _told:
            _told.add(path)
            log.warning("what the gate said is not shown: %s", error)
        return None
    return verdict, datetime.fromtimestamp(found.st_mtime, UTC)


_told: set[Path] = set()
"""Files that could not be read, which is said once."""


@lru_cache(maxsize=_KEPT)
def _parsed(path: Path, mtime_ns: int, size: int) -> _Verdict:
    """Once for each file as it stands. Raises FileNotFoundError and RepositoryUnreadable, which are not remembered."""
    return read_json(path, _Verdict, f"delete {path}")


def _set(compared: _Comparison | None) -> GateSet | None:
    if compared is None:
        return None
    return GateSet(
        images=compared.images,
        fruit=compared.fruit,
        grades=compared.grades,
        won=compared.won,
        lost=compared.lost,
        champion=_figures(compared, "champion"),
        candidate=_figures(compared, "candidate"),
    )


def _figures(compared: _Comparison, which: Literal["champion", "candidate"]) -> GateFigures | None:
    def of(change: _Change | None) -> float | None:
        value: float | None = None if change is None else getattr(change, which)
        return value

    accuracy, ece, coverage = of(compared.accuracy), of(compared.ece), of(compared.coverage)
    if accuracy is None or ece is None or coverage is None:
        return None
    counts: Matrix | None = getattr(compared.confusion, which, None)
    return GateFigures(
        accuracy=accuracy,
        ece=ece,
        cost_yen=of(compared.cost),
        coverage=coverage,
        far_errors=of(compared.far_errors),
        per_grade={
            grade: GradeFigures(
                recall=of(change), precision=_precision(counts, compared.grades.index(grade)), support=change.images
            )
            for grade, change in compared.recall.items()
        },
        confusion=counts,
    )


def _precision(counts: Sequence[Sequence[int]] | None, place: int) -> float | None:
    answered = sum(row[place] for row in counts) if counts else 0
    return counts[place][place] / answered if counts and answered else None
