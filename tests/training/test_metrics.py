"""Scores against hand-computed values and scikit-learn."""

import json

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.metrics import brier_score_loss, f1_score, log_loss

from models.grades import GRADES
from training.calibrate import calibration_error, reliability
from training.cost import CostModel
from training.metrics import Scores, macro_f1, score


def drawn(images=300, classes=9, seed=0):
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (images, classes))
    truth = np.array([rng.choice(classes, p=p) for p in softmax(logits, axis=1)])
    return softmax(logits, axis=1), truth


def answers(predicted, classes, confidence=0.9):
    probabilities = np.full((len(predicted), classes), (1 - confidence) / (classes - 1))
    probabilities[np.arange(len(predicted)), predicted] = confidence
    return probabilities


def test_proper_scores_are_scikit_learns():
    probabilities, truth = drawn()
    scores = score(probabilities, truth, GRADES, "m", "d", resamples=2)
    assert scores.negative_log_likelihood == pytest.approx(log_loss(truth, probabilities, labels=range(9)))
    assert scores.brier == pytest.approx(brier_score_loss(truth, probabilities, labels=range(9), scale_by_half=False))


def test_macro_f1_is_scikit_learns_over_the_classes_that_occur():
    rng = np.random.default_rng(1)
    for _ in range(20):
        truth, predicted = rng.integers(0, 5, (2, 12))
        assert macro_f1(predicted, truth, 7) == pytest.approx(f1_score(truth, predicted, average="macro"))


def test_errors_are_told_apart_by_how_far_they_are():
    truth = np.array([0, 0, 2, 3, 8, 8, 5])
    predicted = np.array([0, 1, 6, 8, 5, 0, 1])  # right, 2L-L, M-BM, S-C far, C-BL, C-2L far, BL-L
    scores = score(answers(predicted, 9), truth, GRADES, "m", "d", resamples=2)
    assert (scores.errors, scores.adjacent_errors, scores.far_errors) == (6, 4, 2)
    assert scores.errors == sum(map(sum, scores.confusion)) - sum(scores.confusion[i][i] for i in range(9))


def test_cost_is_that_of_the_errors():
    costs = CostModel(price_yen={"M": 10, "S": 8}, claim_yen=1)
    truth, predicted = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
    scores = score(answers(predicted, 2), truth, ("M", "S"), "m", "d", costs=costs, resamples=2)
    assert scores.cost.total_yen == pytest.approx(2 + 3)
    assert scores.cost.mean_yen == pytest.approx(5 / 4)


def test_digits_are_scored_without_cost_and_distance():
    probabilities, truth = drawn(classes=10)
    scores = score(probabilities, truth, tuple("0123456789"), "m", "d", resamples=20)
    assert scores.cost is scores.adjacent_errors is scores.far_errors is None
    assert set(scores.intervals) == {"accuracy", "macro_f1", "ece", "coverage"}
    assert scores.errors > 0


def test_intervals_hold_the_figures_and_agree_with_the_binomial():
    probabilities, truth = drawn(400)
    scores = score(probabilities, truth, GRADES, "m", "d")
    found = scores.intervals
    assert found["accuracy"].low < scores.accuracy < found["accuracy"].high
    assert found["accuracy"].standard_error == pytest.approx(np.sqrt(scores.accuracy * (1 - scores.accuracy) / 400), rel=0.06)
    assert found["macro_f1"].low < scores.macro_f1 < found["macro_f1"].high
    assert found["cost"].low < scores.cost.mean_yen < found["cost"].high
    assert found["coverage"].low <= scores.selective.coverage <= found["coverage"].high


def test_the_calibration_error_is_given_before_and_after():
    probabilities, truth = drawn(4000)
    uncalibrated = probabilities**3 / (probabilities**3).sum(axis=1, keepdims=True)  # three times too sure
    scores = score(probabilities, truth, GRADES, "m", "d", uncalibrated=uncalibrated, resamples=2)
    assert scores.ece < 0.03 < 0.1 < scores.ece_before
    assert score(probabilities, truth, GRADES, "m", "d", resamples=2).ece_before is None


def test_rounds_give_means_of_figures_and_sums_of_counts():
    (first, truth), (second, _) = drawn(60), drawn(60, seed=1)
    one, two = (score(p, truth, GRADES, "m", "d", uncalibrated=p, resamples=2) for p in (first, second))
    both = score(np.stack([first, second]), truth, GRADES, "m", "d", uncalibrated=np.stack([first, second]), resamples=2)
    for name in ("accuracy", "macro_f1", "ece", "ece_before", "brier", "negative_log_likelihood"):
        assert getattr(both, name) == pytest.approx((getattr(one, name) + getattr(two, name)) / 2), name
    assert both.images == 60
    assert both.cost.mean_yen == pytest.approx((one.cost.mean_yen + two.cost.mean_yen) / 2)
    assert both.cost.total_yen == pytest.approx(both.cost.mean_yen * 60)
    assert both.errors == one.errors + two.errors
    assert np.array_equal(both.confusion, np.add(one.confusion, two.confusion))
    assert sum(row.support for row in both.per_grade.values()) == 60


def test_a_second_round_of_the_same_answers_adds_no_certainty():
    probabilities, truth = drawn(100)
    once = score(probabilities, truth, GRADES, "m", "d").intervals["accuracy"]
    twice = score(np.stack([probabilities] * 2), truth, GRADES, "m", "d").intervals["accuracy"]
    assert twice.standard_error == pytest.approx(once.standard_error)  # drawn by image, not by answer


def test_bins_hold_as_many_images_each():
    confidence = np.array([0.6, 0.2, 0.9, 0.8, 0.3])
    correct = np.array([True, False, True, False, True])
    bins = reliability(confidence, correct, bins=2)
    assert [(b.images, b.confidence, b.accuracy) for b in bins] == [
        (3, pytest.approx(1.1 / 3), pytest.approx(2 / 3)),
        (2, pytest.approx(0.85), pytest.approx(0.5)),
    ]
    assert calibration_error(confidence, correct, 2) == pytest.approx((3 * (2 / 3 - 1.1 / 3) + 2 * 0.35) / 5)
    assert len(reliability(confidence, correct)) == 5


def test_figures_of_an_older_run_can_be_read():
    scores = score(*drawn(20), GRADES, "m", "d", resamples=2)
    old = {"model", "data", "images", "accuracy", "macro_f1", "ece", "grades", "per_grade", "confusion"}
    read = Scores.model_validate({name: value for name, value in scores.model_dump().items() if name in old})
    assert read.accuracy == scores.accuracy
    assert read.selective is None


def test_everything_printed_is_json_without_nan():
    for classes in (2, 9):
        scores = score(answers(np.array([1]), classes), np.array([0]), GRADES[:classes], "m", "d", resamples=10)
        json.loads(scores.model_dump_json(), parse_constant=pytest.fail)
