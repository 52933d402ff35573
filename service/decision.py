"""From probabilities to a lane."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from models.grades import GRADES

MANUAL: Final = "manual"
LOW_CONFIDENCE: Final = "low_confidence"
DEADLINE_MISSED: Final = "deadline_missed"


@dataclass(frozen=True, slots=True)
class Decision:
    """What the ejector is told, and why."""

    grade: str | None
    confidence: float | None
    runner_up: tuple[str, float] | None
    probabilities: dict[str, float]
    lane: str
    reasons: tuple[str, ...] = ()


MISSED: Final = Decision(None, None, None, {}, MANUAL, (DEADLINE_MISSED,))
"""No network saw the photograph in time: a person looks at the fruit."""


def decide(probabilities: npt.NDArray[np.float32], manual_below: float) -> Decision:
    """(9,) calibrated probabilities in the order of GRADES -> the most probable grade, and its lane.

    A confidence under `manual_below` (0 to 1) sends the fruit to the manual lane; the grade is still named.
    """
    best, second = np.argsort(-probabilities, kind="stable")[:2]
    values = [float(p) for p in probabilities]
    sure = values[best] >= manual_below
    return Decision(
        grade=GRADES[best],
        confidence=values[best],
        runner_up=(GRADES[second], values[second]),
        probabilities=dict(zip(GRADES, values, strict=True)),
        lane=GRADES[best] if sure else MANUAL,
        reasons=() if sure else (LOW_CONFIDENCE,),
    )
