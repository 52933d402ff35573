"""Augmentation keeps the label: the length of the fruit in pixels, its thickness and its bend."""

import numpy as np
import pytest
import torch

from training.augment import augment, mixup
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


def drawn(bent: bool, height: int = 48, width: int = 64) -> torch.Tensor:
    """(16, 3, H, W): a dark bar, or an arc of a circle, 5 px thick and about 36 px long, on a light ground, off the middle."""
    rows = torch.arange(height).view(-1, 1) - (height + 3) / 2
    columns = torch.arange(width).view(1, -1) - (width + 1) / 2
    if bent:
        radius = (rows + 26) ** 2 + columns**2
        inside = ((radius.sqrt() - 28).abs() <= 2.5) & (columns.abs() <= 17.5)
    else:
        inside = (rows.abs() <= 2.5) & (columns.abs() <= 17.5)
    return torch.where(inside, 0.2, 0.8).expand(16, 3, height, width).clone()


def measures(x: torch.Tensor) -> torch.Tensor:
    """(B, 3): area in px, length along the longer axis in px, bend (height of the middle over the ends) in px."""
    dark = (0.8 - x[:, 0]) / 0.6
    found = []
    for picture in dark:
        at = (picture > 0.5).nonzero().double()
        centred = at - at.mean(0)
        _, _, axes = torch.linalg.svd(centred, full_matrices=False)
        along, across = centred @ axes[0], centred @ axes[1]
        extent = along.max() - along.min() + 1
        ends, middle = along.abs() > 0.4 * extent, along.abs() < 0.1 * extent
        found.append(torch.stack([picture.sum().double(), extent, (across[middle].mean() - across[ends].mean()).abs()]))
    return torch.stack(found)


@pytest.mark.parametrize("bent", [False, True])
@pytest.mark.parametrize(
    "change",
    [{"flip": True}, {"shift_px": 4}, {"rotate_deg": 12.0}, {"noise": 0.03}],
    ids=lambda change: next(iter(change)),
)
def test_area_length_and_bend_survive(bent, change):
    before = measures(drawn(bent))[0]
    changed = augment(drawn(bent), NOTHING.model_copy(update=change), torch.Generator().manual_seed(3))
    assert not torch.equal(changed, drawn(bent))
    area, length, bend = measures(changed).T
    assert (before[2] > 3) == bent
    assert ((area / before[0] - 1).abs() < 0.04).all()
    assert ((length - before[1]).abs() < 1.6).all()
    assert ((bend - before[2]).abs() < 0.8).all()


def test_measures_see_a_change_of_length_and_of_bend():
    """What the test above rests on: a tenth longer is seen, and so is half the bend."""
    straight, arc = measures(drawn(False))[0], measures(drawn(True))[0]
    longer = torch.nn.functional.interpolate(drawn(False), scale_factor=(1, 1.1), mode="bilinear")
    assert measures(longer)[0, 1] - straight[1] > 1.6
    assert arc[2] - straight[2] > 1.6


def test_rotation_turns_by_up_to_the_degrees_asked_for_and_fills_with_the_border():
    x = drawn(False)
    turned = augment(x, NOTHING.model_copy(update={"rotate_deg": 10.0}), torch.Generator().manual_seed(0))
    assert turned[:, :, [0, 0, -1, -1], [0, -1, 0, -1]].min() > 0.79  # corners: ground, not black
    angles = []
    for picture in turned:
        at = (picture[0] < 0.5).nonzero().double()
        _, _, axes = torch.linalg.svd(at - at.mean(0), full_matrices=False)
        angles.append(float(torch.rad2deg(torch.atan(axes[0, 0] / axes[0, 1]))))
    assert max(map(abs, angles)) <= 10.5
    assert max(angles) > 4
    assert min(angles) < -4


def test_mixup_mixes_images_by_the_share_it_tells():
    x = torch.rand(6, 3, 8, 8)
    mixed, order, share = mixup(x, 0.4, np.random.default_rng(1))
    assert 0 <= share <= 1
    assert sorted(order.tolist()) == list(range(6))
    assert torch.allclose(mixed, share * x + (1 - share) * x[order], atol=1e-6)
