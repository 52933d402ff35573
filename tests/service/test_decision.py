"""From probabilities to a lane."""

import numpy as np
import pytest

from models.grades import GRADES
from service.decision import MISSED, decide


def probabilities(**by_grade: float) -> np.ndarray:
    return np.array([by_grade.get(f"g{grade}", 0.0) for grade in GRADES], np.float32)


def test_the_most_probable_grade_is_the_lane() -> None:
    decision = decide(probabilities(g2L=0.25, gM=0.625, gBS=0.125), 0.5)
    assert (decision.grade, decision.confidence, decision.lane, decision.reasons) == ("M", 0.625, "M", ())
    assert decision.runner_up == ("2L", 0.25)
    assert list(decision.probabilities) == list(GRADES)
    assert decision.probabilities["BS"] == 0.125


def test_too_unsure_is_manual_and_the_grade_is_still_named() -> None:
    decision = decide(probabilities(gL=0.375, gC=0.25), 0.5)
    assert (decision.grade, decision.lane, decision.reasons) == ("L", "manual", ("low_confidence",))


@pytest.mark.parametrize(("limit", "lane"), [(0.5, "L"), (0.50001, "manual"), (0.0, "L"), (1.0, "manual")])
def test_the_limit_itself_is_sure_enough(limit: float, lane: str) -> None:
    assert decide(probabilities(gL=0.5, gM=0.5), limit).lane == lane


def test_equals_are_decided_in_the_order_of_the_grades() -> None:
    decision = decide(probabilities(gS=0.5, gL=0.5), 0.5)
    assert (decision.grade, decision.runner_up) == ("L", ("S", 0.5))


def test_numbers_are_plain_floats_that_any_json_writer_takes() -> None:
    decision = decide(probabilities(gM=1.0), 0.5)
    assert type(decision.confidence) is float
    assert {type(value) for value in decision.probabilities.values()} == {float}


def test_a_missed_deadline_has_no_grade() -> None:
    assert (MISSED.grade, MISSED.confidence, MISSED.runner_up, MISSED.probabilities) == (None, None, None, {})
    assert (MISSED.lane, MISSED.reasons) == ("manual", ("deadline_missed",))
