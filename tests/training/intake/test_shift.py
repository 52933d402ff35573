"""A batch in other light or of other fruit is told from one like those before it, each measure on its own."""

from dataclasses import replace

import numpy as np
import pytest

from tests.training.intake.pictures import fruit, lit
from training.intake.looks import MEASURES, look, measure
from training.intake.shift import balance, shifts
from training.sources import Sample


def verdicts(samples, earlier) -> dict[str, tuple[str, float]]:
    return {shift.measure: (shift.verdict, shift.difference) for shift in shifts(look(samples)[0], [look(earlier)[0]])}


def test_the_same_kind_of_batch_is_alike():
    found = verdicts(fruit(90, 3).samples, fruit(90, 4).samples)
    assert found.keys() == set(MEASURES)
    assert {verdict for verdict, _ in found.values()} == {"alike"}


def test_a_darker_belt_is_told():
    darker = [replace(sample, pixels=lit(sample.whole(), 0.6)) for sample in fruit(90, 3).samples]
    found = verdicts(darker, fruit(90, 4).samples)
    assert found["belt_brightness"][0] in ("different", "far off")
    assert found["belt_brightness"][1] < 0
    assert found["fruit_length"][0] == "alike"


def test_longer_fruit_are_told():
    long = [sample for sample in fruit(180, 3).samples if sample.grade in ("2L", "L")]
    found = verdicts(long, fruit(90, 4).samples)
    assert found["fruit_length"][0] in ("different", "far off")
    assert found["fruit_length"][1] > 0
    assert found["belt_brightness"][0] == "alike"


def test_the_measures_of_a_drawn_bar():
    picture = np.full((64, 64, 3), (120, 130, 140), np.uint8)
    picture[28:36, 12:52] = (40, 90, 30)
    found = dict(zip(MEASURES, measure(picture), strict=True))
    assert found["belt_brightness"] == pytest.approx(120 * 0.299 + 130 * 0.587 + 140 * 0.114)
    assert found["belt_warmth"] == pytest.approx(-20 / 260)
    assert found["fruit_area"] == pytest.approx(8 * 40 / 64**2)
    assert found["fruit_length"] == pytest.approx(40 / 64, rel=0.02)
    assert found["fruit_width"] == pytest.approx(8 / 64, rel=0.02)
    assert found["frame_px"] == 64


def test_a_uniform_picture_has_no_fruit():
    found = dict(zip(MEASURES, measure(np.full((20, 30, 3), 90, np.uint8)), strict=True))
    assert (found["fruit_area"], found["fruit_length"], found["contrast"]) == (0, 0, 0)


def test_nothing_earlier_is_no_shift():
    assert shifts(look(fruit(9).samples)[0], []) == ()


def test_the_balance_counts_both_sides_in_canonical_order():
    pixels = fruit(9).samples[0].whole()
    here = [Sample(f"h{i}", grade, pixels=pixels) for i, grade in enumerate(("C", "L", "L", "L"))]
    before = [Sample("b", "2L", pixels=pixels), Sample("c", "L", pixels=pixels)]
    assert [(g.grade, g.images, g.share, g.earlier_images, g.earlier_share) for g in balance(here, before)] == [
        ("2L", 0, 0, 1, 0.5),
        ("L", 3, 0.75, 1, 0.5),
        ("C", 1, 0.25, 0, 0),
    ]
