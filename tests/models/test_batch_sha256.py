"""What names a labelled batch, and cells that a spreadsheet would take for formulas."""

import csv
import hashlib
import random
import shutil
import string
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import InvalidBatch
from models.grades import GRADES
from models.labelled import (
    MANIFEST,
    BatchDigest,
    LabelledImage,
    batch_sha256,
    manifest_writer,
    read_manifest,
    write_manifest,
)

TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
ROWS = st.lists(
    st.builds(
        LabelledImage,
        path=st.sampled_from(string.ascii_lowercase).map("images/{}.jpg".format),
        grade=st.sampled_from(GRADES),
        **dict.fromkeys(("lot", "camera", "captured_at", "labeller", "source"), TEXT),
        facts=st.dictionaries(st.sampled_from(("fruit", "length_px", "note")), TEXT),
    ),
    min_size=1,
    max_size=6,
    unique_by=lambda row: row.path,
)


def write(folder: Path, rows: list[LabelledImage]) -> Path:
    (folder / "images").mkdir(parents=True)
    for row in rows:
        (folder / row.path).write_bytes(f"photograph {row.path}".encode())
    write_manifest(folder, rows)
    return folder


@pytest.fixture
def batch(tmp_path: Path) -> Path:
    facts = {"fruit": "7", "note": ""}
    return write(tmp_path / "batch", [LabelledImage(f"images/{n}.jpg", "L", lot=f"lot {n}", facts=facts) for n in "abc"])


class TestName:
    @given(ROWS, st.randoms())
    @settings(max_examples=60, deadline=None)
    def test_the_order_of_rows_and_the_folder_decide_nothing(self, rows: list[LabelledImage], random: random.Random) -> None:
        with tempfile.TemporaryDirectory() as folder:
            one = write(Path(folder) / "one", rows)
            shuffled = random.sample(rows, len(rows))
            other = write(Path(folder) / "another name", shuffled)
            (other / "notes.txt").write_text("not listed")
            assert batch_sha256(one) == batch_sha256(other)

    @given(ROWS, st.data())
    @settings(max_examples=60, deadline=None)
    def test_every_cell_decides(self, rows: list[LabelledImage], data: st.DataObject) -> None:
        at = data.draw(st.integers(0, len(rows) - 1))
        name = data.draw(st.sampled_from(("grade", "lot", "camera", "captured_at", "labeller", "source", "fact")))
        row = rows[at]
        if name == "fact":
            changed = replace(row, facts={**row.facts, "fruit": row.facts.get("fruit", "").strip() + "x"})
        elif name == "grade":
            changed = replace(row, grade=GRADES[GRADES.index(row.grade) - 1])
        else:
            changed = replace(row, **{name: getattr(row, name).strip() + "x"})
        with tempfile.TemporaryDirectory() as folder:
            one = write(Path(folder) / "one", rows)
            other = write(Path(folder) / "other", [*rows[:at], changed, *rows[at + 1 :]])
            assert batch_sha256(one) != batch_sha256(other)

    @given(ROWS)
    @settings(max_examples=40, deadline=None)
    def test_whoever_writes_a_batch_knows_its_name(self, rows: list[LabelledImage]) -> None:
        digest = BatchDigest()
        with tempfile.TemporaryDirectory() as folder:
            written = write(Path(folder) / "one", rows)
            for row in rows:
                digest.add(row, hashlib.sha256((written / row.path).read_bytes()).hexdigest())
            assert batch_sha256(written) == digest.hexdigest()

    def test_one_byte_of_one_image_decides(self, batch: Path) -> None:
        before = batch_sha256(batch)
        (batch / "images" / "b.jpg").write_bytes(b"another photograph")
        assert batch_sha256(batch) != before

    def test_images_that_change_places_decide(self, batch: Path) -> None:
        before = batch_sha256(batch)
        a, b = (batch / "images" / name for name in ("a.jpg", "b.jpg"))
        first, second = a.read_bytes(), b.read_bytes()
        a.write_bytes(second)
        b.write_bytes(first)
        assert batch_sha256(batch) != before

    def test_a_row_less_decides(self, batch: Path) -> None:
        rows = list(read_manifest(batch, GRADES))
        before = batch_sha256(batch)
        write_manifest(batch, rows[:2])
        assert batch_sha256(batch) != before

    def test_a_copy_with_other_columns_and_line_ends_has_the_same_name(self, batch: Path, tmp_path: Path) -> None:
        copy = tmp_path / "copy"
        shutil.copytree(batch, copy)
        with (batch / MANIFEST).open(newline="") as file:
            cells = list(csv.reader(file))
        lines = [",".join([*reversed(row), ""]) for row in cells]
        (copy / MANIFEST).write_text("\ufeff" + "\n".join(lines).replace("images/a.jpg", "./images/a.jpg") + "\n")
        assert batch_sha256(copy) == batch_sha256(batch)

    def test_grades_may_be_others_than_those_of_cucumbers(self, batch: Path) -> None:
        (batch / MANIFEST).write_text("path,grade\nimages/a.jpg,7\n")
        seven = batch_sha256(batch)
        (batch / MANIFEST).write_text("path,grade\nimages/a.jpg,8\n")
        assert batch_sha256(batch) != seven

    @pytest.mark.parametrize(
        ("manifest", "message"),
        [
            ("path,grade\nimages/a.jpg,\n", "line 2 has no grade"),
            ("path,grade\nimages/a.jpg,L\nimages/z.jpg,L\n", r"line 3: there is no file images/z\.jpg"),
            ("path,grade\n../a.jpg,L\n", "leads out of the batch"),
            ("path,grade\nimages/a.jpg,L\nimages/a.jpg,M\n", "again"),
            ("path\n", "lacks the column grade"),
        ],
    )
    def test_a_batch_that_breaks_the_format_has_no_name(self, batch: Path, manifest: str, message: str) -> None:
        (batch / MANIFEST).write_text(manifest)
        with pytest.raises(InvalidBatch, match=message):
            batch_sha256(batch)


class TestFormulas:
    @given(st.text(st.sampled_from("'=+-@＝＋－＠1.5eaLot \t"), max_size=8))
    @settings(max_examples=300, deadline=None)
    def test_any_text_is_read_as_it_was_meant(self, text: str) -> None:
        with tempfile.TemporaryDirectory() as folder:
            row = LabelledImage("images/a.jpg", "L", lot=text, labeller=text, facts={"note": text})
            [read] = read_manifest(write(Path(folder) / "batch", [row]), GRADES)
        assert (read.lot, read.labeller, read.facts["note"]) == (text.strip(),) * 3

    @pytest.mark.parametrize("text", ["=cmd|' /C calc'!A0", "+1+cmd", "-2+3", "@SUM(A1)", "＝1+1", "'=1", "-inf"])
    def test_no_cell_that_a_spreadsheet_would_run_is_written(self, tmp_path: Path, text: str) -> None:
        write(tmp_path / "batch", [LabelledImage("images/a.jpg", "L", lot=text, facts={"note": f" {text}"})])
        with (tmp_path / "batch" / MANIFEST).open(newline="") as file:
            [row] = csv.DictReader(file)
        assert (row["lot"], row["note"]) == (f"'{text}",) * 2

    @pytest.mark.parametrize("text", ["-1.5", "+3", "-2e-3", "A-1", "a=b", "'quoted'"])
    def test_numbers_and_harmless_texts_are_written_as_they_are(self, tmp_path: Path, text: str) -> None:
        write(tmp_path / "batch", [LabelledImage("images/a.jpg", "L", lot=text)])
        with (tmp_path / "batch" / MANIFEST).open(newline="") as file:
            assert next(csv.DictReader(file))["lot"] == text

    def test_a_path_is_a_path(self, tmp_path: Path) -> None:
        (tmp_path / "'=a.jpg").write_bytes(b"x")
        (tmp_path / MANIFEST).write_text("path,grade\n'=a.jpg,L\n")
        assert [row.path for row in read_manifest(tmp_path, GRADES)] == ["'=a.jpg"]


def test_a_manifest_is_written_row_by_row(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"x")
    with manifest_writer(tmp_path / MANIFEST, ["line", "note"]) as append:
        append(LabelledImage("a.jpg", "L", facts={"note": "=1", "other": "left out"}))
    [row] = read_manifest(tmp_path, GRADES)
    assert row.facts == {"line": "", "note": "=1"}
    with pytest.raises(InvalidBatch, match="lot"), manifest_writer(tmp_path / "other.csv", ["lot"]):
        pass
    assert not (tmp_path / "other.csv").exists()
