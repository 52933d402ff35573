"""Augmentation keeps the label: the length of the fruit in pixels, its thickness and its bend."""

import pytest
import torch

from training.augment import augment
from training.config import Augmentation

NOTHING = Augmentation(flip=False, shift_px=0, light=0.0, gradient=0.0)


def picture(batch: int = 32) -> torch.Tensor:
    """A dark L-shaped figure on a light ground, so that every mirroring shows."""
    x = torch.full((batch, 3, 16, 16), 0.8)
    x[:, :, 4:6, 4:12] = 0.2
    x[:, :, 6:8, 4:6] = 0.2
    return x


def test_nothing_asked_for_changes_nothing():
    assert torch.equal(augment(picture(), NOTHING, torch.Generator()), picture())


def test_flips_give_all_four_mirrorings_and_no_others():
    x = picture()
    seen = {tuple(y.flatten().tolist()) for y in augment(x, NOTHING.model_copy(update={"flip": True}), torch.Generator())}
    wanted = {tuple(y.flatten().tolist()) for y in (x[0], x[0].flip(1), x[0].flip(2), x[0].flip(1, 2))}
    assert seen == wanted


def test_shifts_move_the_figure_whole():
    moved = augment(picture(), NOTHING.model_copy(update={"shift_px": 3}), torch.Generator())
    counts = (moved < 0.5).sum(dim=(1, 2, 3))
    assert (counts == (picture()[:1] < 0.5).sum()).all()
    assert len({tuple((y < 0.5).nonzero()[0].tolist()) for y in moved}) > 10


@pytest.mark.parametrize("change", [{"light": 0.2}, {"gradient": 0.2}])
def test_light_changes_values_and_no_shape(change):
    lit = augment(picture(), NOTHING.model_copy(update=change), torch.Generator())
    assert not torch.equal(lit, picture())
    inside = lit[:, :, 4:6, 4:12].mean(dim=(1, 2, 3))
    beside = lit[:, :, 8:10, 6:12].mean(dim=(1, 2, 3))
    assert ((beside - inside) > 0.2).float().mean() > 0.9


def test_each_image_changes_on_its_own_and_the_generator_repeats():
    settings = Augmentation(shift_px=3, light=0.1, gradient=0.1)
    a = augment(picture(), settings, torch.Generator().manual_seed(1))
    assert torch.equal(a, augment(picture(), settings, torch.Generator().manual_seed(1)))
    assert len({tuple(y.flatten().tolist()) for y in a}) == len(a)
