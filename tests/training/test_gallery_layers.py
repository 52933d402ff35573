"""The layers of a gallery: every picture and figure against what it is said to be."""

import json

import cv2
import numpy as np
import pytest
import torch

from models.errors import UnknownLayer
from models.explain.frozen import UnitNetwork
from models.gallery import Galleries
from tests.models.architectures.small import network_of, small_spec
from tests.training.gallery_models import Made, gallery_of, unharmed
from training.gallery import Wishes, make_gallery
from training.gallery_layers import contributions, pooled_weights, shown_layers
from training.gallery_photographs import Graded


@pytest.fixture(scope="module")
def made(samples, tmp_path_factory) -> Made:
    return gallery_of(samples, tmp_path_factory.mktemp("gallery"), Wishes(channels=3, trust_images=4))


def named_files(part: object) -> list[str]:
    """Every path in a gallery's JSON."""
    if isinstance(part, str):
        return [part] if part.endswith((".png", ".npz")) and "{" not in part else []
    values = part.values() if isinstance(part, dict) else part if isinstance(part, list) else []
    return [name for value in values for name in named_files(value)]


def test_every_file_named_is_there_and_no_other(made):
    named = set(named_files(json.loads(made.gallery.model_dump_json())))
    assert made.gallery.neighbours is not None
    named |= {made.gallery.neighbours.thumbnails.format(index=index) for index in range(90)}
    there = {path.relative_to(made.folder).as_posix() for path in made.folder.rglob("*") if path.is_file()}
    assert there == named | {"gallery.json"}
    for name in named - {"embeddings.npz"}:
        assert cv2.imread(str(made.galleries.file(made.version.sha256, 1, name))) is not None


def test_the_strongest_photographs_are(made):
    photographs = made.photographs
    with torch.no_grad():
        bare = made.network.bare
        maps = bare.relu1(bare.norm1(bare.conv1(made.network.standardise(made.network.unit(photographs)))))
    layer = made.gallery.layers[0]
    assert (layer.name, layer.maps_of, layer.receptive_px, layer.stride_px) == ("conv1", "relu1", 5, 1)
    assert layer.dead == tuple(torch.nonzero(maps.amax((0, 2, 3)) <= 0).flatten().tolist())
    for channel in layer.channels:
        own = maps[:, channel.index]
        best = own.flatten(1).max(dim=1).values.sort(descending=True).values[:9]
        np.testing.assert_allclose([top.activation for top in channel.top], best, rtol=1e-5)
        assert channel.mean == pytest.approx(float(own.mean()), rel=1e-5)
        assert channel.maximum == pytest.approx(float(own.max()), rel=1e-5)
        assert channel.active_share == pytest.approx(float((own > 0).float().mean()))
        for top in channel.top:
            x0, y0, x1, y1 = top.box
            whole, crop = (cv2.imread(str(made.folder / name)) for name in (top.photograph, top.crop))
            np.testing.assert_array_equal(whole[y0:y1, x0:x1], crop)
            assert cv2.imread(str(made.folder / str(top.deconvolution))).shape == crop.shape


def test_a_silent_channel_is_counted_dead_and_shown_last(made, monkeypatch, tmp_path):
    silenced = unharmed(made.repository)
    silenced.bare.norm2.bias[5] = -1000.0
    monkeypatch.setattr("training.gallery.freeze", lambda *_: silenced)
    monkeypatch.setattr("training.gallery.require_parity", lambda *_: None)
    monkeypatch.setattr("training.gallery_layers.STEPS", 0)
    wishes = Wishes(layers=["conv2"], channels=64, trust_images=0)
    (layer,) = make_gallery(made.repository, made.version, Galleries(tmp_path), made.data, wishes).layers
    assert layer.dead is not None
    assert 5 in layer.dead
    assert {channel.index for channel in layer.channels[-len(layer.dead) :]} == set(layer.dead)
    assert all(not channel.top for channel in layer.channels[-len(layer.dead) :])
    assert len({channel.index for channel in layer.channels}) == 64


def test_contributions_add_up_to_the_logits_where_nothing_is_added_behind(made):
    """Behind pool2 LeNet is piecewise linear: gradient x activation over all channels is the logit less its biases."""
    x = made.network.unit(made.photographs[:20])
    graded = Graded(made.photographs[:20], np.zeros(20, np.intp), np.zeros((20, 9), np.float32), np.zeros((20, 1), np.float32),
                    ("M",), ("",) * 20)  # fmt: skip
    (table,) = contributions(made.network, ["pool2"], graded, 0).values()
    with torch.no_grad():
        logits, _, embedding = made.network.bare.explained(made.network.standardise(x))
        explained = logits - made.network.bare.effective_bias(embedding)
    np.testing.assert_allclose(table.sum(axis=0), explained.mean(0).numpy(), atol=1e-4)
    for layer in made.gallery.layers:
        assert layer.contribution == "gradient_x_activation"
        spreads = [np.ptp(list((channel.weights_to_grades or {}).values())) for channel in layer.channels]
        assert spreads == sorted(spreads, reverse=True)


def test_optimized_pictures_come_with_their_way_and_curve(made):
    for layer in made.gallery.layers:
        for channel in layer.channels:
            assert len(channel.frames) == 8
            assert len(channel.objective) == 36
            assert channel.objective[-1] > channel.objective[0]
            first, last, image = (cv2.imread(str(made.folder / str(name))) for name in (*channel.frames[::7], channel.image))
            np.testing.assert_array_equal(last, image)
            assert image.shape == (64, 64, 3)
            assert not np.array_equal(first, image)


def test_filters_come_with_their_autocorrelation(made):
    first = made.gallery.layers[0]
    assert first.filters_of == "conv1"
    assert first.autocorrelation is not None
    assert first.autocorrelation.random == pytest.approx(-1 / 24, abs=0.03)  # of 25 weights with their mean removed
    weights = made.network.bare.conv1.weight.numpy()
    weights = weights - weights.mean((2, 3), keepdims=True)
    along = ((weights[..., 1:] * weights[..., :-1]).mean((2, 3)) + (weights[..., 1:, :] * weights[..., :-1, :]).mean((2, 3))) / 2
    assert first.autocorrelation.trained == pytest.approx(float((along / (weights**2).mean((2, 3))).mean()), abs=1e-4)


def test_trust_covers_every_method_of_the_network(made):
    trust = made.gallery.trust
    assert trust is not None
    assert trust.images == 4
    names = {method.name for method in trust.methods}
    assert {"cam", "grad_cam", "occlusion", "integrated_gradients", "guided_backprop"} <= names
    by_name = {method.name: method for method in trust.methods}
    assert by_name["guided_backprop"].shows == "features"
    assert by_name["guided_backprop"].randomization_correlation > by_name["cam"].randomization_correlation
    assert all(0 <= value <= 1 for method in trust.methods for value in (method.insertion, method.deletion))
    assert trust.spurious is not None
    assert 80 <= trust.spurious.images <= 90


def test_without_photographs_there_is_what_needs_none(made, tmp_path):
    gallery = make_gallery(made.repository, made.version, Galleries(tmp_path), None, Wishes(channels=2))
    assert (gallery.data, gallery.errors, gallery.neighbours, gallery.trust) == (None, None, None, None)
    assert [layer.name for layer in gallery.layers] == ["conv1", "conv2"]
    for layer in gallery.layers:
        assert (layer.dead, layer.contribution) == (None, None)
        assert all(channel.image and channel.frames and not channel.top for channel in layer.channels)
        norms = made.network.bare.get_submodule(layer.name).weight.flatten(1).norm(dim=1)
        assert [channel.index for channel in layer.channels] == norms.argsort(descending=True)[:2].tolist()


@pytest.mark.parametrize(
    ("name", "first", "last", "count"),
    [
        ("lenet", "conv1", "conv2", 2),
        ("googlenet", "conv1", "inception5b", 12),
        ("resnet34", "conv1", "layer4", 5),
        ("deep-mnist", "conv1", "conv2", 2),
        ("rbf", "measuring.stages.0", "measuring.stages.11", 4),
    ],
)
def test_a_selection_for_each_network(name, first, last, count):
    network = UnitNetwork(network_of(name), small_spec(name))
    layers = shown_layers(network)
    assert (layers[0].name, layers[-1].name, len(layers)) == (first, last, count)
    pooled = pooled_weights(network, layers[-1])
    assert (pooled is not None) == (name in ("googlenet", "resnet34"))
    if pooled is not None:
        np.testing.assert_array_equal(pooled, network.bare.fc.weight.detach().numpy().T)
        assert pooled_weights(network, layers[0]) is None


def test_layers_may_be_chosen():
    network = UnitNetwork(network_of("googlenet"), small_spec("googlenet"))
    chosen = shown_layers(network, ["inception4c", "conv2", "inception3a.branch2.1.conv"])
    assert [layer.name for layer in chosen] == ["conv2", "inception3a.branch2.1.conv", "inception4c"]
    assert [layer.maps for layer in chosen] == ["conv2", "inception3a.branch2.1.relu", "inception4c"]
    assert chosen[2].convolution == "inception4c.branch2.1.conv"
    with pytest.raises(UnknownLayer):
        shown_layers(network, ["maxpool1"])
