"""Grades of unequal number count alike."""

import torch

from training.balance import balanced_draw, class_weights, shuffled

TARGETS = torch.tensor([0] * 80 + [1] * 16 + [2] * 4)


def test_weights_make_every_grade_count_alike():
    weights = class_weights(TARGETS, 3)
    totals = torch.tensor([weights[TARGETS[grade == TARGETS]].sum() for grade in range(3)])
    assert torch.allclose(totals, totals[:1].expand(3))
    assert torch.isclose(weights[TARGETS].mean(), torch.tensor(1.0))


def test_the_sampler_draws_every_grade_as_often():
    generator = torch.Generator().manual_seed(0)
    drawn = torch.cat([TARGETS[balanced_draw(TARGETS, 3, generator)] for _ in range(50)])
    assert len(drawn) == 50 * len(TARGETS)
    shares = torch.bincount(drawn) / len(drawn)
    assert ((shares - 1 / 3).abs() < 0.03).all()


def test_without_balance_every_image_comes_once():
    order = shuffled(TARGETS, torch.Generator().manual_seed(0))
    assert sorted(order.tolist()) == list(range(100))
    assert order.tolist() != list(range(100))
