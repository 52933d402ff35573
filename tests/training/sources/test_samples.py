from pathlib import Path

import numpy as np
import pytest

from models.errors import DataError
from models.preprocess import PreprocessSpec
from tests.training.sources.archives import photograph, write_png
from training.sources.samples import LabelledSet, Sample


def sample(name: str = "a", grade: str = "L", seed: int = 0, **more: object) -> Sample:
    return Sample(name, grade, photograph(seed=seed), **more)  # type: ignore[arg-type]


class TestSample:
    def test_needs_either_pixels_or_path(self) -> None:
        for arguments in ({}, {"pixels": photograph(), "path": Path("a")}):
            with pytest.raises(ValueError, match="either pixels or a path"):
                Sample("a", "L", **arguments)  # type: ignore[arg-type]

    def test_the_pixel_digest_is_that_of_the_picture_and_not_of_its_file(self, tmp_path: Path) -> None:
        filed = Sample("a", "L", path=write_png(tmp_path / "a.png"))
        assert filed.pixel_digest() == sample().pixel_digest() != sample(seed=1).pixel_digest()
        assert filed.digest() != sample().digest()
        wide = Sample("a", "L", np.zeros((2, 8, 3), np.uint8))
        assert wide.pixel_digest() != Sample("a", "L", np.zeros((4, 4, 3), np.uint8)).pixel_digest()
        (tmp_path / "again.png").write_bytes(sample().encoded())
        assert Sample("b", "L", path=tmp_path / "again.png").pixel_digest() == sample().pixel_digest()
        assert filed.size() == sample().size() == filed.whole().shape[1::-1]
        assert filed.encoded() == (tmp_path / "a.png").read_bytes()

    def test_its_own_group_by_default(self) -> None:
        assert sample("a").group == "a"
        assert sample("a", group="fruit 3").group == "fruit 3"

    def test_pixels_and_file_give_the_same_network_input(self, tmp_path: Path) -> None:
        spec = PreprocessSpec(width=16, height=16)
        filed = Sample("a", "L", path=write_png(tmp_path / "a.png"))
        np.testing.assert_array_equal(filed.network_input(spec), sample().network_input(spec))
        np.testing.assert_array_equal(filed.whole(), sample().whole())
        assert filed.network_input(spec).shape == (16, 16, 3)

    def test_digest_is_of_the_content_only(self, tmp_path: Path) -> None:
        assert sample("a", "L").digest() == sample("b", "C").digest()
        assert sample(seed=1).digest() != sample(seed=2).digest()
        flat = Sample("a", "L", photograph().reshape(4, -1, 3))
        assert flat.digest() != sample().digest()
        assert sample(views={"side": photograph(seed=3)}).digest() != sample().digest()
        strided = Sample("a", "L", np.asfortranarray(photograph()))
        assert strided.digest() == sample().digest()
        paths = [write_png(tmp_path / name) for name in ("a.png", "b.png")]
        assert len({Sample(path.name, "L", path=path).digest() for path in paths}) == 1

    def test_what_cannot_be_read_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "bad.png").write_bytes(b"no photograph")
        for name in ("bad.png", "gone.png"):
            broken = Sample("x", "L", path=tmp_path / name)
            for use in (broken.whole, lambda broken=broken: broken.network_input(PreprocessSpec())):
                with pytest.raises(DataError, match=name):
                    use()
        with pytest.raises(DataError, match="gone"):
            broken.digest()


class TestLabelledSet:
    def test_labels_stand_in_canonical_order(self) -> None:
        cucumbers = LabelledSet("s", tuple(sample(grade, grade) for grade in ("C", "2S", "BL", "2L")))
        assert cucumbers.labels == ("2L", "2S", "BL", "C")
        assert list(cucumbers.counts()) == list(cucumbers.labels)
        digits = LabelledSet("s", tuple(sample(digit, digit) for digit in "310"))
        assert digits.labels == ("0", "1", "3")

    def test_counts(self) -> None:
        labelled = LabelledSet("s", (sample("a", "C"), sample("b", "L"), sample("c", "C")))
        assert labelled.counts() == {"L": 1, "C": 2}
        assert len(labelled) == 3

    def test_sha256_rests_on_names_grades_and_content(self) -> None:
        first = LabelledSet("s", (sample("a"), sample("b", seed=1)))
        assert first.sha256 == LabelledSet("other", first.samples[::-1]).sha256
        for other in (("a", "M", 0), ("c", "L", 0), ("a", "L", 7)):
            assert LabelledSet("s", (sample(*other), first.samples[1])).sha256 != first.sha256
        assert len(first.sha256) == 64

    def test_names_are_unique(self) -> None:
        with pytest.raises(DataError, match="lists a more than once"):
            LabelledSet("s", (sample("a"), sample("a", seed=1)))


class TestMerged:
    def test_one_set_stays_as_it_is(self) -> None:
        only = LabelledSet("s", (sample("a"),))
        assert LabelledSet.merged([only]) is only

    def test_names_are_told_apart_and_declared_groups_stay(self) -> None:
        sets = [LabelledSet("batch", (sample("a"), sample("b", group="fruit 1"))) for _ in range(2)]
        merged = LabelledSet.merged([*sets, LabelledSet("other", (sample("a"),))])
        assert [(one.name, one.group) for one in merged.samples] == [
            ("batch/a", "batch/a"),
            ("batch/b", "fruit 1"),
            ("batch~2/a", "batch~2/a"),
            ("batch~2/b", "fruit 1"),
            ("other/a", "other/a"),
        ]
        assert merged.name == "batch+batch+other"

    def test_every_source_stands_in_its_parts(self) -> None:
        first, second = LabelledSet("a", (sample("x"),)), LabelledSet("b", (sample("x"), sample("y", "M")))
        merged = LabelledSet.merged([LabelledSet.merged([first, second]), LabelledSet("c", (sample("z"),))])
        assert [(part.name, part.images) for part in merged.about()] == [("a", 1), ("b", 2), ("c", 1)]
        assert merged.about()[1].sha256 == second.sha256
        assert merged.about()[1].counts == {"L": 1, "M": 1}
        assert first.parts == ()
        assert first.about() == (first.described(),)
        assert merged.described().images == 4

    def test_nothing(self) -> None:
        with pytest.raises(DataError, match="at least one"):
            LabelledSet.merged([])

    def test_cucumbers_and_digits(self) -> None:
        with pytest.raises(DataError, match="c hold grades of cucumbers, d do not"):
            LabelledSet.merged([LabelledSet("c", (sample("a", "L"),)), LabelledSet("d", (sample("a", "7"),))])
