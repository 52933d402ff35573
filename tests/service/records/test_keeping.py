"""Which photographs are kept, and why."""

from typing import Any

import pytest

from service.decision import MISSED
from service.grading import new_id
from service.records.keeping import Interest, in_sample, interest_of
from service.settings import Settings
from tests.service.gradings import grading


def settings(**changes: Any) -> Settings:
    return Settings(**{"keep": "all", "keep_below": 0.8, "keep_share": 0.0, **changes})


@pytest.mark.parametrize(
    ("confidence", "reasons", "expected"),
    [
        (0.95, (), Interest.ORDINARY),
        (0.8, (), Interest.ORDINARY),
        (0.79, (), Interest.UNSURE),
        (0.3, ("low_confidence",), Interest.UNSURE),
        (0.95, ("rule_disagrees",), Interest.DISAGREEMENT),
        (0.3, ("low_confidence", "rule_disagrees"), Interest.DISAGREEMENT),
    ],
)
def test_the_interest_of_a_decision(confidence: float, reasons: tuple[str, ...], expected: Interest) -> None:
    decided = grading(confidence=confidence, reasons=reasons)
    assert interest_of("an id", decided, settings()) is expected
    assert interest_of("an id", decided, settings(keep="interesting")) is (expected or None)
    assert interest_of("an id", decided, settings(keep="none")) is None
    assert interest_of("an id", decided, settings(keep="interesting", keep_share=1.0)) is Interest.SAMPLE
    assert interest_of("an id", decided, settings(keep="none", keep_share=1.0)) is None


def test_the_manual_lane_and_a_missed_deadline_are_interesting() -> None:
    assert interest_of("an id", grading(confidence=0.95, lane="manual"), settings()) is Interest.UNSURE
    assert interest_of("an id", MISSED, settings(keep="interesting")) is Interest.UNSURE


def test_the_sample_is_the_share_that_was_asked_for_and_the_same_each_time() -> None:
    ids = [new_id() for _ in range(20_000)]
    drawn = {one for one in ids if in_sample(one, 0.02)}
    assert 280 < len(drawn) < 520  # 400, six standard deviations to each side
    assert {one for one in ids if in_sample(one, 0.02)} == drawn
    assert drawn < {one for one in ids if in_sample(one, 0.1)}, "a larger share only adds to the sample"
    assert not any(in_sample(one, 0.0) for one in ids)
    assert all(in_sample(one, 1.0) for one in ids)


def test_the_numbers_in_the_database_do_not_change() -> None:
    assert {one.name: int(one) for one in Interest} == {
        "ORDINARY": 0, "UNSURE": 1, "DISAGREEMENT": 2, "SAMPLE": 3, "CORRECTED": 4, "LABELLED": 5,
    }  # fmt: skip
