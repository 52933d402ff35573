"""Copies are found however they were altered; different fruit, alike as they lie on the belt, are not copies."""

import numpy as np
import pytest

from tests.data import require_data
from tests.training.intake.pictures import ALTERED, fruit
from training.intake.duplicates import compare, copies_of, copies_within
from training.intake.looks import look
from training.sources import LabelledSet, Sample, load


def looks(samples):
    found, refused = look(samples)
    assert not refused
    return found


def real() -> LabelledSet:
    return load(require_data() / "cucumber-9")


def altered(data: LabelledSet, name: str) -> list[Sample]:
    change = ALTERED[name][1]
    return [Sample(f"copy of {s.name}", s.grade, pixels=np.ascontiguousarray(change(s.whole()))) for s in data.samples]


def require_found(data: LabelledSet, name: str) -> None:
    copies = copies_of(looks(altered(data, name)), looks(data.samples), "earlier")
    right = {copy.name for copy in copies if copy.name == f"copy of {copy.of}" and copy.mirrored == ALTERED[name][0]}
    wrong = {copy.name for copy in copies if copy.name != f"copy of {copy.of}"}
    assert {copy.kind for copy in copies} == {"near"}
    assert len(right) >= 0.95 * len(data)
    assert len(wrong) <= 0.01 * len(data)


@pytest.mark.parametrize("name", ALTERED)
def test_an_altered_copy_is_found_among_rendered_fruit(name):
    require_found(fruit(90), name)


@pytest.mark.parametrize("name", ALTERED)
def test_an_altered_copy_is_found_among_real_photographs(name):
    require_found(real(), name)


@pytest.mark.parametrize("size", [(32, 32), (160, 120)])
def test_different_rendered_fruit_are_no_copies(size):
    called = {copy.name for copy in copies_within(looks(fruit(100, 7, size).samples))}
    assert len(called) <= 1


def test_different_real_photographs_are_no_copies():
    """Among them are several of one fruit."""
    assert copies_within(looks(real().samples)) == ()


def test_exact_copies_name_the_first_and_tell_files_from_pixels(tmp_path):
    from models.imaging import encode_png

    picture = fruit(9).samples[0].whole()
    content = encode_png(picture)
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(content)
    samples = [Sample("array", "L", pixels=picture), *(Sample(n, "M", path=tmp_path / n) for n in ("a.png", "b.png"))]
    found = copies_within(looks(samples))
    assert [(copy.name, copy.of, copy.kind, copy.contradicts) for copy in found] == [
        ("a.png", "array", "pixels", True),
        ("b.png", "a.png", "bytes", False),
    ]
    assert found[0].exact


def test_other_proportions_and_no_contrast_are_no_copy():
    grey = fruit(9).samples[0].whole()[..., 0]
    assert compare(grey, grey) == (pytest.approx(1), 48 * 64)
    assert compare(grey, grey[:, :40])[0] == -1
    flat = np.full_like(grey, 90)
    assert compare(flat, flat)[0] == -1
    assert (
        copies_within(looks([Sample(str(level), "L", pixels=np.full((32, 32, 3), level, np.uint8)) for level in (80, 90)])) == ()
    )


def test_an_empty_set_has_no_copies():
    assert copies_of(looks([]), looks(fruit(9).samples), "x") == copies_of(looks(fruit(9).samples), looks([]), "x") == ()
