"""Folds: each photograph tested once, every grade everywhere, no fruit on both sides."""

from collections import Counter
from dataclasses import replace

import pytest

from models.errors import DataError
from tests.training.small import bars
from training.sources import LabelledSet, Sample
from training.splits import by_lot, folds, hold_out, lots_suffice


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


def in_lots(lots: dict[str, range], count: int = 60, fruit: dict[int, str] | None = None) -> LabelledSet:
    """The bars, those at the positions named in a lot each; some declared to be one fruit."""
    lot = {index: name for name, where in lots.items() for index in where}
    samples = (
        replace(s, lot=lot.get(index, ""), group=(fruit or {}).get(index, s.name)) for index, s in enumerate(bars(count).samples)
    )
    return LabelledSet("lots", tuple(samples))


TEN = {f"lot {index}": range(6 * index, 6 * index + 6) for index in range(10)}


def test_whole_lots_are_held_out():
    seen = set()
    for seed in range(5):
        kept, out = hold_out(in_lots(TEN), 0.2, seed, by="lot")
        assert {s.lot for s in kept}.isdisjoint(s.lot for s in out)
        assert Counter(s.grade for s in out) == {"2L": 4, "M": 4, "2S": 4}
        assert len(kept) == 48
        seen.add(frozenset(s.lot for s in out))
        turned = LabelledSet("lots", in_lots(TEN).samples[::-1])
        assert names(hold_out(turned, 0.2, seed, by="lot")[1]) == names(out)
    assert len(seen) > 1  # the seed decides


def test_a_fruit_ties_its_lots_together_and_strays_go_by_fruit():
    lots = {"a": range(12), "b": range(12, 24), "c": range(24, 36)}
    data = in_lots(lots, fruit={11: "same", 12: "same", 40: "pair", 41: "pair"})
    for seed in range(5):
        kept, out = hold_out(data, 0.3, seed, by="lot")
        for part in (kept, out):
            present = {s.lot for s in part}
            assert ("a" in present) == ("b" in present)
        assert {s.group for s in kept}.isdisjoint(s.group for s in out)
        assert {s.lot for s in kept}.isdisjoint({s.lot for s in out} - {""})
    assert any(s.lot == "" for s in hold_out(data, 0.3, 0, by="lot")[1])
    groups = {s.name: s.group for s in by_lot(data).samples}
    assert groups["bar0"] == groups["bar20"] != groups["bar30"]
    assert groups["bar40"] == groups["bar41"] != groups["bar42"]


def test_every_lot_is_in_one_fold():
    found = folds(in_lots(TEN), 5, seed=1, by="lot")
    assert sorted(name for _, tested in found for name in names(tested)) == sorted(names(bars(60).samples))
    for kept, tested in found:
        assert {s.lot for s in kept}.isdisjoint(s.lot for s in tested)
    with pytest.raises(DataError, match=r"2 fruit \(or lots.* too few for 3 folds"):
        folds(in_lots({"a": range(30), "b": range(30, 60)}), 3, seed=0, by="lot")


def test_lots_that_hold_all_of_a_grade_stay_and_are_not_enough():
    halves = in_lots({"a": range(30), "b": range(30, 60)})
    assert lots_suffice(halves)
    assert {s.lot for s in hold_out(halves, 0.15, 0, by="lot")[1]} in ({"a"}, {"b"})
    tied = in_lots({"a": range(30), "b": range(30, 60)}, fruit={0: "one", 59: "one"})
    assert not lots_suffice(tied)
    with pytest.raises(DataError, match=r"No lot of lots can be held out.*by fruit"):
        hold_out(tied, 0.15, 0, by="lot")
    assert not lots_suffice(bars())
    by_grade = in_lots({str(start): range(start, 60, 3) for start in range(3)})
    assert not lots_suffice(by_grade)
    with pytest.raises(DataError, match="names its lot"):
        by_lot(bars())


def test_without_any_lot_it_goes_by_fruit_and_says_so(caplog):
    by_fruit = hold_out(bars(), 0.15, 3)
    assert [names(part) for part in hold_out(bars(), 0.15, 3, by="lot")] == [names(part) for part in by_fruit]
    assert "names its lot" in caplog.text
