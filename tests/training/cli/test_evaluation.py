"""`senka evaluate` and `senka crossval` as a user meets them."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.commands import home, ok, senka  # noqa: F401 - home is a fixture
from tests.training.small import bars, config
from training.export import export
from training.fit import fit

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture(scope="module")
def model(samples, tmp_path_factory) -> str:
    from models.architectures import default_spec
    from training.config import default_config
    from training.sources import load

    folder = tmp_path_factory.mktemp("model")
    export(fit(default_config("lenet", default_spec("lenet"), epochs=1), load(samples), folder / "run"), folder / "m.onnx")
    return str(folder / "m.onnx")


def test_evaluate_prints_figures_with_intervals(model, samples):
    done = ok("evaluate", "--model", model, "--data", samples, "--report", "page.html")
    for word in ("accuracy", "macro-F1", "before calibration", "between neighbouring grades", "yen a fruit", "AURC"):
        assert word in done.stdout
    assert "Errors: page.html" in done.stdout
    scores = json.loads(ok("evaluate", "--model", model, "--data", samples, "--json").stdout)
    assert set(scores["intervals"]) == {"accuracy", "macro_f1", "ece", "coverage", "cost"}
    assert f"{scores['accuracy']:.3f} [" in done.stdout
    assert f"{scores['errors']} errors in 90 images" in Path("page.html").read_text()


def test_costs_and_target_are_the_users(model, samples):
    Path("costs.toml").write_text(
        "claim_yen = 0\nprice_yen = { 2L = 0, L = 0, M = 0, S = 0, 2S = 0, BL = 0, BM = 0, BS = 0, C = 100 }\n"
    )
    arguments = ("evaluate", "--model", model, "--data", samples, "--json")
    scores = json.loads(ok(*arguments, "--costs", "costs.toml", "--target-accuracy", "0.01").stdout)
    wrong = np.array(scores["confusion"])
    misshapen = scores["grades"].index("C")
    about_c = wrong[misshapen].sum() + wrong[:, misshapen].sum() - 2 * wrong[misshapen, misshapen]
    assert scores["cost"]["total_yen"] == pytest.approx(100 * about_c)
    assert scores["selective"]["target_accuracy"] == 0.01
    assert scores["selective"]["coverage"] == 1.0
    Path("few.json").write_text('{"price_yen": {"M": 1}}')
    done = senka(*arguments, "--costs", "few.json")
    assert done.exit_code == 1
    assert "no price for 2L L S" in done.stderr


def test_crossval_prints_and_keeps_what_it_found(samples):
    arguments = ("crossval", "--data", samples, "--epochs", "1", "--batch-size", "16", "--folds", "2", "--seeds", "1,2")
    done = ok(*arguments, "--out", "deep/cv", "--report", "pages/cv.html", "--json")
    result = json.loads(done.stdout)
    assert {"accuracy", "macro_f1", "ece", "per_grade", "confusion", "images", "model"} <= result.keys()
    assert (result["images"], result["model"], result["folds"], result["seeds"]) == (90, "lenet", 2, [1, 2])
    assert np.sum(result["confusion"]) == 180
    assert np.shape(result["fold_accuracies"]) == (2, 2)
    assert json.loads(Path("deep/cv/crossval.json").read_text()) == result
    with np.load("deep/cv/oof.npz", allow_pickle=False) as kept:
        right = kept["probabilities"].argmax(-1) == kept["truth"]
        assert right.mean() == pytest.approx(result["accuracy"])
    first = result["by_seed"][0]
    for page in ("deep/cv/report.html", "pages/cv.html"):
        text = Path(page).read_text()
        assert f"{first['errors']} errors in 90 images" in text
        assert text.count("<figure>") == first["errors"] == 90 - round(90 * first["accuracy"])
        assert "Mean of 2 seeds" in text


def test_crossval_in_words(samples):
    done = ok("crossval", "--data", samples, "--epochs", "1", "--batch-size", "16", "--folds", "2", "--seed", "7")
    assert "seed 7: accuracy of the folds" in done.stdout
    assert "errors in 90 answers" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--arch", "resnet9000"], 2, "There is no architecture"),
        (["--folds", "1"], 2, "--folds"),
        (["--seeds", "1,x"], 2, "whole numbers"),
        (["--seeds", "1,1"], 2, "twice"),
        (["--seeds", "1", "--seed", "2"], 2, "not both"),
        (["--learning-rate", "0"], 2, "learning_rate"),
        (["--target-accuracy", "90"], 2, "--target-accuracy"),
        (["--report", "."], 2, "is a folder"),
        (["--folds", "11"], 1, "too few for 11 folds"),
        (["--costs", "nowhere.toml"], 1, "nowhere.toml"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_is_wrong_is_said_before_anything_is_trained(samples, arguments, code, says):
    done = senka("crossval", "--data", samples, *arguments)
    assert done.exit_code == code, done.output
    assert says in " ".join(done.stderr.replace("│", " ").split())
    assert done.stdout == ""


def test_digits_have_neither_cost_nor_neighbours(tmp_path):
    from training.evaluate import evaluate
    from training.sources import LabelledSet, Sample

    digit = {"2L": "7", "M": "3", "2S": "1"}
    digits = LabelledSet("digits", tuple(Sample(s.name, digit[s.grade], pixels=s.pixels) for s in bars().samples))
    export(fit(config(epochs=1), digits, tmp_path / "run"), tmp_path / "m.onnx")
    scores = evaluate((tmp_path / "m.onnx").read_bytes(), "m", digits, tmp_path / "page.html")
    assert scores.grades == ("1", "3", "7")
    assert scores.cost is scores.adjacent_errors is None
    assert " yen" not in (tmp_path / "page.html").read_text()
