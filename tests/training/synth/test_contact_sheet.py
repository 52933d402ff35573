"""Pictures stand in their cells, in order, undistorted, with a label below."""

import numpy as np
import pytest

from training.synth import contact_sheet

RED = (200, 0, 0)


def _plain(width: int, height: int, colour: tuple[int, int, int] = RED) -> np.ndarray:
    return np.full((height, width, 3), colour, np.uint8)


def test_pictures_keep_their_aspect_and_order() -> None:
    sheet = contact_sheet([("2L", _plain(32, 32)), ("BM", _plain(96, 256)), ("C", _plain(640, 480))], columns=2, cell_px=64)
    assert sheet.dtype == np.uint8
    assert sheet.shape == (2 * 80, 2 * 64, 3)
    red = (sheet == RED).all(-1)
    for row, column, aspect in ((0, 0, 1.0), (0, 1, 96 / 256), (1, 0, 4 / 3)):
        cell = red[row * 80 : row * 80 + 64, column * 64 : column * 64 + 64]
        height, width = np.ptp(np.flatnonzero(cell.any(1))) + 1, np.ptp(np.flatnonzero(cell.any(0))) + 1
        assert width / height == pytest.approx(aspect, abs=0.03)
        assert cell.sum() == width * height
    assert not red[80:, 64:].any()


def test_a_label_is_written_below_its_picture_only() -> None:
    sheet = contact_sheet([("M", _plain(32, 32)), ("", _plain(32, 32))], cell_px=48)
    below = sheet[48:].max(-1) > 128
    assert below[:, :48].any()
    assert not below[:, 48:].any()


def test_small_pictures_are_enlarged_pixel_by_pixel() -> None:
    board = np.zeros((8, 8, 3), np.uint8)
    board[::2, ::2] = 255
    sheet = contact_sheet([("", board)], cell_px=66)
    assert set(np.unique(sheet[1:65, 1:65])) == {0, 255}


def test_nothing_gives_one_empty_cell_and_impossible_grids_are_refused() -> None:
    assert contact_sheet([], cell_px=48).shape == (64, 48, 3)
    with pytest.raises(ValueError, match="at least 1 column"):
        contact_sheet([], columns=0)
