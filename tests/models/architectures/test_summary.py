import pytest
import torch
from torch import nn

from models.architectures import NAMES, build
from models.architectures.summary import Totals, summarize
from tests.models.architectures.small import small_spec


class TestSummary:
    def test_multiply_accumulates_by_hand(self) -> None:
        network = nn.Sequential(
            nn.Conv2d(3, 8, (5, 3), stride=2),  # 8 x 8 x 10: each output is a sum over 3 x 5 x 3
            nn.ReLU(),
            nn.Conv2d(8, 8, 3, padding=1, groups=4, bias=False),  # 8 x 8 x 10: each output is a sum over 2 x 3 x 3
            nn.Flatten(),
            nn.Linear(640, 4),
        )
        rows = summarize(network, 3, 20, 21)
        assert [row.kind for row in rows] == ["Conv2d", "ReLU", "Conv2d", "Flatten", "Linear"]
        assert [row.output for row in rows] == [(8, 8, 10), (8, 8, 10), (8, 8, 10), (640,), (4,)]
        assert [row.macs for row in rows] == [8 * 8 * 10 * 45, 0, 8 * 8 * 10 * 18, 0, 2560]
        assert [(row.weights, row.biases) for row in rows] == [(360, 8), (0, 0), (144, 0), (0, 0), (2560, 4)]

    @pytest.mark.parametrize("name", NAMES)
    def test_all_parameters_that_serve_are_counted(self, name: str) -> None:
        spec = small_spec(name)
        with torch.device("meta"):
            network = build(name, spec=spec)
        counted = Totals.of(summarize(network, spec.channels, spec.height, spec.width)).parameters
        assert counted == sum(p.numel() for key, p in network.named_parameters() if not key.startswith(("aux1.", "aux2.")))

    def test_a_network_without_weights_in_memory_has_the_same_figures(self) -> None:
        with torch.device("meta"):
            described = summarize(build("lenet"), 3, 32, 32)
        assert described == summarize(build("lenet"), 3, 32, 32)

    def test_totals_are_sums_and_count_the_linear_layers(self) -> None:
        network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(8, 5), nn.ReLU(), nn.Linear(5, 4))
        assert Totals.of(summarize(network, 1, 4, 4)) == Totals(20 + 45 + 24, 4 * 18 + 40 + 20, 2)

    def test_the_network_is_left_as_it_was(self) -> None:
        network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Sequential(nn.Dropout(), nn.BatchNorm2d(4)))
        network.train()
        network[2].eval()  # frozen
        modes = [layer.training for layer in network.modules()]
        summarize(network, 1, 9, 9)
        assert [layer.training for layer in network.modules()] == modes
        norm = network[1]
        assert isinstance(norm, nn.BatchNorm2d)
        assert norm.num_batches_tracked == 0
        assert not any(layer._forward_hooks for layer in network.modules())

    def test_hooks_go_even_when_the_network_fails(self) -> None:
        network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Linear(5, 2))
        with pytest.raises(RuntimeError):
            summarize(network, 1, 9, 9)
        assert not any(layer._forward_hooks for layer in network.modules())
        assert network.training


def test_an_image_seen_twice_is_counted_twice() -> None:
    class Mirrored(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(1, 2, 3, padding=1, bias=False)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.conv(torch.cat([x, x.flip(3)])).view(2, -1, 2, 5, 4).mean(0)

    assert [row.macs for row in summarize(Mirrored(), 1, 5, 4)] == [2 * 18 * 5 * 4]
