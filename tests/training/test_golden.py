"""The golden set: each photograph once, grown and never changed, and seen by no training."""

from collections import Counter
from dataclasses import replace

import pytest

from models.errors import DataError
from models.imaging import encode_png
from models.labelled import MANIFEST, LabelledImage, write_manifest
from tests.training.small import bars
from training import golden as golden_module
from training.golden import Contradiction, Golden
from training.sources import LabelledSet, Sample, load


@pytest.fixture
def golden(tmp_path) -> Golden:
    """The first twelve bars, in two lots; the first two are one fruit."""
    samples = [replace(s, lot=f"lot {i % 2}", group="one" if i < 2 else s.name) for i, s in enumerate(bars(12).samples)]
    found = Golden(tmp_path / "golden")
    found.add(LabelledSet("first", tuple(samples), attribution="Somebody"))
    return found


def relabelled(sample: Sample, grade: str) -> Sample:
    return replace(sample, name=f"{sample.name} as {grade}", grade=grade)


def state(golden: Golden) -> tuple[str, tuple[object, ...]]:
    return golden.data().sha256, golden.history()


def test_it_holds_what_was_added(golden):
    data = golden.data()
    assert Counter(s.grade for s in data.samples) == {"2L": 4, "M": 4, "2S": 4}
    wanted = {s.pixel_digest(): (s.grade, f"lot {i % 2}") for i, s in enumerate(bars(12).samples)}
    assert {s.pixel_digest(): (s.grade, s.lot) for s in data.samples} == wanted
    assert sorted(Counter(s.group for s in data.samples).values()) == [1] * 10 + [2]
    assert (data.name, data.attribution) == ("golden", "Somebody")
    assert load(golden.folder).sha256 == data.sha256  # a labelled batch like any other


def test_it_grows_by_what_is_new_and_tells_how(golden, tmp_path):
    before = golden.data()
    (tmp_path / "copy.png").write_bytes(encode_png(bars().samples[0].pixels))
    more = bars(20).samples[10:]
    grown = golden.add(
        LabelledSet("second", (*more, Sample("file", "2L", path=tmp_path / "copy.png"), replace(more[-1], name="twice")))
    )
    assert (grown.added, grown.already, grown.refused, grown.images) == (8, 4, (), 20)
    assert {s.name for s in before.samples} < {s.name for s in golden.data().samples}
    history = golden.history()
    assert [(one.source, one.added) for one in history] == [("first", 12), ("second", 8)]
    assert history[0].counts == {"2L": 4, "M": 4, "2S": 4}
    assert history[0].added_at < history[1].added_at
    as_it_was = (golden.folder / MANIFEST).read_bytes()
    assert golden.add(bars(20)).added == 0
    assert (golden.folder / MANIFEST).read_bytes() == as_it_was


def test_a_contradicting_label_is_refused_and_named(golden):
    old, (new, newer) = bars(12).samples[0], bars(14).samples[12:]
    grown = golden.add(LabelledSet("wrong", (relabelled(old, "M"), new, relabelled(new, "C"), newer)))
    place = next(s.name for s in golden.data().samples if s.pixel_digest() == old.pixel_digest())
    assert (grown.added, grown.already, grown.images) == (1, 0, 13)
    assert set(grown.refused) == {
        Contradiction(name="bar0 as M", grade="M", other=place, other_grade="2L", in_golden=True),
        Contradiction(name="bar12", grade="2L", other="bar12 as C", other_grade="C", in_golden=False),
        Contradiction(name="bar12 as C", grade="C", other="bar12", other_grade="2L", in_golden=False),
    }


@pytest.mark.parametrize("cut_at", range(5))
def test_killed_while_it_grows_it_is_as_it_was(golden, monkeypatch, cut_at):
    before, steps = state(golden), []

    def cutting(real):
        def step(*arguments):
            steps.append(1)
            if len(steps) > cut_at:
                raise MemoryError  # nothing after it runs, as in a process that is killed
            return real(*arguments)

        return step

    with monkeypatch.context() as patch:
        patch.setattr(golden_module.durable, "write_durably", cutting(golden_module.durable.write_durably))
        with pytest.raises(MemoryError):
            golden.add(bars(16))  # four images, then the manifest
    assert state(golden) == before
    assert golden.add(bars(16)).added == 4
    assert {p.suffix for p in golden.folder.iterdir()} == {"", ".csv", ".json"}
    assert not list(golden.folder.glob(".incoming-*"))


def test_training_data_with_golden_photographs_are_refused_whatever_file_they_come_in(golden, tmp_path):
    golden.require_unseen(bars(12, seed=5))
    (tmp_path / "a.png").write_bytes(encode_png(bars().samples[3].pixels))
    fresh = bars(12, seed=5).samples
    with pytest.raises(
        DataError, match=r"1 of 13 photographs of mixed are in the golden set .*\(hidden\).*senka intake .*--golden"
    ):
        golden.require_unseen(LabelledSet("mixed", (*fresh, Sample("hidden", "M", path=tmp_path / "a.png"))))
    with pytest.raises(DataError, match=r"12 of 60 .*\(bar0, bar1, bar2 and 9 more\)") as refused:
        golden.require_unseen(bars())
    assert len(refused.value.facts["photographs"]) == 12
    with pytest.raises(DataError, match="12 of 12"):
        golden.require_unseen(load(golden.folder))
    left, dropped = golden.without(LabelledSet.merged([bars(), replace(bars(5, seed=5), name="others")]))
    assert dropped == tuple(f"bars/bar{i}" for i in range(12))
    assert len(left) == 53
    assert left.parts == ()
    golden.require_unseen(left)
    fine = LabelledSet("fine", fresh)
    assert golden.without(fine) == (fine, ())


def test_what_it_holds_is_decoded_once(golden, monkeypatch):
    decoded = []
    real = Sample.pixel_digest
    monkeypatch.setattr(Sample, "pixel_digest", lambda sample: decoded.append(sample.name) or real(sample))
    golden.require_unseen(bars(6, seed=5))
    assert len(decoded) == 6
    image = next((golden.folder / "images").iterdir())
    image.write_bytes(encode_png(bars(1, seed=5).samples[0].pixels))  # not by us, and seen all the same
    with pytest.raises(DataError, match="bar0"):
        golden.require_unseen(bars(6, seed=5))
    (golden.folder / golden_module.DIGESTS_FILE).write_text("{half")
    with pytest.raises(DataError, match="bar0"):
        golden.require_unseen(bars(6, seed=5))


def test_a_batch_put_there_by_hand_is_one_and_keeps_what_it_says(tmp_path):
    folder = tmp_path / "golden"
    folder.mkdir()
    (folder / "x.png").write_bytes(encode_png(bars().samples[0].pixels))
    row = LabelledImage("x.png", "2L", camera="north", facts={"length_px": "14"})
    write_manifest(folder, [row])
    golden = Golden(folder)
    with pytest.raises(DataError, match="1 of 60"):
        golden.require_unseen(bars())
    assert golden.add(bars(3)).already == 1
    text = (folder / MANIFEST).read_text()
    assert "x.png,2L,,north," in text
    assert "length_px" in text
    assert [(one.added_at == "", one.added) for one in golden.history()] == [(True, 1), (False, 2)]


def test_before_the_first_there_is_none(tmp_path):
    none = Golden(tmp_path / "golden")
    assert not none.exists
    none.require_unseen(bars())
    assert none.without(bars(3))[1] == ()
    for ask in (none.data, none.history):
        with pytest.raises(DataError, match=r"no golden set yet .*senka golden add --data"):
            ask()
    (tmp_path / "broken.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"broken\.png cannot be read"):
        none.add(LabelledSet("broken", (*bars(3).samples, Sample("b", "M", path=tmp_path / "broken.png"))))
    with pytest.raises(DataError, match="labels 7"):
        none.add(LabelledSet("digits", (replace(bars(1).samples[0], grade="7"),)))
    assert not none.exists
