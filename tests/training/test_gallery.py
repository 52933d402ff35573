"""A gallery made of a small real network: every picture it names is there, and every figure is what its source says."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from models.card import card_of
from models.errors import CheckpointMissing, ModelMismatch, UnknownLayer
from models.explain.filters import structure
from models.explain.frozen import UnitNetwork, freeze
from models.explain.neighbours import nearest
from models.gallery import Galleries, Gallery, GalleryNotMade
from models.grades import GRADES
from models.graph import open_session, run_logits
from models.preprocess import PreprocessSpec
from models.repository import ModelRepository, Version
from tests.commands import home, ok, senka  # noqa: F401 - a fixture
from tests.service.explain.published import exported
from training.gallery import Wishes, make_gallery
from training.sources import LabelledSet, load_all
from training.synth.batch import synthesize

IMAGES = 27
FEW = Wishes(channels=3, trust_images=4, seed=5)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("gallery")
    synthesize(made / "batch", IMAGES, 3, [(32, 32)])
    exported(made / "files", spec=PreprocessSpec(width=32, height=32))
    return made


@pytest.fixture(scope="module")
def repository(folder: Path) -> ModelRepository:
    found = ModelRepository(folder / "models")
    found.publish(folder / "files" / "model.onnx", promote=True, checkpoint=folder / "files" / "checkpoint.pt")
    return found


@pytest.fixture(scope="module")
def version(repository: ModelRepository) -> Version:
    return repository.get("champion")


@pytest.fixture(scope="module")
def data(folder: Path) -> LabelledSet:
    return load_all([str(folder / "batch")], "all")


@pytest.fixture(scope="module")
def galleries(folder: Path) -> Galleries:
    return Galleries(folder / "galleries")


@pytest.fixture(scope="module")
def gallery(repository: ModelRepository, version: Version, galleries: Galleries, data: LabelledSet) -> Gallery:
    return make_gallery(repository, version, galleries, data, FEW)


@pytest.fixture(scope="module")
def network(repository: ModelRepository, version: Version) -> UnitNetwork:
    card = card_of(open_session(repository.load(version)))
    return freeze(card, repository.load_checkpoint(version))


def test_what_is_written_is_what_is_returned(gallery: Gallery, galleries: Galleries, version: Version) -> None:
    written = json.loads((galleries.folder(version.sha256) / "gallery.json").read_text())
    assert Gallery.model_validate(written) == gallery
    assert gallery.model.sha256 == version.sha256
    assert gallery.data is not None
    assert gallery.data.images == IMAGES


def test_every_file_that_is_named_is_a_picture(gallery: Gallery, galleries: Galleries, version: Version) -> None:
    text = (galleries.folder(version.sha256) / "gallery.json").read_text()
    names = {name for name in _strings(json.loads(text)) if name.endswith(".png") and "{" not in name}
    assert len(names) > 30
    for name in names:
        with Image.open(galleries.folder(version.sha256) / name) as picture:
            picture.load()
            assert min(picture.size) > 0


def test_the_errors_are_those_of_the_served_graph(
    gallery: Gallery, repository: ModelRepository, version: Version, data: LabelledSet
) -> None:
    session = open_session(repository.load(version))
    spec = card_of(session).preprocess
    inputs = np.stack([sample.network_input(spec) for sample in data.samples])
    predicted = run_logits(session, inputs).argmax(axis=1)
    labels = np.array([GRADES.index(label) for label in (sample.grade for sample in data.samples)])
    errors = gallery.errors
    assert errors is not None
    confusion = np.array(errors.confusion)
    assert errors.count == int((predicted != labels).sum()) == int(confusion.sum() - np.trace(confusion)) == len(errors.items)
    assert confusion.sum() == errors.images == IMAGES
    assert [item.confidence for item in errors.items] == sorted((item.confidence for item in errors.items), reverse=True)
    assert all(item.true != item.predicted for item in errors.items)


def test_the_filters_are_set_against_random_ones(gallery: Gallery, network: UnitNetwork) -> None:
    layer = next(layer for layer in gallery.layers if layer.name == "conv1")
    expected = structure(network, "conv1", seed=FEW.seed)
    assert layer.autocorrelation is not None
    assert expected is not None
    assert layer.autocorrelation.trained == pytest.approx(expected.trained)
    assert layer.autocorrelation.random == pytest.approx(expected.random_mean)


def test_the_strongest_photographs_stand_in_order_with_their_crops(
    gallery: Gallery, galleries: Galleries, version: Version
) -> None:
    for layer in gallery.layers:
        assert len(layer.channels) == FEW.channels
        for channel in layer.channels:
            activations = [one.activation for one in channel.top]
            assert activations == sorted(activations, reverse=True)
            assert channel.maximum == pytest.approx(activations[0], rel=1e-4)
            assert len(channel.objective) > 0
            assert channel.weights_to_grades is not None
            assert set(channel.weights_to_grades) == set(GRADES)
            for one in channel.top:
                left, top, right, bottom = one.box
                assert 0 <= left < right <= 32
                assert 0 <= top < bottom <= 32


def test_a_photograph_is_most_like_itself(gallery: Gallery, galleries: Galleries, version: Version) -> None:
    near = gallery.neighbours
    assert near is not None
    with np.load(galleries.folder(version.sha256) / near.embeddings) as kept:
        embeddings, grades = kept["embeddings"], kept["grades"]
    assert (embeddings.shape[0], embeddings.dtype, len(grades)) == (IMAGES, np.float32, IMAGES)
    found = nearest(embeddings, embeddings[7], 3)
    assert found.indices[0] == 7
    assert found.similarity[0] == pytest.approx(1.0, abs=1e-6)


def test_each_method_is_measured_beside_its_label(gallery: Gallery) -> None:
    assert gallery.trust is not None
    shown = {method.name: method.shows for method in gallery.trust.methods}
    assert shown["guided_backprop"] == "features"
    assert shown["cam"] == shown["occlusion"] == "reasons"
    for method in gallery.trust.methods:
        assert 0 <= method.deletion <= 1
        assert 0 <= method.insertion <= 1
        assert -1 <= method.randomization_correlation <= 1
    assert gallery.trust.spurious is not None
    assert gallery.trust.spurious.fruit_share_most is not None


def test_without_photographs_it_has_what_needs_none(
    repository: ModelRepository, version: Version, galleries: Galleries, gallery: Gallery, tmp_path: Path
) -> None:
    other = Galleries(tmp_path / "galleries")
    bare = make_gallery(repository, version, other, None, Wishes(layers=["conv2"], channels=2))
    assert (bare.errors, bare.trust, bare.neighbours, bare.data) == (None, None, None, None)
    assert [layer.name for layer in bare.layers] == ["conv2"]
    assert all(channel.image and not channel.top for channel in bare.layers[0].channels)


def test_the_same_seed_gives_the_same_pictures(
    repository: ModelRepository, version: Version, galleries: Galleries, tmp_path: Path
) -> None:
    wishes = Wishes(layers=["conv2"], channels=1, seed=9)
    made = [Galleries(tmp_path / name) for name in ("one", "two")]
    pictures = []
    for place in made:
        channel = make_gallery(repository, version, place, None, wishes).layers[0].channels[0]
        assert channel.image is not None
        pictures.append((place.folder(version.sha256) / channel.image).read_bytes())
    assert pictures[0] == pictures[1]


def test_what_cannot_be_made_leaves_nothing(repository: ModelRepository, version: Version, tmp_path: Path, folder: Path) -> None:
    empty = Galleries(tmp_path / "galleries")
    with pytest.raises(UnknownLayer, match="conv1"):
        make_gallery(repository, version, empty, None, Wishes(layers=["conv9"]))
    without = ModelRepository(tmp_path / "models")
    bare = without.publish(folder / "files" / "model.onnx")
    with pytest.raises(CheckpointMissing):
        make_gallery(without, bare, empty)
    with pytest.raises(GalleryNotMade, match="senka gallery"):
        empty.read(version.sha256, version.number)


def test_a_checkpoint_that_computes_something_else_is_refused(
    repository: ModelRepository, version: Version, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def shifted(*arguments: object) -> UnitNetwork:
        found = freeze(*arguments)  # type: ignore[arg-type]
        with torch.no_grad():
            found.bare.fc2.bias[0] += 0.01  # type: ignore[index,operator,union-attr]
        return found

    monkeypatch.setattr("training.gallery.freeze", shifted)
    with pytest.raises(ModelMismatch):
        make_gallery(repository, version, Galleries(tmp_path / "galleries"))


def test_the_command(home: Path, folder: Path) -> None:  # noqa: F811
    files = folder / "files"
    ok("models", "publish", str(files / "model.onnx"), "--run", str(files), "--promote")
    done = ok("gallery", "--data", str(folder / "batch"), "--channels", "1", "--layers", "conv1", "--trust-images", "0", "--json")
    facts = json.loads(done.stdout)
    assert (facts["layers"], facts["channels"], facts["images"], facts["trust"]) == (1, 1, IMAGES, None)
    assert (Path(facts["folder"]) / "gallery.json").is_file()
    refused = senka("gallery", "--layers", "conv9")
    assert refused.exit_code == 1
    assert "conv1" in refused.output


def _strings(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for part in parts for text in _strings(part)]
