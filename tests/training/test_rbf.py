"""The closed forms: against scikit-learn's kernel ridge regression, and against fits that really leave photographs out."""

import numpy as np
import pytest
import torch
from sklearn.kernel_ridge import KernelRidge

from models.architectures.rbf import RbfNetwork
from models.errors import DataError
from models.grades import GRADES
from training import rbf
from training.rbf import fit_rbf
from training.recipe import find_recipe

COUNT = 60


@pytest.fixture
def data() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(4)
    targets = np.arange(COUNT) % 3
    measures = rng.normal(size=(COUNT, 4)) * (2, 0.5, 0.05, 9) + targets[:, None] * (3, 0, 0, 5) + (25, 5, 0.1, 110)
    light = rng.random((COUNT, 54))
    return tuple(torch.from_numpy(part) for part in (measures.astype(np.float32), light, targets))


def fitted(data, groups=None, **changes):
    network = RbfNetwork(3, 3, 32, 32)
    network.measuring.std.copy_(torch.tensor([3.0, 0.5, 0.05, 12.0]))
    recipe = find_recipe("best", **{"light_components": 6, "neighbour_share": 0.0, **changes})
    groups = groups or [str(index) for index in range(len(data[2]))]
    return network.eval(), fit_rbf(network, *data, groups, ("2L", "M", "BS"), recipe)


def answers(network, measures, light):
    """The network's own arithmetic from the features on."""
    network.features = lambda _: (measures, light)
    with torch.no_grad():
        return network(torch.zeros(1)).numpy()


def kernel_of(network, measures, light):
    at = ((measures.double() - network.head.fruit_mean) * network.head.fruit_scale).detach().numpy()
    lit = ((light - network.head.light_mean.double()) @ network.head.light_map.double()).detach().numpy()
    fruit, same = (np.exp(-((part[:, None] - part[None]) ** 2).sum(-1)) for part in (at, lit))
    return fruit * (network.head.fruit_share.item() + network.head.light_share.item() * same)


@pytest.mark.parametrize("changes", [{}, {"light_components": 0}, {"fruit_share": 0.3, "ridge": 0.5}])
def test_the_network_answers_as_kernel_ridge_regression_does(data, changes):
    network, _ = fitted(data, **changes)
    measures, light, targets = data
    kernel = kernel_of(network, measures, light)
    labels = np.eye(3)[targets] - np.eye(3)[targets].mean(0)
    reference = KernelRidge(alpha=changes.get("ridge", 0.1), kernel="precomputed").fit(kernel, labels).predict(kernel)
    found = answers(network, measures, light)
    scale = network.head.bias.detach().numpy() / np.eye(3)[targets].mean(0)  # one factor for all grades
    np.testing.assert_allclose(scale, scale[0], rtol=1e-5)
    np.testing.assert_allclose(found / scale[0], reference + 1 / 3, atol=2e-5)


def test_left_out_is_what_a_fit_without_them_says(data):
    groups = [str(index // 4) for index in range(COUNT)]
    network, left_out = fitted(data, groups)
    kernel = kernel_of(network, *data[:2])
    labels = np.eye(3)[data[2]] - 1 / 3
    scale = network.head.bias.mean().item() * 3
    for group in ("0", "7", "14"):
        out = np.array([name == group for name in groups])
        model = KernelRidge(alpha=0.1, kernel="precomputed").fit(kernel[np.ix_(~out, ~out)], labels[~out])
        expected = model.predict(kernel[np.ix_(out, ~out)]) + 1 / 3
        np.testing.assert_allclose(left_out[out] / scale, expected, atol=1e-5)


def test_the_scale_is_the_likeliest_for_what_was_left_out(data):
    _, left_out = fitted(data)

    def likelihood(factor):
        return float(torch.nn.functional.cross_entropy(torch.from_numpy(left_out) * factor, data[2]))

    assert likelihood(1.0) < min(likelihood(0.9), likelihood(1.1))


def test_a_label_shared_with_its_neighbours():
    rows = rbf._labels(torch.arange(9), GRADES, 0.2)
    torch.testing.assert_close(rows.sum(1), torch.ones(9, dtype=torch.float64))
    assert rows[GRADES.index("2S"), GRADES.index("S")] == pytest.approx(0.1)  # S and BS border on 2S
    assert rows[GRADES.index("2S"), GRADES.index("C")] == 0
    assert torch.equal(rbf._labels(torch.arange(10), tuple("0123456789"), 0.2), torch.eye(10, dtype=torch.float64))


def test_light_that_never_varies_is_no_coordinate(data):
    measures, light, targets = data
    network, left_out = fitted((measures, torch.full_like(light, 0.5), targets))
    assert np.isfinite(left_out).all()
    assert np.isfinite(answers(network, measures, torch.full_like(light, 0.5))).all()


def test_too_many_photographs_are_named(data, monkeypatch):
    monkeypatch.setattr(rbf, "MOST_IMAGES", 59)
    with pytest.raises(DataError, match="59 at the most, not 60"):
        fitted(data)


def test_light_that_tells_the_grade_is_found_out(data):
    _, light, targets = data
    groups, grades = [str(index) for index in range(COUNT)], ("2L", "M", "BS")
    recipe = find_recipe("best", light_components=6)
    assert rbf.light_alone(light, targets, groups, grades, recipe) < 0.6  # three grades in the same light
    light[:, :9] += targets[:, None]
    assert rbf.light_alone(light, targets, groups, grades, recipe) > 0.8
    assert rbf.light_alone(torch.full_like(light, 0.5), targets, groups, grades, recipe) == pytest.approx(1 / 3)
