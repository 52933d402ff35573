"""Token buckets on a clock of the test's own."""

import pytest

from service.security.rate import MAX_BUCKETS, Rate


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_a_burst_and_then_the_rate() -> None:
    clock = Clock()
    rate = Rate(4.0, clock)
    assert [rate.wait_s("a") for _ in range(5)] == [0, 0, 0, 0, 0.25]
    assert rate.wait_s("b") == 0  # each has its own
    clock.now_s = 0.25
    assert [rate.wait_s("a"), rate.wait_s("a")] == [0, 0.25]
    clock.now_s = 100.0
    assert [rate.wait_s("a") for _ in range(5)].count(0) == 4  # no more than a second's worth is saved up


def test_asking_again_too_early_costs_nothing() -> None:
    clock = Clock()
    rate = Rate(0.5, clock)
    assert rate.wait_s("a") == 0
    for moment_s in (0.5, 1.0, 1.5):
        clock.now_s = moment_s
        assert rate.wait_s("a") == pytest.approx(2.0 - moment_s)
    clock.now_s = 2.0
    assert rate.wait_s("a") == 0


def test_without_a_rate_nobody_waits_and_nothing_is_kept() -> None:
    rate = Rate(0.0)
    assert {rate.wait_s(str(n)) for n in range(100)} == {0.0}
    assert len(rate) == 0


def test_memory_is_bounded_and_the_busy_ones_stay() -> None:
    clock = Clock()
    rate = Rate(1.0, clock)
    for n in range(MAX_BUCKETS + 500):
        rate.wait_s(f"stranger {n}")
        if n % 1000 == 0:
            assert (rate.wait_s("busy") == 0) == (n == 0)
    assert len(rate) == MAX_BUCKETS
