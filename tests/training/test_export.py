"""Export: what ONNX Runtime computes is what PyTorch computed, and the card says how to use it."""

from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch

from models.architectures import default_spec
from models.card import read_card
from models.errors import DataError, ParityError, RunError
from models.graph import open_session, run_logits
from tests.training.small import SPEC, bars, config
from training import export as export_module
from training.config import default_config
from training.export import PARITY_LIMIT, export, load_network
from training.fit import fit
from training.run import CHECKPOINT_FILE, Run
from training.sources import LabelledSet
from training.start import find_start, require_unseen


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    return fit(config(), bars(), tmp_path_factory.mktemp("runs") / "run")


@pytest.fixture(scope="module")
def model(run, tmp_path_factory):
    out = tmp_path_factory.mktemp("models") / "model.onnx"
    export(run, out)
    return out


def test_logits_agree_on_images_training_never_saw(run, model):
    session = open_session(model.read_bytes())
    network, _ = load_network(run)
    inputs = np.stack([s.network_input(SPEC) for s in bars(33, seed=9).samples])
    with torch.no_grad():
        reference = network.logits(torch.from_numpy(inputs)).numpy()
    for size in (1, 2, 32, 33):
        assert np.abs(run_logits(session, inputs[:size]) - reference[:size]).max() <= PARITY_LIMIT


def test_the_file_is_as_the_contract_says(run, model):
    proto = onnx.load(model)
    (image,) = proto.graph.input
    assert image.name == "image"
    dimensions = image.type.tensor_type.shape.dim
    assert dimensions[0].dim_param  # the batch is dynamic
    assert [d.dim_value for d in dimensions[1:]] == [16, 16, 3]
    assert image.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    assert proto.graph.output[0].name == "logits"


def test_the_card_tells_how_the_model_was_made(run, model):
    card = read_card(model)
    assert card.grades == ("2L", "M", "2S")
    assert card.preprocess == SPEC
    assert card.data[0].sha256 == bars().sha256
    assert card.data[0].counts == {"2L": 20, "M": 20, "2S": 20}
    assert card.checkpoint_sha256 == run.metrics().checkpoint_sha256
    assert card.calibration == run.metrics().calibration
    assert card.calibration.images == 9
    assert card.recipe == ""


def test_the_card_lists_every_source(tmp_path):
    sets = [bars(30), replace(bars(30, seed=1), name="others")]
    run = fit(config(epochs=1), LabelledSet.merged(sets), tmp_path / "run")
    card, _ = export(run, tmp_path / "m.onnx")
    assert [(part.name, part.sha256, part.images) for part in card.data] == [(s.name, s.sha256, 30) for s in sets]
    assert read_card(tmp_path / "m.onnx").data == card.data
    start = find_start(str(run.folder))
    assert set(start.data) == {run.facts.data.sha256, *(s.sha256 for s in sets)}
    with pytest.raises(DataError, match="trained on others, so that no fold"):
        require_unseen(start, LabelledSet.merged([bars(30, seed=2), sets[1]]))
    renamed = (bars().described().model_copy(update={"name": "kept"}),)
    again = fit(config(epochs=1), replace(bars(), parts=renamed), tmp_path / "again")
    assert again.facts.sources == renamed
    fit(config(epochs=1), bars(), tmp_path / "again", resume=True)  # what they are called decides nothing


def test_a_difference_fails_the_export_and_leaves_nothing(run, tmp_path, monkeypatch):
    real = export_module.to_onnx

    def damaged(network, example):
        proto = real(network, example)
        weights = next(i for i in proto.graph.initializer if i.name.endswith("fc2.bias"))
        changed = onnx.numpy_helper.to_array(weights) + np.float32(1e-3)
        weights.CopyFrom(onnx.numpy_helper.from_array(changed, weights.name))
        return proto

    monkeypatch.setattr(export_module, "to_onnx", damaged)
    with pytest.raises(ParityError, match="nothing was exported"):
        export(run, tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_only_a_finished_run_with_its_own_checkpoint_is_exported(run, tmp_path):
    with pytest.raises(RunError, match="holds no training run"):
        Run.open(tmp_path)
    begun = Run.create(tmp_path / "begun", run.facts, resume=False)
    with pytest.raises(RunError, match="no checkpoint"):
        export(begun, tmp_path / "model.onnx")
    exchanged = fit(config(epochs=1), bars(), tmp_path / "exchanged")
    (exchanged.folder / CHECKPOINT_FILE).write_bytes((run.folder / CHECKPOINT_FILE).read_bytes())
    with pytest.raises(RunError, match="not the checkpoint this run ended with"):
        export(exchanged, tmp_path / "model.onnx")


def test_a_checkpoint_that_is_a_program_is_refused(run, tmp_path):
    import pickle

    class Program:
        def __reduce__(self):
            return (open, (str(tmp_path / "was-here"), "w"))

    broken = Run.create(tmp_path / "broken", run.facts, resume=False)
    (broken.folder / CHECKPOINT_FILE).write_bytes(pickle.dumps(Program()))
    with pytest.raises(RunError, match="not a readable checkpoint"):
        load_network(broken)
    assert not (tmp_path / "was-here").exists()


def test_a_grey_network_takes_batches_too(tmp_path):
    settings = default_config("deep-mnist", default_spec("deep-mnist"), epochs=1, batch_size=20)
    run = fit(settings, bars(), tmp_path / "run")
    export(run, tmp_path / "model.onnx")
    proto = onnx.load(tmp_path / "model.onnx")
    assert proto.graph.output[0].type.tensor_type.shape.dim[0].dim_param
    assert read_card(tmp_path / "model.onnx").preprocess.channels == 1
