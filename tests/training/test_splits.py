"""Folds: each photograph tested once, every grade everywhere, no fruit on both sides."""

from collections import Counter

import pytest

from models.errors import DataError
from tests.training.small import bars
from training.sources import LabelledSet, Sample
from training.splits import folds


def views(fruit=36, of_each=3) -> LabelledSet:
    samples = [
        Sample(f"{s.name}/{view}", s.grade, pixels=s.pixels, group=s.name) for s in bars(fruit).samples for view in range(of_each)
    ]
    return LabelledSet("views", tuple(samples))


def names(part):
    return [sample.name for sample in part]


@pytest.mark.parametrize("data", [bars(60), views()], ids=["single", "grouped"])
def test_every_sample_is_tested_once_and_trained_on_otherwise(data):
    found = folds(data, 4, seed=0)
    everything = sorted(s.name for s in data.samples)
    assert sorted(name for _, tested in found for name in names(tested)) == everything
    for kept, tested in found:
        assert sorted(names(kept) + names(tested)) == everything
        assert {s.group for s in kept}.isdisjoint(s.group for s in tested)


def test_grades_are_spread_evenly():
    for _, tested in folds(bars(60), 5, seed=1):
        assert Counter(s.grade for s in tested) == {"2L": 4, "M": 4, "2S": 4}
    for _, tested in folds(views(36), 4, seed=1):
        assert Counter(s.grade for s in tested) == {"2L": 9, "M": 9, "2S": 9}


def test_the_seed_decides_and_the_order_of_files_does_not():
    data = bars(60)
    turned = LabelledSet("bars", data.samples[::-1])
    split = [names(tested) for _, tested in folds(data, 5, seed=2)]
    assert split == [names(tested) for _, tested in folds(turned, 5, seed=2)]
    assert split != [names(tested) for _, tested in folds(data, 5, seed=3)]
    grouped = [names(tested) for _, tested in folds(views(), 3, seed=2)]
    assert grouped != [names(tested) for _, tested in folds(views(), 3, seed=3)]


def test_too_few_fruit_of_a_grade_are_counted_by_fruit():
    few = tuple(s for s in views().samples if s.grade != "2S" or s.group in ("bar2", "bar5"))
    with pytest.raises(DataError, match=r"2 fruit .* of grade 2S, too few for 3 folds.*--folds"):
        folds(LabelledSet("few", few), 3, seed=0)
    assert len(folds(LabelledSet("few", few), 2, seed=0)) == 2


def test_what_cannot_be_split_is_named():
    with pytest.raises(DataError, match="two folds or more"):
        folds(bars(), 1, seed=0)
    with pytest.raises(DataError, match="at least two grades"):
        folds(LabelledSet("one", tuple(s for s in bars().samples if s.grade == "M")), 2, seed=0)
