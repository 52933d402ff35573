"""Metrics, calibration and evaluation against values computed by hand or by another library."""

import numpy as np
import pytest
from scipy.special import softmax

from models.errors import DataError
from tests.training.small import bars, config
from training.calibrate import expected_calibration_error, fit_temperature
from training.evaluate import evaluate
from training.export import export
from training.fit import fit
from training.metrics import score


def test_scores_of_a_case_computed_by_hand():
    truth = np.array([0, 0, 0, 1, 1, 2])
    predicted = np.array([0, 0, 1, 1, 1, 0])
    probabilities = np.full((6, 4), 0.1)
    probabilities[np.arange(6), predicted] = 0.7
    scores = score(probabilities, truth, ("M", "S", "C", "L"), model="m", data="d")
    assert scores.accuracy == pytest.approx(4 / 6)
    assert scores.confusion == [[2, 1, 0, 0], [0, 2, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]]
    assert scores.per_grade["M"].precision == pytest.approx(2 / 3)
    assert scores.per_grade["M"].recall == pytest.approx(2 / 3)
    assert scores.per_grade["C"].recall == 0.0
    assert scores.per_grade["L"].support == 0
    # F1 of M, S and C are 2/3, 4/5 and 0; L occurs nowhere and does not count
    assert scores.macro_f1 == pytest.approx((2 / 3 + 4 / 5 + 0) / 3)


def test_calibration_error_of_cases_computed_by_hand():
    sure_and_right = np.tile([1.0, 0.0], (10, 1))
    assert expected_calibration_error(sure_and_right, np.zeros(10, int)) == 0.0
    assert expected_calibration_error(sure_and_right, np.ones(10, int)) == 1.0
    # two bins of equal count: 0.6 sure and all right (gap 0.4), 0.9 sure and half right (gap 0.4)
    mixed = np.array([[0.6, 0.4]] * 4 + [[0.9, 0.1]] * 4)
    truth = np.array([0, 0, 0, 0, 0, 0, 1, 1])
    assert expected_calibration_error(mixed, truth, bins=2) == pytest.approx(0.4)


def test_temperature_finds_the_one_that_the_labels_were_drawn_with():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (20_000, 5))
    truth = np.array([rng.choice(5, p=p) for p in softmax(logits / 2.5, axis=1)])
    found = fit_temperature(logits, truth)
    assert found.temperature == pytest.approx(2.5, rel=0.05)
    assert found.ece_after < 0.02 < found.ece_before


def test_evaluate_scores_the_file_as_it_serves(tmp_path):
    run = fit(config(epochs=25), bars(150), tmp_path / "run")
    export(run, tmp_path / "model.onnx")
    seen = []
    scores = evaluate(
        (tmp_path / "model.onnx").read_bytes(), "model.onnx", bars(90, seed=4), tmp_path / "report.html", advance=seen.append
    )
    assert scores.images == sum(seen) == 90
    assert scores.accuracy >= 0.85
    assert (tmp_path / "report.html").read_text().count("<figure>") == 90 - round(90 * scores.accuracy)


def test_evaluate_names_what_is_wrong(tmp_path):
    run = fit(config(epochs=1), bars(), tmp_path / "run")
    export(run, tmp_path / "model.onnx")
    from training.sources import LabelledSet, Sample

    other = LabelledSet("other", tuple(Sample(s.name, "BL", pixels=s.pixels) for s in bars().samples))
    with pytest.raises(DataError, match="labelled BL; the model knows 2L M 2S"):
        evaluate((tmp_path / "model.onnx").read_bytes(), "model.onnx", other)
    with pytest.raises(DataError, match="no images"):
        evaluate((tmp_path / "model.onnx").read_bytes(), "model.onnx", LabelledSet("none", ()))


def test_a_handful_of_images_cannot_make_the_model_certain():
    logits = np.eye(9) * 3.0
    found = fit_temperature(logits, np.arange(9))
    assert 0.2 < found.temperature < 1
    assert softmax(logits / found.temperature, axis=1).max() < 0.9999
