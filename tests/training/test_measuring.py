"""What rendered fruit teach: their measures, the same way every time."""

import numpy as np
import pytest
import torch

from models.architectures.measuring import MeasuringNetwork
from models.errors import DataError
from models.preprocess import PreprocessSpec
from tests.training.recipes import quick
from training.measuring import learn_to_measure
from training.synth import measured_renders


def test_renders_are_their_seeds_and_their_own_size():
    pixels, measures = measured_renders(6, (32, 32), seed=3)
    again, same = measured_renders(3, (32, 32), seed=3)
    assert (pixels.shape, pixels.dtype, measures.shape, measures.dtype) == ((6, 32, 32, 3), np.uint8, (6, 4), np.float32)
    np.testing.assert_array_equal(again, pixels[:3])
    np.testing.assert_array_equal(same, measures[:3])
    assert not np.array_equal(measured_renders(3, (32, 32), seed=4)[0], again)


def test_measures_are_in_pixels_of_the_picture_returned():
    pixels, measures = measured_renders(18, (64, 64), seed=3)
    for picture, (length, width, _, area) in zip(pixels, measures, strict=True):
        green = picture[..., 1].astype(float) - picture[..., 2]  # fruit against a blue-grey ground
        seen = (green > green.max() / 3).sum()
        assert 0.5 * area < seen < 1.6 * area
        assert 0.5 * 64 < length < 64
        assert width < 0.3 * 64


def test_a_frame_too_narrow_is_named():
    with pytest.raises(DataError, match="--size"):
        measured_renders(9, (128, 16), seed=0)


def test_it_learns_and_always_the_same():
    recipe = quick(renders=640, epochs=8)
    learned = learn_to_measure(recipe)
    network = MeasuringNetwork().eval()
    network.load_state_dict(learned)
    pixels, measures = measured_renders(90, (32, 32), seed=99)
    x = torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255.0
    with torch.no_grad():
        error = (network(x).numpy() - measures).std(0)
    assert error[0] < 0.5 * measures[:, 0].std()  # length
    assert error[3] < 0.5 * measures[:, 3].std()  # area
    again = learn_to_measure(quick(renders=128))
    assert all(torch.equal(value, again[name]) for name, value in learn_to_measure(quick(renders=128)).items())


def test_progress_is_told():
    heard = []
    learn_to_measure(quick(epochs=2), lambda *what: heard.append(what))
    assert heard[127] == ("rendering", 128, 128)
    assert heard[128:] == [("learning to measure", 1, 2), ("learning to measure", 2, 2)]


def test_other_inputs_than_the_usual():
    spec = PreprocessSpec(width=48, height=24, channels=1, mean=(0.0,), std=(1.0,))
    learned = learn_to_measure(quick(preprocess=spec))
    MeasuringNetwork(1, 24, 48).load_state_dict(learned)
