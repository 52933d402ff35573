"""Exports of Label Studio, in the shapes that it writes."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.errors import DataError, UnknownSource
from models.grades import GRADES
from models.labelled import LabelledImage, write_manifest
from tests.training.sources.archives import write_png
from training.sources import label_studio, load

ATOMS = st.none() | st.booleans() | st.integers() | st.text()
KEYS = ("data", "annotations", "image", "result", "value", "choices", "type", "choice", "id", "completed_by", "was_cancelled")


def annotation(*choices: str, by: Any = 1, **changes: Any) -> dict[str, Any]:
    """As Label Studio writes one."""
    value = {"choices": list(choices)}
    result = [{"id": "x1", "type": "choices", "value": value, "from_name": "choice", "to_name": "image", "origin": "manual"}]
    return {"id": 7, "completed_by": by, "was_cancelled": False, "ground_truth": False, "result": result, **changes}


def task(image: str, *annotations: dict[str, Any], number: int = 1, **data: Any) -> dict[str, Any]:
    return {"id": number, "data": {"image": image, **data}, "annotations": list(annotations), "predictions": [], "project": 3}


def export(folder: Path, *tasks: Any, name: str = "project-3.json") -> Path:
    (folder / name).write_text(json.dumps(list(tasks)))
    return folder / name


class TestJson:
    def test_an_export_beside_its_images(self, tmp_path: Path) -> None:
        for name in ("a.png", "upload/3/1f2e-b.png", "monday/c d.png", "images/9a-e.png"):
            write_png(tmp_path / name)
        file = export(
            tmp_path,
            task("a.png", annotation("L"), lot="A-1", camera=7, fruit=12),
            task("/data/upload/3/1f2e-b.png", annotation("bm", by={"id": 4, "email": "hanako@farm.jp"})),
            task("/data/local-files/?d=monday/c%20d.png", annotation(" 2s ")),
            task("/data/upload/3/9a-e.png", annotation("C")),
        )
        found = load(file)
        assert (found.name, {sample.name: (sample.grade, sample.lot) for sample in found.samples}) == (
            "project-3",
            {
                "a.png": ("L", "A-1"),
                "upload/3/1f2e-b.png": ("BM", ""),
                "monday/c d.png": ("2S", ""),
                "images/9a-e.png": ("C", ""),
            },
        )
        by_folder = load(tmp_path)
        assert (by_folder.name, by_folder.sha256) == (tmp_path.name, found.sha256)
        assert label_studio.read_export(file).images[0] == LabelledImage(
            *("a.png", "L", "A-1", "7", "", "1", "label-studio"), facts={"fruit": "12"}
        )
        assert [sample.group for sample in found.samples][:2] == ["12", "upload/3/1f2e-b.png"]
        assert label_studio.read_export(file).images[1].labeller == "hanako@farm.jp"

    @pytest.mark.parametrize("place", ["data/upload/3", "upload/3", "media/upload/3", "3", "images", "."])
    def test_uploads_may_lie_where_label_studio_keeps_them(self, tmp_path: Path, place: str) -> None:
        write_png(tmp_path / place / "きゅうり.png")
        file = export(tmp_path, task("/data/upload/3/%E3%81%8D%E3%82%85%E3%81%86%E3%82%8A.png", annotation("M")))
        assert [sample.path for sample in load(file).samples] == [tmp_path / place / "きゅうり.png"]

    def test_people_who_agree_and_people_who_do_not(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        for name in "abc":
            write_png(tmp_path / f"{name}.png")
        file = export(
            tmp_path,
            task("a.png", annotation("L", by=1), annotation("l", by=2)),
            task("b.png", annotation("L", by=1), annotation("M", by=2)),
            task("c.png", annotation("S", by=1)),
            task("./c.png", annotation("C", by=2), number=4),  # the same photograph in another task
        )
        with caplog.at_level(logging.WARNING):
            assert [(sample.name, sample.grade) for sample in load(file).samples] == [("a.png", "L")]
        assert "people grade 2 photographs differently, left out: b.png, c.png" in caplog.text
        found = label_studio.read_export(file)
        assert (found.images[0].labeller, found.disagreeing) == ("1, 2", ("b.png", "c.png"))

    def test_skipped_and_unlabelled_tasks_are_counted(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        write_png(tmp_path / "a.png")
        box = annotation()
        box["result"] = [{"type": "rectanglelabels", "value": {"rectanglelabels": ["cucumber"], "x": 1}}]
        file = export(
            tmp_path,
            task("a.png", annotation("M", was_cancelled=True), annotation("L")),
            task("gone.png", annotation("S", was_cancelled=True)),
            task("gone.png", box),
            task("gone.png"),
        )
        with caplog.at_level(logging.INFO):
            assert load(file).counts() == {"L": 1}
        assert "2 skipped annotations, 3 tasks without a label" in caplog.text

    def test_nothing_that_counts(self, tmp_path: Path) -> None:
        write_png(tmp_path / "a.png")
        file = export(tmp_path, task("a.png", annotation("L"), annotation("S")), task("b.png"))
        with pytest.raises(DataError, match="1 are graded differently, and 1 tasks have no label"):
            load(file)


class TestJsonMin:
    def test_an_entry_for_each_annotation(self, tmp_path: Path) -> None:
        for name in "abc":
            write_png(tmp_path / f"{name}.png")
        file = export(
            tmp_path,
            {"image": "a.png", "id": 1, "choice": "L", "annotator": 1, "annotation_id": 5, "lead_time": 2.5},
            {"image": "a.png", "id": 1, "choice": "L", "annotator": 2, "annotation_id": 6},
            {"image": "b.png", "id": 2, "choice": {"choices": ["bs"]}, "annotator": "hanako"},
            {"image": "c.png", "id": 3, "annotator": 1},
        )
        found = label_studio.read_export(file)
        assert [(row.path, row.grade, row.labeller) for row in found.images] == [
            ("a.png", "L", "1, 2"),
            ("b.png", "BS", "hanako"),
        ]
        assert found.unlabelled == 1

    def test_two_grades_in_one_entry(self, tmp_path: Path) -> None:
        write_png(tmp_path / "a.png")
        with pytest.raises(DataError, match=r"several grades: task 1 \(L, M\)\. Choose one"):
            load(export(tmp_path, {"image": "a.png", "id": 1, "choice": {"choices": ["L", "M"]}}))


class TestErrors:
    def refused(self, tmp_path: Path, content: Any, message: str) -> None:
        file = tmp_path / "project.json"
        file.write_text(content if isinstance(content, str) else json.dumps(content))
        with pytest.raises(DataError, match=message) as caught:
            load(file)
        assert "project.json" in str(caught.value)

    def test_choices_that_are_no_grade(self, tmp_path: Path) -> None:
        write_png(tmp_path / "a.png")
        tasks = [task("a.png", annotation("Large")), task("a.png", annotation("XL")), task("a.png", annotation("Large"))]
        self.refused(tmp_path, tasks, r"choices that are no grade: Large, XL\. The grades are 2L L M S 2S BL BM BS C")

    @pytest.mark.parametrize("image", ["http://ls:8080/data/upload/1/a.png", "https://x/a.png", "s3://b/a.png", "//host/a.png"])
    def test_images_by_address(self, tmp_path: Path, image: str) -> None:
        write_png(tmp_path / "a.png")
        self.refused(tmp_path, [task(image, annotation("L"), number=12)], f"by address.*task 12 {image}.*Export with the images")

    def test_an_image_inside_of_the_export(self, tmp_path: Path) -> None:
        self.refused(tmp_path, [task("data:image/png;base64,iVBOR", annotation("L"))], "by address")

    @pytest.mark.parametrize(
        "image",
        [
            "../secret.png",
            "/etc/passwd",
            "/data/local-files/?d=../secret.png",
            "/data/local-files/?d=/etc/passwd",
            "/data/local-files/?d=%2e%2e/secret.png",
            "/data/upload/../../secret.png",
            "/data/upload/3/%2e%2e/%2e%2e/secret.png",
            "%2e%2e/secret.png",
            "a\\..\\secret.png",
            "a\0.png",
        ],
    )
    def test_images_outside_of_the_folder(self, tmp_path: Path, image: str) -> None:
        write_png(tmp_path / "secret.png")
        (tmp_path / "export").mkdir()
        self.refused(tmp_path / "export", [task(image, annotation("L"))], "outside of its folder")

    def test_links_that_lead_out(self, tmp_path: Path) -> None:
        write_png(tmp_path / "secret.png")
        (tmp_path / "export").mkdir()
        (tmp_path / "export" / "a.png").symlink_to(tmp_path / "secret.png")
        self.refused(tmp_path / "export", [task("a.png", annotation("L"))], "not beside it")

    def test_images_that_are_not_there(self, tmp_path: Path) -> None:
        tasks = [task(f"{number}.png", annotation("L"), number=number) for number in range(12)]
        self.refused(tmp_path, tasks, r"not beside it: task 0 0\.png, .* and 2 more\. Export with the images")
        self.refused(tmp_path, [task("a" * 300, annotation("L"))], "not beside it")
        self.refused(tmp_path, [task("", annotation("L"))], "has no data.image")

    def test_an_image_that_cannot_be_read(self, tmp_path: Path) -> None:
        (tmp_path / "a.png").write_bytes(b"a shopping list")
        export(tmp_path, task("a.png", annotation("L")))
        with pytest.raises(DataError, match=r"1 unreadable photographs.*\n.*a\.png"):
            load(tmp_path / "project-3.json")

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ("{", "no readable JSON"),
            ("[" * 100_000, "no readable JSON"),
            ("\ud83e".encode("utf-16-le", "surrogatepass").decode("latin-1"), "no readable JSON"),
            ({"tasks": []}, "no list of tasks"),
            ([], "no photograph with one grade"),
            (["L"], "entry 1 is no task"),
            ([{"id": 5}], "task 5 has neither data and annotations"),
            ([{"data": {"image": "a.png"}}], "entry 1 has neither"),
        ],
    )
    def test_no_export(self, tmp_path: Path, content: Any, message: str) -> None:
        self.refused(tmp_path, content, message)

    def test_all_that_is_wrong_is_said_at_once(self, tmp_path: Path) -> None:
        tasks = [task("gone.png", annotation("XL")), task("http://x/a.png", annotation("L")), task("../a.png", annotation("L"))]
        with pytest.raises(DataError) as caught:
            load(export(tmp_path, *tasks))
        assert all(words in str(caught.value) for words in ("XL", "http://x/a.png", "../a.png", "gone.png"))

    @given(st.recursive(ATOMS, lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(KEYS), inner), max_leaves=20))
    @settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_any_json_is_read_or_refused(self, tmp_path: Path, content: Any) -> None:
        (tmp_path / "any.json").write_text(json.dumps([content, {"data": content, "annotations": [content]}]))
        with pytest.raises(DataError):  # it names no image that is there
            load(tmp_path / "any.json")


class TestKinds:
    def test_what_else_a_folder_is_counts_more(self, tmp_path: Path) -> None:
        write_png(tmp_path / "L" / "a.png")
        export(tmp_path, task("L/a.png", annotation("S")))
        assert load(tmp_path).counts() == {"L": 1}
        write_manifest(tmp_path, [LabelledImage("L/a.png", "C")])
        assert load(tmp_path).counts() == {"C": 1}

    def test_several_exports_leave_a_choice(self, tmp_path: Path) -> None:
        for name in ("a.json", "b.json"):
            export(tmp_path, task("a.png", annotation(GRADES[0])), name=name)
        (tmp_path / ".hidden.json").write_text("[]")
        with pytest.raises(UnknownSource, match=r"several \.json \(a\.json, b\.json\); name one"):
            load(tmp_path)
