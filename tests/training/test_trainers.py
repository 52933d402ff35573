"""The trainer of an architecture: a real network, trained and calibrated on its part alone."""

import numpy as np
import pytest
from pydantic import ValidationError

from models.errors import DataError
from models.graph import open_session, run_logits
from tests.training.small import SPEC, bars
from training.crossval import crossvalidate
from training.export import export
from training.run import Run
from training.sources import LabelledSet
from training.trainers import ArchTrainer, trainer_for

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


def test_names_become_trainers():
    assert trainer_for("lenet", epochs=3, batch_size=None).config.epochs == 3
    with pytest.raises(DataError, match=r"Known: .*lenet"):
        trainer_for("resnet9000")
    with pytest.raises(ValidationError, match="learning_rate"):
        trainer_for("lenet", learning_rate=0)
