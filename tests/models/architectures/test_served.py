import numpy as np
import pytest
import torch
from torch import nn

from models.architectures import build, default_spec
from models.architectures.served import ServedNetwork
from models.graph import CAM, EMBEDDING, INPUT, LOGITS
from models.preprocess import PreprocessSpec


class TestServedNetwork:
    def photographs(self, spec: PreprocessSpec) -> torch.Tensor:
        rng = np.random.default_rng(3)
        return torch.from_numpy(rng.integers(0, 256, (2, spec.height, spec.width, 3), np.uint8))

    def test_names_of_the_contract(self) -> None:
        assert (INPUT, LOGITS, CAM, EMBEDDING) == ("image", "logits", "cam", "embedding")

    def test_normalisation_of_colours(self) -> None:
        spec = PreprocessSpec(width=9, height=8, mean=(0.1, 0.2, 0.3), std=(0.5, 0.25, 2.0))
        photographs = self.photographs(spec)
        out = ServedNetwork(nn.Identity(), spec)(photographs)
        assert out.shape == (2, 3, 8, 9)
        levels = photographs.numpy().astype(np.float64)
        for channel in range(3):
            expected = (levels[:, :, :, channel] / 255 - spec.mean[channel]) / spec.std[channel]
            np.testing.assert_allclose(out[:, channel], expected, rtol=1e-5, atol=1e-6)

    def test_normalisation_of_grey(self) -> None:
        spec = PreprocessSpec(width=9, height=8, channels=1, mean=(0.25,), std=(0.5,))
        photographs = self.photographs(spec)
        out = ServedNetwork(nn.Identity(), spec)(photographs)
        assert out.shape == (2, 1, 8, 9)
        expected = (photographs.numpy().mean(axis=3) / 255 - 0.25) / 0.5
        np.testing.assert_allclose(out[:, 0], expected, rtol=1e-5, atol=1e-6)

    def test_the_ends_of_the_scale(self) -> None:
        spec = PreprocessSpec(width=8, height=8, mean=(0.0,) * 3, std=(1.0,) * 3)
        served = ServedNetwork(nn.Identity(), spec)
        assert served(torch.zeros(1, 8, 8, 3, dtype=torch.uint8)).max() == 0
        assert served(torch.full((1, 8, 8, 3), 255, dtype=torch.uint8)).min() == 1

    def test_photographs_are_left_as_they_were(self) -> None:
        spec = PreprocessSpec(width=8, height=8)
        photographs = self.photographs(spec)
        before = photographs.clone()
        ServedNetwork(nn.Identity(), spec)(photographs)
        assert photographs.dtype == torch.uint8
        assert torch.equal(photographs, before)

    @pytest.mark.parametrize("name", ["lenet", "deep-mnist"])
    def test_its_logits_are_its_steps(self, name: str) -> None:
        spec = default_spec(name)
        served = ServedNetwork(build(name), spec).eval()
        photographs = self.photographs(spec)
        with torch.no_grad():
            assert torch.equal(served.logits(photographs), served.network(served.standardise(served.unit(photographs))))

    def test_a_network_that_explains_gives_its_explanation_too(self) -> None:
        spec = default_spec("lenet")
        served = ServedNetwork(build("lenet"), spec).eval()
        photographs = self.photographs(spec)
        with torch.no_grad():
            logits, cam, embedding = served(photographs)
            assert torch.equal(logits, served.logits(photographs))
        assert (cam.shape, embedding.shape) == ((2, 9, 8, 8), (2, 512))

    def test_a_network_that_does_not_gives_logits_alone(self) -> None:
        spec = default_spec("deep-mnist")
        with torch.no_grad():
            assert ServedNetwork(build("deep-mnist"), spec)(self.photographs(spec)).shape == (2, 9)

    def test_the_constants_are_no_weights(self) -> None:
        # They come from the card; a checkpoint that held them could disagree with it.
        network = build("lenet")
        served = ServedNetwork(network, default_spec("lenet"))
        assert set(served.state_dict()) == {f"network.{name}" for name in network.state_dict()}
        assert len(list(served.parameters())) == len(list(network.parameters()))
