"""Decisions make a corrected batch beside the old one, which stays as it is."""

import csv

import pytest

from models.errors import DataError
from models.grades import GRADES
from models.labelled import read_manifest
from tests.training.intake.pictures import as_batch, fruit
from training.intake import apply_decisions, examine, read_decisions, read_incoming, write_template
from training.intake.suspects import Suspect
from training.sources import load


@pytest.fixture
def folder(tmp_path):
    return as_batch(tmp_path / "batch", [(f"{i}.png", s.grade, s.whole()) for i, s in enumerate(fruit(9).samples)])


def decided(path, *rows):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("path", "given", "suggested", "decision"), *rows])
    return read_decisions(path)


def test_a_corrected_batch_is_written_and_the_old_one_stays(folder, tmp_path):
    before = (folder / "manifest.csv").read_bytes()
    decisions = decided(
        tmp_path / "d.csv",
        ("0.png", "2L", "L", "L"),
        ("1.png", "L", "M", "keep"),
        ("2.png", "M", "L", ""),
        ("3.png", "S", "L", "leave out"),
        ("4.png", "2S", "L", "2S"),
    )
    done = apply_decisions(read_incoming(folder), decisions, tmp_path / "new")
    assert (done.images, done.changed, done.confirmed, done.left_out, done.undecided) == (8, 1, 2, ("3.png",), 5)
    rows = {row.path: row for row in read_manifest(tmp_path / "new", GRADES)}
    assert (rows["0.png"].grade, rows["0.png"].facts["given_grade"]) == ("L", "2L")
    assert rows["1.png"].grade == "L"
    assert not rows["1.png"].facts["given_grade"]
    assert "3.png" not in rows
    assert len(load(tmp_path / "new")) == 8
    assert (tmp_path / "new" / "0.png").read_bytes() == (folder / "0.png").read_bytes()
    assert (folder / "manifest.csv").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["batch", "d.csv", "new"]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (("9.png", "L", "M", "M"), "not in batch"),
        (("0.png", "M", "L", "L"), "Make the report anew"),
        (("0.png", "2L", "L", "XXL"), "neither a grade"),
    ],
)
def test_a_decision_that_cannot_be_meant_is_an_error(folder, tmp_path, row, said):
    with pytest.raises(DataError, match=said):
        apply_decisions(read_incoming(folder), decided(tmp_path / "d.csv", row), tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_two_decisions_about_one_and_a_missing_column_are_errors(tmp_path):
    with pytest.raises(DataError, match="again"):
        decided(tmp_path / "d.csv", ("0.png", "2L", "L", "L"), ("0.png", "2L", "L", "keep"))
    (tmp_path / "d.csv").write_text("path,decision\n0.png,L\n")
    with pytest.raises(DataError, match="given"):
        read_decisions(tmp_path / "d.csv")


def test_an_existing_folder_is_left_alone(folder, tmp_path):
    with pytest.raises(DataError, match="exists already"):
        apply_decisions(read_incoming(folder), {}, folder)
    everything = {f"{i}.png": (s.grade, "leave out") for i, s in enumerate(fruit(9).samples)}
    with pytest.raises(DataError, match="leave nothing"):
        apply_decisions(read_incoming(folder), everything, tmp_path / "new")


def test_the_template_lists_the_suspects_undecided(folder, tmp_path):
    report = examine(read_incoming(folder), suspect=False)
    suspect = Suspect(name="0.png", given="2L", suggested="L", probability=0.8, given_probability=0.1, margin=0.7, confident=True)
    write_template(tmp_path / "d.csv", report.model_copy(update={"suspects": (suspect,)}))
    assert (tmp_path / "d.csv").read_text().splitlines() == ["path,given,suggested,decision", "0.png,2L,L,"]
    assert read_decisions(tmp_path / "d.csv") == {}
