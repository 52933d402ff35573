from pathlib import Path

import pytest

from models.errors import DataError, InvalidBatch
from models.labelled import LabelledImage, write_manifest
from tests.training.sources.archives import write_png
from training.sources import folders


class TestGradeFolder:
    def test_every_photograph_at_any_depth(self, tmp_path: Path) -> None:
        for name in ("L/b.png", "L/deep/a.PNG", "2S/a.png", "C/c.png"):
            write_png(tmp_path / name)
        (tmp_path / "README.md").write_text("about")
        (tmp_path / "L" / "notes.txt").write_text("about")
        (tmp_path / "BL").mkdir()
        read = folders.read_grade_folder(tmp_path)
        assert {sample.name: sample.grade for sample in read.samples} == {
            "L/b.png": "L",
            "L/deep/a.PNG": "L",
            "2S/a.png": "2S",
            "C/c.png": "C",
        }
        assert read.counts() == {"L": 2, "2S": 1, "C": 1}
        assert read.name == tmp_path.name
        assert all(sample.path is not None and sample.group == sample.name for sample in read.samples)

    def test_hidden_files_and_folders_do_not_count(self, tmp_path: Path) -> None:
        write_png(tmp_path / "L" / "a.png")
        for name in (".git/x.png", "L/.a.png", "L/.thumbnails/a.png", ".hidden.png"):
            write_png(tmp_path / name)
        assert [sample.name for sample in folders.read_grade_folder(tmp_path).samples] == ["L/a.png"]

    def test_unknown_sub_folders(self, tmp_path: Path) -> None:
        write_png(tmp_path / "L" / "a.png")
        write_png(tmp_path / "XL" / "a.png")
        with pytest.raises(DataError, match=r"sub-folders XL; the grades are 2L L M S 2S BL BM BS C"):
            folders.read_grade_folder(tmp_path)

    @pytest.mark.parametrize("name", ["stray.png", "stray.tiff"])
    def test_photographs_outside_of_any_grade(self, tmp_path: Path, name: str) -> None:
        write_png(tmp_path / "L" / "a.png")
        write_png(tmp_path / name)
        with pytest.raises(DataError, match=f"outside of any grade: {name}"):
            folders.read_grade_folder(tmp_path)

    def test_no_photograph(self, tmp_path: Path) -> None:
        (tmp_path / "L").mkdir()
        with pytest.raises(DataError, match="no photograph"):
            folders.read_grade_folder(tmp_path)

    def test_unreadable_photographs_are_named_up_to_ten(self, tmp_path: Path) -> None:
        write_png(tmp_path / "L" / "good.png")
        for number in range(12):
            (tmp_path / "L" / f"bad{number:02}.jpg").write_bytes(b"\xff\xd8\xffno photograph" if number % 2 else b"")
        with pytest.raises(DataError, match="12 unreadable") as caught:
            folders.read_grade_folder(tmp_path)
        assert "bad09.jpg" in str(caught.value)
        assert "bad10.jpg" not in str(caught.value)
        assert "and 2 more" in str(caught.value)
        assert len(caught.value.facts["files"]) == 12  # type: ignore[arg-type]

    def test_a_format_that_is_not_read_is_not_dropped(self, tmp_path: Path) -> None:
        write_png(tmp_path / "L" / "a.png")
        (tmp_path / "L" / "b.heic").write_bytes(b"\0\0\0\x18ftypheic")
        with pytest.raises(DataError, match=r"b\.heic: .*none of JPEG"):
            folders.read_grade_folder(tmp_path)

    def test_detection(self, tmp_path: Path) -> None:
        assert not folders.is_grade_folder(tmp_path)
        (tmp_path / "2L").write_text("a file")
        assert not folders.is_grade_folder(tmp_path)
        (tmp_path / "M").mkdir()
        assert folders.is_grade_folder(tmp_path)


class TestBatch:
    def test_rows_become_samples(self, tmp_path: Path) -> None:
        write_png(tmp_path / "images" / "a.png")
        write_png(tmp_path / "images" / "b.png", seed=1)
        rows = [
            LabelledImage("images/a.png", "L", lot="7", facts={"fruit": "12"}),
            LabelledImage("images/b.png", "BS", lot="8", facts={"fruit": ""}),
        ]
        write_manifest(tmp_path, rows)
        assert folders.is_batch(tmp_path)
        read = folders.read_batch(tmp_path)
        assert [(sample.name, sample.grade, sample.group, sample.lot) for sample in read.samples] == [
            ("images/a.png", "L", "12", "7"),
            ("images/b.png", "BS", "images/b.png", "8"),
        ]

    def test_only_a_header(self, tmp_path: Path) -> None:
        write_manifest(tmp_path, [])
        with pytest.raises(InvalidBatch, match="lists no photograph"):
            folders.read_batch(tmp_path)

    def test_unreadable_photographs(self, tmp_path: Path) -> None:
        (tmp_path / "a.png").write_bytes(b"no photograph")
        write_manifest(tmp_path, [LabelledImage("a.png", "L")])
        with pytest.raises(DataError, match=r"a\.png"):
            folders.read_batch(tmp_path)
