"""Where weights start from: runs, files, published models; what fits is copied, what does not is named."""

import logging
import sys
from types import ModuleType

import pytest
import torch

from models.architectures import build
from models.errors import CheckpointMissing, DataError, ModelNotFound, RunError
from models.grades import GRADES
from models.places import Places
from models.preprocess import PreprocessSpec
from tests.commands import home  # noqa: F401 - a fixture
from tests.training.small import bars, config
from training.export import export
from training.fit import fit
from training.run import CHECKPOINT_FILE, Run
from training.sources import LabelledSet, Sample
from training.start import find_start, first_network, load_start, require_unseen


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    return fit(config(epochs=1), bars(), tmp_path_factory.mktemp("runs") / "base")


def two_grades() -> LabelledSet:
    return LabelledSet("two", tuple(sample for sample in bars(90).samples if sample.grade != "M"))


def nine_grades() -> LabelledSet:
    """The bars under the names of all nine grades: what the repository takes."""
    named = (Sample(s.name, GRADES[i % 9], pixels=s.pixels) for i, s in enumerate(bars(90).samples))
    return LabelledSet("nine", tuple(named))


def test_a_run_goes_on_from_anothers_weights(run):
    start = find_start(str(run.folder))
    network, facts = first_network(config(), ("2L", "M", "2S"), start)
    state = torch.load(run.folder / CHECKPOINT_FILE, weights_only=True)
    assert all(torch.equal(value, state[name]) for name, value in network.network.state_dict().items())
    assert (facts.kind, facts.sha256) == ("run", run.metrics().checkpoint_sha256)
    assert find_start(str(run.folder / CHECKPOINT_FILE)).kind == "run"


def test_other_grades_start_with_a_fresh_classifier_and_say_so(run, caplog):
    with caplog.at_level(logging.INFO):
        network, _ = first_network(config(), ("2L", "2S"), find_start(str(run.folder)))
    assert "fresh for 2L 2S: fc2" in caplog.text
    torch.manual_seed(config().seed)
    untrained = build("lenet", 2, config().preprocess).state_dict()
    state = torch.load(run.folder / CHECKPOINT_FILE, weights_only=True)
    for name, value in network.network.state_dict().items():
        assert torch.equal(value, untrained[name] if name.startswith("fc2.") else state[name]), name


def test_as_many_but_other_grades_start_with_a_fresh_classifier_too(run):
    network, _ = first_network(config(), ("BL", "BM", "BS"), find_start(str(run.folder)))
    state = torch.load(run.folder / CHECKPOINT_FILE, weights_only=True)
    assert not torch.equal(network.network.fc2.weight, state["fc2.weight"])
    assert torch.equal(network.network.fc1.weight, state["fc1.weight"])


def test_a_start_is_remembered_and_resumed_only_as_it_was(run, tmp_path):
    begun = fit(config(epochs=1), two_grades(), tmp_path / "fine", start=find_start(str(run.folder)))
    assert Run.open(begun.folder).facts.start.sha256 == run.metrics().checkpoint_sha256
    with pytest.raises(RunError, match=r"start 'run \w{12}' \(now 'afresh'\)"):
        fit(config(epochs=1), two_grades(), tmp_path / "fine", resume=True)
    other = fit(config(epochs=1, seed=4), bars(), tmp_path / "other")
    with pytest.raises(RunError, match="start"):
        fit(config(epochs=1), two_grades(), tmp_path / "fine", resume=True, start=find_start(str(other.folder)))
    fit(config(epochs=1), two_grades(), tmp_path / "fine", resume=True, start=find_start(str(run.folder)))


def test_another_shape_names_the_layer_and_both_shapes(run, tmp_path):
    wide = config().model_copy(update={"preprocess": PreprocessSpec(width=32, height=16)})
    with pytest.raises(RunError, match=r"fc1\.weight of shape 512 x 1024, this network 512 x 2048"):
        fit(wide, bars(), tmp_path / "run", start=find_start(str(run.folder)))
    assert not (tmp_path / "run").exists()


def test_another_architecture_and_missing_layers_are_named(run):
    deep = config().model_copy(update={"architecture": "deep-mnist"})
    with pytest.raises(RunError, match=r"is a lenet, not a deep-mnist\. Train with --arch lenet"):
        first_network(deep, ("2L", "M", "2S"), find_start(str(run.folder)))
    state = build("lenet", 3).state_dict()
    grades = ("2L", "M", "2S")
    with pytest.raises(RunError, match=r"has no conv1\.weight"):
        load_start(build("lenet", 3), {k: v for k, v in state.items() if k != "conv1.weight"}, "old", grades, grades)
    with pytest.raises(RunError, match=r"has conv9\.weight"):
        load_start(build("lenet", 3), {**state, "conv9.weight": torch.zeros(1)}, "old", grades, grades)


def test_an_architecture_that_cannot_be_built_is_one_clear_line():
    with pytest.raises(RunError, match=r"There is no architecture 'lenot'\. Known: .*lenet"):
        first_network(config().model_copy(update={"architecture": "lenot"}), ("2L", "M"), None)


@pytest.mark.parametrize("wanted", ["nowhere", "runs/none", "imagent"])
def test_no_such_start_lists_the_kinds(wanted):
    with pytest.raises(RunError, match="imagenet, champion, challenger or a version number"):
        find_start(wanted)


def test_a_folder_without_a_run_and_a_damaged_checkpoint_are_named(run, tmp_path):
    with pytest.raises(RunError, match="holds no training run"):
        find_start(str(tmp_path))
    (tmp_path / "config.json").write_bytes((run.folder / "config.json").read_bytes())
    with pytest.raises(RunError, match="There is no checkpoint"):
        find_start(str(tmp_path))
    (tmp_path / CHECKPOINT_FILE).write_bytes(b"half")
    with pytest.raises(RunError, match="not a readable checkpoint"):
        find_start(str(tmp_path))


@pytest.fixture
def pretrained(monkeypatch):
    """Stands for the reader of torchvision's weights: sets the first layer to 0.5."""
    asked = []

    def load_pretrained(network, architecture, source):
        asked.append((architecture, str(source)))
        torch.nn.init.constant_(network.conv1.weight, 0.5)
        return ["fc2"]

    module = ModuleType("training.pretrained")
    module.load_pretrained = load_pretrained
    monkeypatch.setitem(sys.modules, "training.pretrained", module)
    return asked


def test_imagenet_is_read_by_its_reader(pretrained):
    network, facts = first_network(config(), ("2L", "M", "2S"), find_start("imagenet"))
    assert pretrained == [("lenet", "imagenet")]
    assert bool((network.network.conv1.weight == 0.5).all())
    assert facts.kind == "imagenet"
    assert len(facts.sha256) == 64
    assert first_network(config(), ("2L", "M", "2S"), find_start("imagenet"))[1] == facts


def test_a_torchvision_file_is_remembered_by_its_bytes(pretrained, tmp_path):
    (tmp_path / "w.pth").write_bytes(b"weights")
    _, facts = first_network(config(), ("2L", "M", "2S"), find_start(str(tmp_path / "w.pth")))
    assert pretrained == [("lenet", str(tmp_path / "w.pth"))]
    (tmp_path / "w.pth").write_bytes(b"others")
    assert find_start(str(tmp_path / "w.pth")).sha256 != facts.sha256


@pytest.mark.usefixtures("home")
class TestPublished:
    def test_the_champion_is_gone_on_from(self, tmp_path):
        run = fit(config(epochs=1), nine_grades(), tmp_path / "run")
        export(run, tmp_path / "m.onnx")
        repository = Places.load().repository
        with pytest.raises(ModelNotFound):
            find_start("champion")
        repository.publish(tmp_path / "m.onnx", promote=True)
        with pytest.raises(CheckpointMissing, match="--run RUN"):
            find_start("champion")
        repository.publish(tmp_path / "m.onnx", checkpoint=run.folder / CHECKPOINT_FILE)
        for wanted in ("champion", "1"):
            start = find_start(wanted)
            assert (start.kind, start.name, start.architecture) == ("published", "cucumber version 1", "lenet")
            assert start.sha256 == run.metrics().checkpoint_sha256
        tuned = fit(config(epochs=1, freeze=("conv1",)), nine_grades(), tmp_path / "tuned", start=find_start("1"))
        before, after = (torch.load(r.folder / CHECKPOINT_FILE, weights_only=True) for r in (run, tuned))
        assert torch.equal(before["conv1.weight"], after["conv1.weight"])
        assert not torch.equal(before["fc2.weight"], after["fc2.weight"])


def test_folds_of_what_the_start_was_trained_on_are_refused(tmp_path, caplog):
    fit(config(epochs=1), bars(), tmp_path / "run")
    start = find_start(str(tmp_path / "run"))
    with pytest.raises(DataError, match="no fold of it is unseen"):
        require_unseen(start, bars())
    caplog.set_level("INFO")
    require_unseen(start, bars(seed=3))
    assert "honest only if" in caplog.text
    require_unseen(find_start("imagenet"), bars())


def test_an_rbf_network_is_not_gone_on_from(tmp_path):
    fit(config(epochs=1), bars(), tmp_path / "run")
    with pytest.raises(RunError, match="Follow the recipe anew"):
        fit(config(epochs=1, architecture="rbf"), bars(), tmp_path / "rbf", start=find_start(str(tmp_path / "run")))
