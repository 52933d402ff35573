"""Risk and coverage: cases computed by hand, ties against the mean over all their orders."""

from itertools import permutations

import numpy as np
import pytest

from training.selective import aurc, coverage_at, propose, risk_coverage

SURE = np.array([0.5, 0.9, 0.7, 0.8, 0.6])
RIGHT = np.array([False, True, False, True, True])


def test_a_curve_computed_by_hand():
    curve = risk_coverage(SURE, RIGHT)
    assert curve.threshold.tolist() == [0.9, 0.8, 0.7, 0.6, 0.5]
    assert curve.coverage.tolist() == [0.2, 0.4, 0.6, 0.8, 1.0]
    assert curve.risk == pytest.approx([0, 0, 1 / 3, 1 / 4, 2 / 5])
    assert aurc(curve) == pytest.approx((0 + 0 + 1 / 3 + 1 / 4 + 2 / 5) / 5)


def test_the_threshold_is_that_of_the_largest_coverage_which_is_right_often_enough():
    # 2 of 3 are too few for 0.75, 3 of 4 are enough: the curve comes back below the limit
    chosen = propose(SURE, RIGHT, 0.75)
    assert (chosen.threshold, chosen.coverage, chosen.accepted) == (0.6, 0.8, 4)
    assert chosen.accuracy == pytest.approx(0.75)
    assert propose(SURE, RIGHT, 0.76).threshold == 0.8
    assert propose(SURE, RIGHT, 0.6).coverage == 1.0
    assert coverage_at(SURE, RIGHT, 0.75) == 0.8


def test_ninety_of_a_hundred_are_ninety_per_cent():
    right = np.arange(100) < 90
    assert propose(np.linspace(1.0, 0.5, 100), right, 0.9).coverage == 1.0


def test_no_threshold_where_the_surest_are_wrong():
    chosen = propose(np.array([0.9, 0.8]), np.array([False, True]), 0.9)
    assert (chosen.threshold, chosen.coverage, chosen.accuracy, chosen.accepted) == (None, None, None, 0)
    assert coverage_at(np.array([0.9, 0.8]), np.array([False, True]), 0.9) == 0.0


def test_equal_confidences_are_accepted_together_or_not_at_all():
    sure = np.array([0.9, 0.9, 0.9, 0.5])
    right = np.array([True, True, False, True])
    curve = risk_coverage(sure, right)
    assert curve.accepted.tolist() == [3, 4]
    assert propose(sure, right, 0.9).threshold is None  # not the two right ones of the three
    assert propose(sure, right, 0.7).coverage == 1.0


def test_the_area_of_ties_is_the_mean_over_their_orders():
    sure = np.array([0.9, 0.7, 0.7, 0.7, 0.2])
    right = np.array([True, False, True, False, True])
    areas = []
    for order in permutations(range(1, 4)):
        wrong = np.cumsum(~right[[0, *order, 4]])
        areas.append((wrong / np.arange(1, 6)).mean())
    assert aurc(risk_coverage(sure, right)) == pytest.approx(np.mean(areas))


def test_the_order_of_the_images_decides_nothing():
    rng = np.random.default_rng(0)
    sure, right = rng.integers(1, 10, 60) / 10, rng.random(60) < 0.6
    shuffled = rng.permutation(60)
    assert propose(sure, right, 0.7) == propose(sure[shuffled], right[shuffled], 0.7)


def test_the_short_curve_has_the_ends_and_about_twenty_points():
    rng = np.random.default_rng(0)
    chosen = propose(rng.random(1000), rng.random(1000) < 0.8, 0.9)
    assert len(chosen.curve) == 20
    assert chosen.curve[0][0] == pytest.approx(0.05)
    assert chosen.curve[-1][0] == 1.0
