"""TensorBoard holds the curves and pictures of a run, readable again, and each step once after a resume."""

import time
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.training.small import bars, config
from training.fit import fit
from training.pictures import confusion_picture, error_sheet, filter_grid


def events(folder: Path) -> EventAccumulator:
    found = EventAccumulator(str(folder / "tensorboard"))
    found.Reload()
    return found


def test_curves_and_pictures_of_a_run(tmp_path):
    fit(config(epochs=4, layer_decay=0.5), bars(), tmp_path / "run", pictures_every=2)
    found = events(tmp_path / "run")
    tags = found.Tags()
    rates = {f"learning_rate/{layer}" for layer in ("conv1", "conv2", "fc1", "fc2")}
    assert set(tags["scalars"]) == {"loss/train", "loss/validation", "accuracy/validation", *rates}
    for tag in tags["scalars"]:
        assert [event.step for event in found.Scalars(tag)] == [0, 1, 2, 3]
    assert {"filters", "confusion"} <= set(tags["images"])
    assert [event.step for event in found.Images("confusion")] == [1, 3, 3]
    image = cv2.imdecode(np.frombuffer(found.Images("filters")[0].encoded_image_string, np.uint8), cv2.IMREAD_COLOR)
    assert image.shape == (200, 400, 3)  # 32 filters in 4 rows of 8


def test_a_stopped_run_shows_each_epoch_once(tmp_path):
    class Killed(Exception):
        pass

    def cut(progress):
        if progress.epoch == 3:
            raise Killed

    with pytest.raises(Killed):
        fit(config(epochs=5), bars(), tmp_path / "run", watch=cut, save_every_s=3600)  # nothing saved: starts anew
    time.sleep(1.1)  # event files are named by the second, then by a counter that TensorBoard sorts as text
    fit(config(epochs=5), bars(), tmp_path / "run", resume=True)
    assert [event.step for event in events(tmp_path / "run").Scalars("loss/train")] == [0, 1, 2, 3, 4]


def test_filters_are_shown_on_one_scale_about_grey():
    weights = torch.zeros(9, 3, 5, 5)
    weights[0] = 1.0
    weights[8, 0] = -1.0
    grid = filter_grid(weights, columns=8, cell_px=10)
    assert grid.shape == (24, 96, 3)
    assert grid[5, 5].tolist() == [255, 255, 255]
    assert grid[5, 17].tolist() == [127, 127, 127]
    assert grid[17, 5].tolist() == [0, 127, 127]
    assert filter_grid(torch.zeros(2, 1, 3, 3)).shape == (50, 100, 3)


def test_the_confusion_matrix_darkens_with_the_share():
    picture = confusion_picture(np.array([[4, 0], [1, 3]]), ("L", "M"))
    cell = 44
    corner = [picture[(i + 1) * cell + 3, (j + 1) * cell + 3].astype(int).sum() for i, j in ((0, 0), (0, 1), (1, 0), (1, 1))]
    assert corner[0] < corner[3] < corner[1] == 3 * 255
    assert corner[2] < corner[1]


def test_errors_are_shown_most_confident_first():
    inputs = np.stack([np.full((8, 8, 3), value, np.uint8) for value in (10, 100, 200)])
    probabilities = np.array([[0.9, 0.1], [0.4, 0.6], [0.05, 0.95]])
    sheet = error_sheet(inputs, probabilities, np.array([0, 0, 0]), ("L", "M"))
    assert (sheet[48, 48, 0], sheet[48, 96 + 48, 0]) == (200, 100)
    assert error_sheet(inputs, probabilities, np.array([0, 1, 1]), ("L", "M")) is None
