"""Recipes from their name to a model: what may be changed, what a run holds, what happens when it is stopped."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from models.errors import DataError, InvalidSetting, RunError
from models.graph import open_session, run_logits
from tests.training.recipes import fruit, quick
from training import checkpoints
from training import fit_recipe as module
from training.evaluate import evaluate
from training.export import export, load_network
from training.fit_recipe import MEASURING_FILE, fit_recipe, follow
from training.measuring import learn_to_measure
from training.recipe import RECIPE_SETTINGS, RECIPES, find_recipe, parse_changes
from training.run import CHECKPOINT_FILE, Run
from training.sources import LabelledSet, Sample


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    return fit_recipe(quick(), fruit(), tmp_path_factory.mktemp("recipe") / "run")


def weights(of: Run) -> dict[str, torch.Tensor]:
    return checkpoints.load(of.folder / CHECKPOINT_FILE)[0]


def assert_same(first: Run, second: Run) -> None:
    one, other = weights(first), weights(second)
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_names_and_settings():
    assert set(RECIPES) == {"best", "fruit"}
    assert find_recipe("fruit").light_components == 0
    assert find_recipe("best", ridge="0.5", seed=None).ridge == 0.5
    assert parse_changes(["ridge=0.5", "renders=200"], RECIPE_SETTINGS) == {"ridge": "0.5", "renders": "200"}


def test_what_a_recipe_does_not_know_is_named():
    with pytest.raises(InvalidSetting, match=r"no recipe 'worst'\. Known: best, fruit"):
        find_recipe("worst")
    for text in ("ridge", "architecture=lenet", "depth=3"):
        with pytest.raises(InvalidSetting, match=f"--set {text} is not NAME=VALUE with a NAME of renders, epochs"):
            parse_changes([text], RECIPE_SETTINGS)
    with pytest.raises(ValidationError, match="ridge"):
        find_recipe("best", ridge="-1")


def test_a_run_becomes_a_small_graph_that_answers_alike(run, tmp_path):
    card, difference = export(Run.open(run.folder), tmp_path / "m.onnx")
    assert card.recipe == run.facts.config.recipe
    assert difference <= 1e-4
    assert (card.architecture, card.grades) == ("rbf", fruit().labels)
    content = (tmp_path / "m.onnx").read_bytes()
    assert len(content) < 30e6
    network, _ = load_network(run)
    inputs = np.stack([sample.pixels for sample in fruit().samples[:5]])
    with torch.no_grad():
        expected = network.logits(torch.from_numpy(inputs)).numpy()
    np.testing.assert_allclose(run_logits(open_session(content), inputs), expected, atol=1e-4)
    assert evaluate(content, "m.onnx", fruit()).images == len(fruit())


def test_figures_are_of_photographs_left_out(run):
    scores = run.metrics().scores
    assert scores.images == len(fruit())
    network, _ = load_network(run)
    with torch.no_grad():
        seen = network.logits(torch.from_numpy(np.stack([s.pixels for s in fruit().samples]))).argmax(1).numpy()
    truth = np.array([fruit().labels.index(s.grade) for s in fruit().samples])
    assert (seen == truth).mean() > scores.accuracy  # photographs that it remembers are no test


def test_the_same_recipe_and_data_give_the_same_weights_in_any_order(run, tmp_path):
    turned = LabelledSet("fruit", fruit().samples[::-1])
    assert_same(run, fit_recipe(quick(), turned, tmp_path / "again"))


def test_another_seed_measures_otherwise(run, tmp_path):
    other = fit_recipe(quick(seed=1), fruit(), tmp_path / "other")
    assert not torch.equal(weights(run)["measuring.fc2.weight"], weights(other)["measuring.fc2.weight"])


@pytest.mark.parametrize("moment", ["measuring", "fitting"])
def test_a_stopped_run_goes_on_to_the_same_weights(run, tmp_path, monkeypatch, moment):
    class Killed(Exception):
        pass

    def killed(*_, **__):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(module, "learn_to_measure" if moment == "measuring" else "follow", killed)
        with pytest.raises(Killed):
            fit_recipe(quick(), fruit(), tmp_path / "run")
    assert (tmp_path / "run" / MEASURING_FILE).exists() == (moment == "fitting")
    if moment == "fitting":  # what was learned before is not learned again
        monkeypatch.setattr(module, "learn_to_measure", killed)
    assert_same(run, fit_recipe(quick(), fruit(), tmp_path / "run", resume=True))


def test_another_recipe_is_not_resumed(run):
    with pytest.raises(RunError, match=r"ridge 0\.1 \(now 0\.4\)"):
        fit_recipe(quick(ridge=0.4), fruit(), run.folder, resume=True)


def test_one_grade_is_no_data(tmp_path):
    lonely = LabelledSet("lonely", tuple(s for s in fruit().samples if s.grade == "M"))
    with pytest.raises(DataError, match="at least two grades"):
        fit_recipe(quick(), lonely, tmp_path / "run")
    assert not (tmp_path / "run").exists()  # so that the same command works once it is mended


def test_the_recipe_fruit_does_not_see_the_light():
    fitted = follow(quick("fruit"), fruit(), learn_to_measure(quick("fruit")))
    photographs = torch.from_numpy(np.stack([sample.pixels for sample in fruit().samples[:4]]))
    with torch.no_grad():
        measures, light = fitted.network.network.features(fitted.network.unit(photographs))
        before = fitted.network.logits(photographs)
        fitted.network.network.features = lambda _: (measures, light * 0.3)
        torch.testing.assert_close(fitted.network.logits(photographs), before)


def test_belts_that_tell_the_grade_are_warned_of(tmp_path, caplog):
    bright = {"2L": 1.25, "M": 0.85, "C": 0.5}
    samples = [
        Sample(s.name, s.grade, pixels=np.clip(s.pixels * bright[s.grade], 0, 255).astype(np.uint8))
        for s in fruit(90).samples
        if s.grade in bright
    ]
    told = fit_recipe(quick(light_components=4), LabelledSet("sessions", tuple(samples)), tmp_path / "run")
    assert told.metrics().light_alone > 0.8
    assert "each session saw some grades only" in caplog.text
    caplog.clear()
    unseen = fit_recipe(quick("fruit"), LabelledSet("sessions", tuple(samples)), tmp_path / "fruit")
    assert unseen.metrics().light_alone is None
    assert "session" not in caplog.text


def test_too_many_photographs_are_found_before_anything_is_learned(tmp_path, monkeypatch):
    monkeypatch.setattr("training.rbf.MOST_IMAGES", 50)
    monkeypatch.setattr(module, "learn_to_measure", lambda *_: pytest.fail("learned in vain"))
    with pytest.raises(DataError, match="50 at the most, not 54"):
        fit_recipe(quick(), fruit(), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_infinite_settings_are_refused():
    with pytest.raises(ValidationError, match="ridge"):
        find_recipe("best", ridge="inf")
