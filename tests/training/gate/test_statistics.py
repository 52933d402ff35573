"""The gate's statistics against closed forms, against scipy, and against the figures that `senka evaluate` prints."""

import itertools
from math import comb

import numpy as np
import pytest
from scipy.stats import binomtest

from models.grades import GRADES
from tests.training.gate.made_up import K, answers, pair, truths
from training.calibrate import calibration_error
from training.gate.compare import compare, temperature_ratio
from training.gate.statistics import (
    best_renaming,
    calibration_by_chance,
    drawn,
    draws,
    far_matrix,
    mcnemar,
    won_and_lost,
)
from training.metrics import Outcomes
from training.selective import coverage_at

NOTHING = np.zeros((K, K))


@pytest.mark.parametrize(("won", "lost"), [(0, 0), (1, 0), (0, 4), (7, 2), (30, 12), (126, 85)])
def test_mcnemar_is_the_binomial_tail(won, lost):
    tail = sum(comb(won + lost, k) for k in range(won, won + lost + 1)) / 2 ** (won + lost)
    assert mcnemar(won, lost) == pytest.approx(tail)
    if won + lost:
        assert mcnemar(won, lost) == pytest.approx(binomtest(won, won + lost, alternative="greater").pvalue)


def test_a_fruit_of_several_images_is_won_once():
    ours = np.array([True, True, True, False, True, False])
    theirs = np.array([False, False, True, True, False, True])
    assert won_and_lost(ours, theirs, np.arange(6)) == (3, 2)
    assert won_and_lost(ours, theirs, np.array([0, 0, 0, 1, 2, 2])) == (1, 1)  # the last fruit is one each: a tie


def test_the_bootstrap_of_a_share_has_the_binomial_standard_error():
    truth = truths(900)
    found = Outcomes.of(answers(0.8, truth, 1), truth)
    share = found.correct.mean()
    figures = drawn(found, NOTHING.astype(bool), NOTHING, 0.9, next(draws(np.arange(900), 4000)))
    assert figures.accuracy.mean() == pytest.approx(share, abs=0.001)
    assert figures.accuracy.std() == pytest.approx(np.sqrt(share * (1 - share) / 900), rel=0.05)


def test_whole_fruit_are_drawn():
    weights = np.concatenate(list(draws(np.repeat(np.arange(50), 4), 300)))
    assert weights.shape == (300, 200)
    assert (weights.reshape(300, 50, 4) == weights.reshape(300, 50, 4)[:, :, :1]).all()
    assert (weights.sum(axis=1) == 200).all()
    assert len({tuple(row) for row in weights}) == 300


def test_photographs_of_one_fruit_widen_the_interval():
    truth = np.repeat(truths(150), 6)
    ours, theirs = (np.repeat(part, 6, axis=0) for part in pair(truths(150), 0.8, 0.85, 1))
    alone = compare(ours, theirs, truth, GRADES).accuracy
    together = compare(ours, theirs, truth, GRADES, groups=np.repeat(np.arange(150), 6).astype(str).tolist()).accuracy
    assert (together.high - together.low) / (alone.high - alone.low) == pytest.approx(np.sqrt(6), rel=0.15)


@pytest.mark.parametrize("images", [7, 90, 200])
def test_undrawn_figures_are_those_of_evaluate(images):
    truth = truths(images)
    found = Outcomes.of(answers(0.7, truth, 3), truth)
    figures = drawn(found, NOTHING.astype(bool), NOTHING, 0.9, np.ones((1, images)))
    assert figures.coverage[0] == pytest.approx(coverage_at(found.confidence, found.correct, 0.9))
    assert figures.accuracy[0] == pytest.approx(found.correct.mean())
    if images % 10 == 0:  # otherwise it is chance which of ten bins hold one image more
        assert figures.ece[0] == pytest.approx(calibration_error(found.confidence, found.correct))


def test_a_draw_scores_as_its_images_repeated():
    truth = truths(180)
    found = Outcomes.of(answers(0.7, truth, 4), truth)
    rng = np.random.default_rng(0)
    costs = rng.random((K, K))
    picked = rng.integers(180, size=180)
    figures = drawn(found, far_matrix(GRADES), costs, 0.8, np.bincount(picked, minlength=180)[None].astype(float))
    again = found.take(picked)
    assert figures.cost[0] == pytest.approx(costs[again.truth, again.predicted].mean())
    assert figures.far_errors[0] == pytest.approx(far_matrix(GRADES)[again.truth, again.predicted].mean())
    assert figures.coverage[0] == pytest.approx(coverage_at(again.confidence, again.correct, 0.8))
    assert figures.ece[0] == pytest.approx(calibration_error(again.confidence, again.correct), abs=0.02)
    for grade in range(K):
        assert figures.recall[0, grade] == pytest.approx(again.correct[again.truth == grade].mean())


def test_equal_confidences_are_accepted_together():
    truth = np.zeros(20, int)
    found = Outcomes(np.full(20, 0.7), np.array([0] * 18 + [1] * 2), truth)
    figures = [drawn(found, NOTHING.astype(bool), NOTHING, target, np.ones((1, 20))).coverage[0] for target in (0.9, 0.91)]
    assert figures == [1.0, 0.0]


def test_a_grade_that_no_draw_holds_says_nothing():
    truth = np.array([0] * 9 + [1])
    found = Outcomes(np.full(10, 0.5), truth, truth)
    weights = np.concatenate([np.full((1, 9), 10 / 9), np.zeros((1, 1))], axis=1)
    recall = drawn(found, NOTHING.astype(bool), NOTHING, 0.9, weights).recall[0]
    assert recall[0] == 1
    assert np.isnan(recall[1:]).all()


def test_the_best_renaming_is_the_best_of_all():
    counts = np.random.default_rng(5).integers(0, 30, (5, 5))
    means = best_renaming(counts)
    right = counts[means, np.arange(5)].sum()
    assert right == max(counts[list(order), np.arange(5)].sum() for order in itertools.permutations(range(5)))
    assert sorted(means) == list(range(5))


def test_answers_that_gain_nothing_keep_their_names():
    assert best_renaming(np.zeros((4, 4), int)).tolist() == [0, 1, 2, 3]
    collapsed = np.array([[10, 0, 0], [10, 0, 0], [0, 0, 10]])  # all of 1 are called 0: nothing to rename
    assert best_renaming(collapsed).tolist() == [0, 1, 2]


@pytest.mark.parametrize("off", [0.4, 1.0, 2.5])
def test_the_temperature_that_was_lost_is_found(off):
    truth = truths(3000)
    probabilities = answers(0.8, truth, 6) ** off
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    assert temperature_ratio(probabilities, truth) == pytest.approx(off, rel=0.08)


def test_chance_alone_exceeds_its_own_quantile_as_often_as_it_says():
    confidence = np.random.default_rng(1).uniform(0.4, 1.0, 300)
    limit = calibration_by_chance(confidence)
    rng = np.random.default_rng(2)
    above = [calibration_error(confidence, rng.random(300) < confidence) > limit for _ in range(1000)]
    assert 0.02 < np.mean(above) < 0.09


def test_far_errors_lie_between_grades_that_do_not_border():
    far = far_matrix(GRADES)
    pairs = {(GRADES[i], GRADES[j]) for i, j in zip(*np.nonzero(far), strict=True)}
    assert ("2L", "S") in pairs
    assert ("C", "M") in pairs
    assert not {("2L", "L"), ("M", "BM"), ("BS", "C"), ("M", "M")} & pairs
    assert (far == far.T).all()
    assert far_matrix(("0", "1")) is None
