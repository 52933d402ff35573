"""How a batch differs from the photographs before it: its grades, its light, and the size of its fruit."""

from collections import Counter
from collections.abc import Sequence
from typing import Final, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from training.intake.looks import MEASURES, Looks
from training.sources import LabelledSet, Sample

Verdict = Literal["alike", "a little different", "different", "far off"]
_STEPS: Final[tuple[tuple[float, Verdict], ...]] = ((0.2, "alike"), (0.5, "a little different"), (1.0, "different"))
"""Upper limits of the standardised difference; the first two are Cohen's (1988) small and medium effect."""
_SURE: Final = 3.0
"""A difference of less than so many standard errors is chance."""
_WORDS: Final = {
    "belt_brightness": ("brightness of the belt", "darker", "brighter"),
    "belt_warmth": ("colour of the belt", "bluer", "redder"),
    "belt_unevenness": ("unevenness of the light", "more even", "less even"),
    "contrast": ("contrast", "flatter", "harsher"),
    "fruit_brightness": ("brightness of the fruit", "darker", "brighter"),
    "fruit_area": ("area of the fruit", "smaller", "larger"),
    "fruit_length": ("length of the fruit", "shorter", "longer"),
    "fruit_width": ("thickness of the fruit", "thinner", "thicker"),
    "frame_px": ("size of the photograph", "smaller", "larger"),
}


class GradeBalance(BaseModel):
    """How many photographs a grade has here and had before."""

    model_config = ConfigDict(frozen=True)

    grade: str
    images: int
    share: float
    earlier_images: int
    earlier_share: float


class Shift(BaseModel):
    """One measure, here and before."""

    model_config = ConfigDict(frozen=True)

    measure: str
    about: str
    mean: float
    earlier_mean: float
    difference: float = Field(description="of the means, in standard deviations of the earlier photographs")
    verdict: Verdict
    sentence: str


def balance(samples: Sequence[Sample], earlier: Sequence[Sample]) -> tuple[GradeBalance, ...]:
    """Grades of either set in canonical order."""
    here, before = Counter(s.grade for s in samples), Counter(s.grade for s in earlier)
    grades = LabelledSet("", tuple(Sample(grade, grade, pixels=_NOTHING) for grade in {**here, **before})).labels
    return tuple(
        GradeBalance(
            grade=grade,
            images=here[grade],
            share=here[grade] / max(1, len(samples)),
            earlier_images=before[grade],
            earlier_share=before[grade] / max(1, len(earlier)),
        )
        for grade in grades
    )


_NOTHING: Final = np.zeros((1, 1, 3), np.uint8)


def shifts(looks: Looks, earlier: Sequence[Looks]) -> tuple[Shift, ...]:
    """Every measure of the batch against all earlier photographs; none where either side has fewer than two."""
    before = np.concatenate([other.measures for other in earlier]) if earlier else np.zeros((0, len(MEASURES)))
    if min(len(looks), len(before)) < 2:
        return ()
    return tuple(_shift(name, looks.measures[:, i], before[:, i]) for i, name in enumerate(MEASURES))


def _shift(name: str, here: np.ndarray, before: np.ndarray) -> Shift:
    mean, earlier_mean = float(here.mean()), float(before.mean())
    # A measure that never varied, such as the size of the frame, is judged by what would be seen: a hundredth of its value
    deviation = max(float(before.std()), 0.01 * abs(earlier_mean), 1e-3)
    difference = (mean - earlier_mean) / deviation
    error = float(np.sqrt(max(here.var(), deviation**2) / len(here) + deviation**2 / len(before))) / deviation
    size = abs(difference) if abs(difference) > _SURE * error else 0.0
    verdict: Verdict = next((word for limit, word in _STEPS if size < limit), "far off")
    about, less, more = _WORDS[name]
    direction = more if difference > 0 else less
    said = f"{about}: {verdict}" if verdict == "alike" else f"{about}: {direction} by {abs(difference):.1f} deviations, {verdict}"
    return Shift(
        measure=name,
        about=about,
        mean=round(mean, 4),
        earlier_mean=round(earlier_mean, 4),
        difference=round(difference, 3),
        verdict=verdict,
        sentence=said,
    )
