"""What is learned, held out and judged on share no photograph and no fruit; how much of the earlier is replayed."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.card import ModelCard, TrainingData
from models.errors import DataError
from models.retrainings import RetrainRequest
from tests.training.small import bars
from training.golden import Golden
from training.kept import Kept, keep, kept
from training.retrain import material
from training.retrain.material import Material, Taken, assemble, never_learned, unknown_to
from training.sources import LabelledSet, Sample

ASKED = RetrainRequest()


def noise(name: str, count: int, seed: int, grades: Sequence[str] = ("L", "M", "S"), each: int = 2) -> LabelledSet:
    """`count` pictures of 8x8, `each` of a fruit."""
    rng = np.random.default_rng(seed)
    samples = []
    for index in range(count):
        fruit = index // each
        pixels = rng.integers(0, 256, (8, 8, 3), np.uint8)
        samples.append(Sample(f"{name}{index}", grades[fruit % len(grades)], pixels=pixels, group=f"fruit {fruit}"))
    return LabelledSet(name, tuple(samples))


def some(data: LabelledSet, *indices: int) -> LabelledSet:
    return LabelledSet("some", tuple(data.samples[index] for index in indices))


def pixels(data: LabelledSet | None) -> set[str]:
    return {sample.pixel_digest() for sample in data.samples} if data else set()


def parted(root: Path, golden: LabelledSet, new: Sequence[LabelledSet], earlier: Sequence[LabelledSet] = ()) -> Material:
    names = [tuple(keep(data, root).folder.name for data in part) for part in (new, earlier)]
    return assemble(Taken(new=names[0], earlier=names[1], changed=False), root, golden, ASKED)


def test_no_photograph_and_no_fruit_is_in_two_parts(tmp_path):
    new, earlier = noise("new", 60, 1), noise("earlier", 120, 2)
    golden = LabelledSet("golden", (*some(new, 0, 7).samples, *some(earlier, 3, 50).samples, *noise("g", 12, 3).samples))
    found = parted(tmp_path, golden, [new], [earlier])
    learned, recent, validation = found.everything(), found.recent, found.validation
    assert recent is not None
    assert not pixels(golden) & (pixels(learned) | pixels(validation))
    assert not pixels(learned) & pixels(validation)
    assert not {s.group for s in learned.samples} & {s.group for s in validation.samples}
    assert pixels(found.replayed(0)) <= pixels(learned)
    assert pixels(recent) <= pixels(validation)
    assert pixels(recent) <= pixels(new)
    # Of the four fruit of which a photograph is golden, the other photograph is learned as little.
    assert len(pixels(learned) | pixels(validation)) == 60 + 120 - 8
    assert 0.15 < len(recent) / 60 < 0.35
    assert set(recent.labels) == set(validation.labels) == {"L", "M", "S"}


def test_what_is_held_out_later_was_never_learned_before(tmp_path):
    """A champion cannot be judged, nor calibrated, by photographs that it has learned, however many batches come."""
    first, second, third = noise("first", 90, 1), noise("second", 60, 2), noise("third", 60, 3)
    golden = noise("g", 6, 4)
    one = parted(tmp_path, golden, [first])
    two = parted(tmp_path, golden, [second], [first])
    three = parted(tmp_path, golden, [third], [first, second])
    assert not pixels(one.everything()) & pixels(two.validation)
    assert not (pixels(one.everything()) | pixels(two.everything())) & pixels(three.validation)
    assert pixels(one.validation) & pixels(two.validation)
    released = pixels(one.validation) & pixels(two.everything())
    assert 0.2 < len(released) / len(pixels(one.validation)) < 0.6, "a part of it is learned when the batch is new no more"


def test_what_was_chosen_proves_no_gain(tmp_path):
    as_they_came, corrected = noise("as they came", 48, 1), noise("corrected", 48, 2)
    names = (keep(as_they_came, tmp_path).folder.name, keep(corrected, tmp_path, selected=True).folder.name)
    found = assemble(Taken(new=names, changed=False), tmp_path, noise("g", 6, 3), ASKED)
    assert found.recent is not None
    assert found.chosen is not None
    assert pixels(found.recent) <= pixels(as_they_came)
    assert pixels(found.chosen) <= pixels(corrected)
    assert pixels(found.recent) | pixels(found.chosen) == pixels(found.validation)
    assert pixels(found.new) & pixels(corrected), "they are learned all the same"


def test_the_newest_label_of_a_photograph_counts(tmp_path):
    wrong = noise("wrong", 48, 1)
    right = LabelledSet("right", tuple(replace(sample, grade="C") for sample in wrong.samples[:12]))
    found = parted(tmp_path, noise("g", 6, 3), [right], [wrong])
    grades = {s.pixel_digest(): s.grade for s in (*found.everything().samples, *found.validation.samples)}
    assert {grades[sample.pixel_digest()] for sample in right.samples if sample.pixel_digest() in grades} == {"C"}
    assert len(grades) == 48


def test_a_photograph_in_two_batches_is_learned_once(tmp_path):
    new, earlier = noise("new", 48, 1), noise("earlier", 48, 2)
    twice = LabelledSet("twice", (*earlier.samples, *(replace(s, group=f"again {s.group}") for s in new.samples[:20])))
    found = parted(tmp_path, noise("g", 6, 3), [new], [twice])
    every = [*found.everything().samples, *found.validation.samples]
    assert len(every) == len({sample.pixel_digest() for sample in every}) == 96
    assert pixels(new) <= {s.pixel_digest() for s in (*found.new.samples, *(found.recent.samples if found.recent else ()))}


def test_copies_within_an_earlier_source_are_one(tmp_path):
    earlier = noise("earlier", 40, 2)
    copied = LabelledSet("copied", (*earlier.samples, *(replace(s, name=f"{s.name} again", group="") for s in earlier.samples)))
    found = parted(tmp_path, noise("g", 6, 3), [noise("new", 48, 1)], [copied])
    every = [*found.everything().samples, *found.validation.samples]
    assert len(every) == len({sample.pixel_digest() for sample in every}) == 88


def test_each_batch_counts_its_fruit_for_itself(tmp_path):
    found = parted(tmp_path, noise("g", 6, 3), [noise("a", 30, 1), noise("b", 30, 2)])
    every = [*found.everything().samples, *found.validation.samples]
    assert len({sample.group for sample in every}) == 30  # 15 of each, both called "fruit 0" and so on


def test_lots_stay_whole_where_there_are_enough(tmp_path):
    new = noise("new", 72, 1)
    in_lots = LabelledSet("lots", tuple(replace(s, lot=f"lot {i % 12 // 6}{i // 36}") for i, s in enumerate(new.samples)))
    found = parted(tmp_path, noise("g", 6, 3), [in_lots])
    assert found.recent is not None
    lots = [{sample.lot for sample in part.samples} for part in (found.new, found.recent)]
    assert not lots[0] & lots[1]
    one_lot = LabelledSet("one", tuple(replace(sample, lot="lot") for sample in new.samples))
    found = parted(tmp_path / "one", noise("g", 6, 3), [one_lot])
    assert found.recent is not None
    assert not {s.group for s in found.new.samples} & {s.group for s in found.recent.samples}


def test_so_many_are_replayed_and_every_grade_alike(tmp_path, monkeypatch):
    monkeypatch.setattr(material, "REPLAY_LEAST", 30)
    many = [noise("l", 120, 2, ["L"], 1), noise("m", 60, 4, ["M"], 1), noise("s", 5, 5, ["S"], 1)]
    found = parted(tmp_path, noise("g", 6, 3), [noise("new", 8, 1, each=1)], many)
    assert found.earlier is not None
    replayed = found.replayed(0)
    assert pixels(found.new) <= pixels(replayed)
    counts = Counter(s.grade for s in replayed.samples if s.pixel_digest() in pixels(found.earlier))
    rare = found.earlier.counts()["S"]
    assert rare in (4, 5)
    wanted = max(30, material.REPLAY_TIMES * len(found.new))
    assert counts["S"] == rare  # all there are; the two others make up for what it lacks
    assert counts.total() == wanted
    assert abs(counts["L"] - counts["M"]) <= 1
    assert replayed.sha256 == found.replayed(0).sha256 != found.replayed(1).sha256
    monkeypatch.setattr(material, "REPLAY_LEAST", 1000)
    assert len(found.replayed(0)) == len(found.everything())


def test_with_many_new_ones_four_times_as_many_are_replayed(tmp_path, monkeypatch):
    monkeypatch.setattr(material, "REPLAY_LEAST", 5)
    found = parted(tmp_path, noise("g", 6, 3), [noise("new", 16, 1, each=1)], [noise("old", 120, 2, each=1)])
    assert len(found.replayed(0)) == 5 * len(found.new)


def test_a_card_lists_the_kept_batches(tmp_path):
    new, earlier = noise("new", 24, 1), noise("earlier", 48, 2)
    found = parted(tmp_path, some(new, 0), [new], [earlier])
    hashes = {batch.data.sha256 for batch in kept(tmp_path)}
    assert len(hashes) == 2
    for learned in (found.everything(), found.replayed(0)):
        assert {data.sha256 for data in learned.about()} == hashes


def card(*known: str) -> ModelCard:
    data = tuple(TrainingData(name="some", sha256=sha256, images=1, counts={"L": 1}) for sha256 in known)
    return ModelCard.model_construct(data=data)


def test_what_the_champions_card_does_not_list_is_new_to_it(tmp_path):
    sets = [noise("a", 6, 1), noise("b", 6, 2), noise("c", 6, 3)]
    a, b, c = (keep(data, tmp_path) for data in sets)

    def names(found: Sequence[Kept]) -> set[str]:
        return {batch.folder.name for batch in found}

    assert names(unknown_to(None, kept(tmp_path))) == names([a, b, c])
    # by the batch as it is kept, and by the set that it was made of
    assert names(unknown_to(card(a.data.sha256, sets[1].sha256), kept(tmp_path))) == names([c])


def test_the_golden_set_at_home_is_never_learned_whatever_else_judges(tmp_path):
    golden = Golden(tmp_path / "golden")
    assert never_learned(golden, None) is None
    other = keep(noise("other", 6, 4), tmp_path / "other")
    assert pixels(never_learned(golden, str(other.folder))) == pixels(other.data)
    golden.add(bars(9))
    assert pixels(never_learned(golden, None)) == pixels(bars(9))
    assert pixels(never_learned(golden, str(other.folder))) == pixels(bars(9)) | pixels(other.data)


def test_what_cannot_be_parted_is_said(tmp_path):
    new = noise("new", 12, 1)
    with pytest.raises(DataError, match="all of them are in the golden set"):
        parted(tmp_path, new, [new])
    with pytest.raises(DataError, match=r"2 photographs are too few.*--replay"):
        parted(tmp_path, noise("g", 6, 3), [noise("few", 2, 5, each=1)])
    with pytest.raises(DataError, match=r"0123456789abcdef are no longer in .*Start a retraining anew"):
        assemble(Taken(new=("0123456789abcdef",), changed=False), tmp_path, noise("g", 6, 3), ASKED)


def test_new_ones_of_a_single_grade_are_learned_whole_beside_earlier_ones(tmp_path):
    found = parted(tmp_path, noise("g", 6, 3), [noise("new", 6, 1, ["M"])], [noise("old", 60, 2)])
    assert found.recent is None
    assert len(found.new) == 6
    assert set(found.validation.labels) == {"L", "M", "S"}


def test_what_was_taken_is_read_back(tmp_path):
    assert Taken.read(tmp_path) is None
    taken = Taken(new=("a",), earlier=("b", "c"), changed=True, notes=("said",))
    taken.write(tmp_path)
    assert Taken.read(tmp_path) == taken


def test_the_same_batches_are_parted_alike_and_others_are_not(tmp_path):
    new, earlier, golden = noise("new", 24, 1), noise("earlier", 48, 2), noise("g", 6, 3)
    first, again = (parted(tmp_path, golden, [new], [earlier]) for _ in range(2))
    assert first.sha256 == again.sha256
    grown = LabelledSet("grown", (*golden.samples, first.new.samples[0]))
    assert parted(tmp_path, grown, [new], [earlier]).sha256 != first.sha256
