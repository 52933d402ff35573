from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import InvalidBatch
from models.grades import GRADES
from models.labelled import COLUMNS, MANIFEST, LabelledImage, read_manifest, write_manifest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / "images" / name).write_bytes(b"x")
    return tmp_path


def read(folder: Path, manifest: str | bytes) -> list[LabelledImage]:
    (folder / MANIFEST).write_bytes(manifest if isinstance(manifest, bytes) else manifest.encode())
    return list(read_manifest(folder, GRADES))


class TestRoundTrip:
    def test_what_is_written_is_read(self, folder: Path) -> None:
        rows = [
            LabelledImage(
                "images/a.jpg", "L", "lot, 7", "line1-top", "2026-11-23T02:11:00Z", 'Sato "K"', "correction", {"length_px": "1.5"}
            ),
            LabelledImage("images/b.jpg", "BS", labeller="佐藤", facts={"length_px": ""}),
        ]
        assert write_manifest(folder, rows) == folder / MANIFEST
        assert list(read_manifest(folder, GRADES)) == rows

    @given(st.dictionaries(st.sampled_from(["lot", "camera", "labeller", "source"]), st.text(st.characters(codec="utf-8"))))
    @settings(max_examples=40, deadline=None)
    def test_any_text(self, tmp_path_factory: pytest.TempPathFactory, texts: dict[str, Any]) -> None:
        folder = tmp_path_factory.getbasetemp() / "any-text"
        folder.mkdir(exist_ok=True)
        (folder / "a.jpg").write_bytes(b"x")
        write_manifest(folder, [replace(LabelledImage("a.jpg", "L"), **texts)])
        [row] = read_manifest(folder, GRADES)
        assert {name: getattr(row, name) for name in texts} == {name: text.strip() for name, text in texts.items()}

    def test_facts_of_every_row_are_kept(self, folder: Path) -> None:
        rows = [LabelledImage("images/a.jpg", "L", facts={"one": "1"}), LabelledImage("images/b.jpg", "L", facts={"two": "2"})]
        write_manifest(folder, rows)
        assert [row.facts for row in read_manifest(folder, GRADES)] == [{"one": "1", "two": ""}, {"one": "", "two": "2"}]

    def test_a_fact_with_the_name_of_a_column(self, folder: Path) -> None:
        with pytest.raises(InvalidBatch, match="lot"):
            write_manifest(folder, [LabelledImage("images/a.jpg", "L", facts={"lot": "1"})])

    def test_no_rows(self, folder: Path) -> None:
        write_manifest(folder, [])
        assert (folder / MANIFEST).read_text().strip() == ",".join(COLUMNS)
        assert list(read_manifest(folder, GRADES)) == []


class TestTolerance:
    def test_only_path_and_grade_are_needed(self, folder: Path) -> None:
        assert read(folder, "grade,path\nL,images/a.jpg\n") == [LabelledImage("images/a.jpg", "L")]

    def test_as_spreadsheets_write_it(self, folder: Path) -> None:
        """A byte order mark, blanks around cells, empty columns at the end, empty lines, CR LF."""
        rows = read(folder, "\ufeffpath, grade ,note,,\r\n images/a.jpg ,L ,x,,\r\n\r\n")
        assert rows == [LabelledImage("images/a.jpg", "L", facts={"note": "x"})]

    def test_paths_are_normalised(self, folder: Path) -> None:
        assert [row.path for row in read(folder, "path,grade\n./images//a.jpg,L\n")] == ["images/a.jpg"]

    def test_other_grades_than_those_of_cucumbers(self, folder: Path) -> None:
        (folder / MANIFEST).write_text("path,grade\nimages/a.jpg,7\n")
        assert [row.grade for row in read_manifest(folder, "0123456789")] == ["7"]


class TestErrors:
    @pytest.mark.parametrize(
        ("manifest", "message"),
        [
            ("", "lacks the column grade and path"),
            ("path,lot\n", "lacks the column grade"),
            ("path,grade,lot,lot\n", "column lot more than once"),
            ("path,grade,path \n", "column path more than once"),
            ("path,grade\nimages/a.jpg\n", "line 2 has a different number of cells"),
            ("path,grade\nimages/a.jpg,L,more\n", "line 2 has a different number of cells"),
            ("path,grade\n,L\n", "line 2 has no path"),
            ("path,grade\nimages/a.jpg,\n", "line 2: grade '' is none of"),
            ("path,grade\nimages/a.jpg,l\n", "grade 'l' is none of 2L 2S BL"),
            ("path,grade\nimages/a.jpg,L\nimages/c.jpg,L\n", r"line 3: there is no file images/c\.jpg"),
            ("path,grade\nimages,L\n", "there is no file images"),
            ("path,grade\n.,L\n", "there is no file"),
            ("path,grade\n" + "a" * 300 + ",L\n", "there is no file aaa"),
            ("path,grade\nimages/a.jpg\0,L\n", "there is no file|CSV"),
            ("path,grade\n/etc/passwd,L\n", "leads out of the batch"),
            ("path,grade\n../secret.jpg,L\n", "leads out of the batch"),
            ("path,grade\nimages/../../secret.jpg,L\n", "leads out of the batch"),
            ("path,grade\nimages\\a.jpg,L\n", "leads out of the batch"),
            ("path,grade\nimages/a.jpg,L\n./images/a.jpg,M\n", r"line 3 lists images/a\.jpg again"),
            ('path,grade\n"images/a.jpg,L\n', "not a readable CSV"),
            ('path,"grade\n', "not a readable CSV"),
            ("path,grade\n" + "a" * 200_000 + ",L\n", "not a readable CSV"),
            (b"path,grade\nimages/\xff.jpg,L\n", "not a readable CSV"),
            (b"p\xe4th,grade\n", "not a readable CSV"),
            ("path,grade\n".encode("utf-16"), "not a readable CSV"),
        ],
    )
    def test_what_breaks_the_format(self, folder: Path, manifest: str | bytes, message: str) -> None:
        with pytest.raises(InvalidBatch, match=message) as caught:
            read(folder, manifest)
        assert MANIFEST in str(caught.value)

    def test_no_manifest(self, folder: Path) -> None:
        with pytest.raises(InvalidBatch, match=MANIFEST):
            list(read_manifest(folder, GRADES))
        (folder / MANIFEST).mkdir()
        with pytest.raises(InvalidBatch, match=MANIFEST):
            list(read_manifest(folder, GRADES))

    def test_links_that_lead_out(self, tmp_path: Path) -> None:
        batch, outside = tmp_path / "batch", tmp_path / "outside"
        for folder in (batch, outside):
            folder.mkdir()
        (outside / "a.jpg").write_bytes(b"x")
        (batch / "file.jpg").symlink_to(outside / "a.jpg")
        (batch / "folder").symlink_to(outside)
        for path in ("file.jpg", "folder/a.jpg"):
            with pytest.raises(InvalidBatch, match="there is no file"):
                read(batch, f"path,grade\n{path},L\n")
