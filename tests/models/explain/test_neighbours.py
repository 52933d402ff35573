"""Embeddings against the networks' own, and the search against scikit-learn."""

from copy import deepcopy

import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestNeighbors
from torch import nn

from models.architectures import NAMES
from models.architectures.network import Explained
from models.explain.frozen import UnitNetwork
from models.explain.neighbours import embed, embed_served, gives_embedding, nearest
from models.graph import open_session
from tests.models.architectures.small import network_of, small_spec, trained_statistics
from tests.models.onnx_files import make_model
from training.export import to_onnx


def photographs(name: str, count: int) -> np.ndarray:
    spec = small_spec(name)
    return np.random.default_rng(4).integers(0, 256, (count, spec.height, spec.width, 3), np.uint8)


def trained(name: str) -> UnitNetwork:
    network = deepcopy(network_of(name))
    trained_statistics(network)
    return UnitNetwork(network, small_spec(name))


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("vgg19", "alexnet")])
def test_an_embedding_is_what_the_last_linear_layer_sees(name):
    network = trained(name)
    x = network.unit(photographs(name, 3))
    embeddings = embed(network, x)
    assert embeddings.dtype == np.float32
    assert embeddings.shape[0] == 3
    alone = np.concatenate([embed(network, x[i : i + 1]) for i in range(3)])
    np.testing.assert_allclose(embeddings, alone, rtol=1e-4, atol=1e-4)
    if isinstance(network.bare, Explained):
        with torch.no_grad():
            _, _, own = network.bare.explained(network.standardise(x))
        np.testing.assert_allclose(embeddings, own.numpy(), atol=1e-5)
    assert not any(layer._forward_pre_hooks for layer in network.bare.modules())


def test_the_embedding_of_mirrored_views_is_their_mean():
    network = trained("rbf")
    x = network.unit(photographs("rbf", 2))
    measuring = network.bare.measuring
    with torch.no_grad():
        reflectance = measuring.reflectance(network.standardise(x))
        own = [reflectance, reflectance.flip(3), reflectance.flip(2), reflectance.flip(2, 3)]
        hidden = [measuring.relu(measuring.fc1(measuring.flatten(measuring.stages((v - 0.8) / 0.25)))) for v in own]
    np.testing.assert_allclose(embed(network, x), torch.stack(hidden).mean(0).numpy(), atol=1e-5)


def test_the_served_graph_gives_the_same(tmp_path):
    network = trained("lenet")
    pictures = photographs("lenet", 3)
    session = open_session(to_onnx(network.served, pictures[:2]).SerializeToString())
    assert gives_embedding(session)
    np.testing.assert_allclose(embed_served(session, pictures), embed(network, network.unit(pictures)), atol=1e-4)
    assert not gives_embedding(open_session(make_model(tmp_path / "plain.onnx").read_bytes()))


def test_a_network_without_a_linear_layer_has_none():
    spec = small_spec("lenet")
    pooled = nn.Sequential(nn.Conv2d(3, 9, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    network = UnitNetwork(pooled, spec)
    with pytest.raises(ValueError, match="no linear layer"):
        embed(network, torch.zeros(1, 3, spec.height, spec.width))


@pytest.mark.parametrize("seed", range(3))
def test_nearest_agrees_with_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    rows, queries = rng.normal(size=(200, 12)).astype(np.float32), rng.normal(size=(5, 12)).astype(np.float32)
    distance, indices = NearestNeighbors(n_neighbors=6, metric="cosine", algorithm="brute").fit(rows).kneighbors(queries)
    for query, wanted, far in zip(queries, indices, distance, strict=True):
        found = nearest(rows, query, 6)
        np.testing.assert_array_equal(found.indices, wanted)
        np.testing.assert_allclose(found.similarity, 1 - far, atol=1e-5)


def test_ties_and_scale_are_settled():
    rows = np.array([[0, 0], [2, 2], [1, 0], [5, 5], [-1, -1], [1, 1]], np.float32)
    found = nearest(rows, np.array([3, 3], np.float32), 10)
    assert found.indices.tolist() == [1, 3, 5, 2, 0, 4]
    np.testing.assert_allclose(found.similarity, [1, 1, 1, np.sqrt(0.5), 0, -1], atol=1e-6)
    assert nearest(rows, np.zeros(2, np.float32), 2).indices.tolist() == [0, 1]
    many = np.tile(np.random.default_rng(0).normal(size=(1, 512)), (777, 1)).astype(np.float32)
    assert nearest(many, many[3], 777).indices.tolist() == list(range(777))


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="does not fit"):
        nearest(np.zeros((3, 4), np.float32), np.zeros(5, np.float32), 1)
    assert nearest(np.zeros((0, 4), np.float32), np.zeros(4, np.float32), 3).indices.shape == (0,)
