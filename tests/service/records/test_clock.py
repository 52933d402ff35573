"""Whether the clock can be believed."""

from datetime import UTC, datetime, timedelta

import pytest

from service.records.clock import ClockGuard, steady_clock

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


class Clocks:
    wall = 1000.0
    steady = 50.0

    def guard(self) -> ClockGuard:
        return ClockGuard(lambda: self.wall, lambda: self.steady)


@pytest.mark.parametrize("jump_s", [-86_400.0, -3_700.0, 3_700.0, 86_400.0 * 365])
def test_a_clock_that_was_set_is_doubted_until_it_is_set_back(jump_s: float) -> None:
    clocks = Clocks()
    guard = clocks.guard()
    assert guard.doubt(NOW, NOW) is None
    clocks.wall += 7200
    clocks.steady += 7200
    assert guard.doubt(NOW, NOW) is None
    clocks.wall += jump_s
    assert "the clock was set by" in str(guard.doubt(NOW, NOW))
    clocks.wall -= jump_s
    assert guard.doubt(NOW, NOW) is None


def test_small_corrections_are_believed() -> None:
    clocks = Clocks()
    guard = clocks.guard()
    clocks.wall += 3000
    assert guard.doubt(NOW, NOW) is None


def test_a_long_silence_is_doubted_and_for_a_day_after_it() -> None:
    clocks = Clocks()
    guard = clocks.guard()
    assert guard.doubt(NOW, NOW - timedelta(days=29)) is None
    assert "31 days ago by this clock" in str(guard.doubt(NOW, NOW - timedelta(days=31)))
    for _ in range(2):  # a grading came meanwhile, under the same clock
        assert "less than a day ago" in str(guard.doubt(NOW, NOW))
        clocks.wall += 12 * 3600 - 1
        clocks.steady += 12 * 3600 - 1
    clocks.wall += 10
    clocks.steady += 10
    assert guard.doubt(NOW, NOW) is None


def test_without_a_record_there_is_nothing_to_doubt() -> None:
    assert ClockGuard().doubt(NOW, None) is None
    assert steady_clock() <= steady_clock()
