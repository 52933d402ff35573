"""The trainer of an architecture: a real network, trained and calibrated on its part alone."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from models.errors import DataError, InvalidSetting
from models.graph import open_session, run_logits
from tests.training.recipes import fruit, quick
from tests.training.small import SPEC, bars, config
from training import checkpoints
from training.crossval import crossvalidate
from training.export import export
from training.fit import fit
from training.run import Run
from training.sources import LabelledSet
from training.start import find_start
from training.trainers import ArchTrainer, RecipeTrainer, trainer_for

GRADES = ("2L", "M", "2S")


def trainer(**changes) -> ArchTrainer:
    return ArchTrainer("lenet", **{"preprocess": SPEC, "epochs": 4, "batch_size": 8, **changes})


def test_its_logits_are_those_of_the_exported_run(tmp_path):
    model = trainer().fit(bars(), 3, GRADES, tmp_path / "run")
    run = Run.open(tmp_path / "run")
    assert run.facts.config.seed == 3
    assert model.calibration == run.metrics().calibration
    assert model.calibration.images == 9  # of its own 60
    export(run, tmp_path / "m.onnx")
    samples = bars(20, seed=5).samples
    inputs = np.stack([sample.network_input(SPEC) for sample in samples])
    reference = run_logits(open_session((tmp_path / "m.onnx").read_bytes()), inputs)
    assert model.logits(samples) == pytest.approx(reference, abs=1e-4)


def test_bars_are_told_apart_across_folds():
    result = crossvalidate(trainer(epochs=20), bars(120), folds=3, resamples=50).result
    assert result.accuracy > 0.8
    assert result.model == "lenet"
    assert result.intervals["accuracy"].low < result.accuracy < result.intervals["accuracy"].high
    assert all(value > 0 for row in result.seconds for value in row)


def test_a_missing_grade_is_named_before_training(tmp_path):
    part = LabelledSet("part", tuple(s for s in bars().samples if s.grade != "M"))
    with pytest.raises(DataError, match="part holds 2L 2S; the whole set 2L M 2S"):
        trainer().fit(part, 0, GRADES, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_folds_of_a_start_begin_with_its_weights(tmp_path):
    fit(config(epochs=1), bars(seed=9), tmp_path / "rendered")
    start = find_start(str(tmp_path / "rendered"))
    frozen = trainer(epochs=1, freeze=("conv1", "norm1", "conv2", "norm2", "fc1", "norm3"), start=start)
    frozen.fit(bars(), 0, GRADES, tmp_path / "fold")
    state, _ = checkpoints.load(tmp_path / "fold" / "checkpoint.pt")
    assert torch.equal(state["conv1.weight"], start.state["conv1.weight"])
    assert not torch.equal(state["fc2.weight"], start.state["fc2.weight"])


def test_a_recipe_measures_the_same_in_every_fold(tmp_path):
    trainer = RecipeTrainer(quick())
    first = trainer.fit(fruit(), 5, fruit().labels, tmp_path / "a")
    second = trainer.fit(fruit(), 5, fruit().labels, tmp_path / "b")
    samples = fruit().samples[:9]
    assert np.array_equal(first.logits(samples), second.logits(samples))
    assert list(trainer._measuring) == [5]


def test_names_become_trainers():
    assert trainer_for("lenet", epochs=3, batch_size=None).config.epochs == 3
    assert trainer_for(None).name == "lenet"
    changed = trainer_for("lenet", None, ["mixup=0.2", "light=0.1"], size=(48, 24)).config
    assert (changed.mixup, changed.augmentation.light, changed.augmentation.flip) == (0.2, 0.1, True)
    assert (changed.preprocess.width, changed.preprocess.height) == (48, 24)
    best = trainer_for(None, "best", ["ridge=0.5"], size=(48, 48))
    assert isinstance(best, RecipeTrainer)
    assert (best.name, best.recipe.ridge, best.recipe.preprocess.width) == ("best", 0.5, 48)


def test_what_there_is_not_is_named():
    for arguments, words in (
        (("resnet9000",), r"Known: .*lenet"),
        ((None, "worst"), "Known: best, fruit"),
        (("lenet", None, ["depth=3"]), "--set depth=3 is not NAME=VALUE with a NAME of split_seed, epochs"),
        (("vgg19", None, [], (16, 16)), "at least 32x32"),
    ):
        with pytest.raises(InvalidSetting, match=words):
            trainer_for(*arguments)
    with pytest.raises(InvalidSetting, match="epochs is set twice"):
        trainer_for("lenet", None, ["epochs=1"], epochs=5)
    with pytest.raises(ValidationError, match="learning_rate"):
        trainer_for("lenet", learning_rate=0)
