import pytest
import torch

from models.architectures import default_spec
from models.architectures.deep_mnist import LEARNING_RATE, DeepMnist
from models.architectures.summary import summarize


class TestDeepMnist:
    """Against the published description of "Deep MNIST for Experts"."""

    def test_parameters_layer_by_layer(self) -> None:
        rows = [row for row in summarize(DeepMnist(), 1, 28, 28) if row.parameters]
        assert [(row.weights, row.biases) for row in rows] == [(800, 32), (51_200, 64), (3_211_264, 1_024), (10_240, 10)]
        assert sum(row.parameters for row in rows) == 3_274_634
        assert sum(p.numel() for p in DeepMnist().parameters()) == 3_274_634

    def test_shapes(self) -> None:
        shapes = [row.output for row in summarize(DeepMnist(), 1, 28, 28) if row.kind in ("Conv2d", "MaxPool2d", "Linear")]
        assert shapes == [(32, 28, 28), (32, 14, 14), (64, 14, 14), (64, 7, 7), (1024,), (10,)]

    def test_initial_weights_are_a_normal_distribution_cut_at_two_deviations(self) -> None:
        network = DeepMnist()
        weights = torch.cat([layer.weight.flatten() for layer in (network.conv1, network.conv2, network.fc1, network.fc2)])
        assert weights.abs().max() <= 0.2
        assert weights.abs().max() > 0.199
        # Standard deviation of a normal distribution of 0.1 that is cut at two: 0.1 x 0.8796.
        assert weights.std().item() == pytest.approx(0.08796, rel=0.005)
        assert weights.mean().item() == pytest.approx(0, abs=2e-4)
        for layer in (network.conv1, network.conv2, network.fc1, network.fc2):
            assert layer.bias is not None
            assert torch.equal(layer.bias, torch.full_like(layer.bias, 0.1))

    def test_what_the_tutorial_says(self) -> None:
        network = DeepMnist()
        assert network.dropout.p == 0.5
        assert LEARNING_RATE == 1e-4
        spec = default_spec("deep-mnist")
        assert (spec.width, spec.height, spec.channels, spec.mean, spec.std) == (28, 28, 1, (0.0,), (1.0,))
