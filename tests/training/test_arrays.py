"""Data that cannot be trained on is named, with the way out, before a run folder is made."""

import logging

import numpy as np
import pytest

from models.errors import DataError
from models.imaging import encode_png
from tests.training.small import SPEC, bars, config
from training.arrays import require_trainable, to_arrays
from training.fit import fit
from training.sources import LabelledSet, Sample


@pytest.mark.parametrize(
    ("pixels", "says"),
    [
        (np.zeros((16, 16), np.uint8), "16 x 16, uint8"),
        (np.zeros((16, 16, 1), np.uint8), "16 x 16 x 1, uint8"),
        (np.zeros((3, 16, 16), np.uint8), "3 x 16 x 16, uint8"),
        (np.zeros((16, 16, 3), np.float32), "16 x 16 x 3, float32"),
        (np.zeros((0, 16, 3), np.uint8), "0 x 16 x 3, uint8"),
    ],
)
def test_an_array_that_is_no_picture_is_named(tmp_path, pixels, says):
    odd = LabelledSet("odd", (*bars().samples, Sample("odd#7", "M", pixels=pixels)))
    with pytest.raises(DataError, match=rf"odd#7 is an array of shape {says}; pictures are H x W x 3 uint8 RGB"):
        fit(config(), odd, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    samples = []
    for index, sample in enumerate(bars().samples):
        path = tmp_path / f"{index}.png"
        path.write_bytes(encode_png(sample.pixels))
        samples.append(Sample(path.name, sample.grade, path=path))
    (tmp_path / "3.png").write_bytes((tmp_path / "3.png").read_bytes()[:60])
    with pytest.raises(DataError, match=r"3\.png cannot be read"):
        fit(config(), LabelledSet("files", tuple(samples)), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_grade_that_only_held_out_fruit_show_is_named(tmp_path):
    data = bars(30)
    kept = [sample for sample in data.samples if sample.grade != "2S"]
    with pytest.raises(DataError, match="shows no 2S: all its images belong to fruit that are held out"):
        require_trainable(data, kept, 8)


def test_grades_of_few_images_are_warned_about(caplog):
    data = bars(45)
    few = [sample for sample in data.samples if sample.grade != "2S" or sample.name in ("bar2", "bar5")]
    with caplog.at_level(logging.WARNING):
        require_trainable(data, few, 8)
    assert "2S (2)" in caplog.text
    assert "M (" not in caplog.text


def test_arrays_are_what_serving_would_see():
    arrays = to_arrays(bars(6).samples, ("2L", "M", "2S"), SPEC)
    assert (arrays.inputs.shape, arrays.inputs.numpy().dtype) == ((6, 16, 16, 3), np.uint8)
    assert arrays.targets.tolist() == [0, 1, 2, 0, 1, 2]
    assert np.array_equal(arrays.inputs[0].numpy(), bars(6).samples[0].network_input(SPEC))
