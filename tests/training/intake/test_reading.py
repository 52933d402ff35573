"""A bad row or photograph is listed with its reason and stops nothing; a broken source still does."""

import zipfile

import pytest

from models.errors import DataError, InvalidBatch, UnknownSource
from models.imaging import encode_png
from tests.training.intake.pictures import as_batch, fruit
from training.intake import examine, read_incoming


def bad_batch(tmp_path):
    pictures = [(f"{i}.png", s.grade, s.whole()) for i, s in enumerate(fruit(9).samples)]
    folder = as_batch(tmp_path / "batch", pictures)
    (folder / "0.png").write_bytes(b"no picture")
    (folder / "1.png").write_bytes((folder / "1.png").read_bytes()[:400])  # its header is whole
    with (folder / "manifest.csv").open("a") as file:
        file.write("gone.png,L,,,,,\n../out.png,L,,,,,\n2.png,L,,,,,\n3.png,L\n")
    (folder / "x.png").write_bytes((folder / "5.png").read_bytes())
    with (folder / "manifest.csv").open("a") as file:
        file.write("x.png,XXL,,,,,\n")
    return folder


def test_each_bad_row_and_photograph_is_listed(tmp_path):
    incoming = read_incoming(bad_batch(tmp_path))
    assert [(refused.name, refused.why) for refused in incoming.refused] == [
        *((f"line {line}", "row") for line in (11, 12, 13, 14)),
        ("x.png", "unknown grade"),
    ]
    assert incoming.listed == 14
    report = examine(incoming, suspect=False)
    assert {refused.name for refused in report.refused if refused.why == "unreadable"} == {"0.png", "1.png"}
    assert report.readable == report.usable == 7
    assert report.left_out_counts() == {"row": 4, "unknown grade": 1, "unreadable": 2}
    assert sum(report.left_out_counts().values()) + report.usable == report.listed


def test_a_zip_is_read_likewise(tmp_path):
    folder = bad_batch(tmp_path)
    with zipfile.ZipFile(tmp_path / "packed.zip", "w") as archive:
        for path in folder.iterdir():
            archive.write(path, path.name)
    incoming = read_incoming(tmp_path / "packed.zip")
    assert (incoming.data.name, len(incoming.data), len(incoming.refused)) == ("packed", 9, 5)


def test_a_folder_per_grade_lists_what_lies_elsewhere(tmp_path):
    content = encode_png(fruit(9).samples[0].whole())
    for path in ("L/a.png", "L/deep/b.png", "XXL/c.png", "d.png", ".hidden/e.png"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(content)
    incoming = read_incoming(tmp_path)
    assert [sample.name for sample in incoming.data.samples] == ["L/a.png", "L/deep/b.png"]
    assert [(refused.name, refused.why) for refused in incoming.refused] == [
        ("XXL/c.png", "unknown grade"),
        ("d.png", "unknown grade"),
    ]


def test_a_source_that_is_broken_as_a_whole_is_an_error(tmp_path):
    with pytest.raises(UnknownSource):
        read_incoming(tmp_path / "absent")
    (tmp_path / "manifest.csv").write_text("path,label\na.png,L\n")
    with pytest.raises(InvalidBatch, match="grade"):
        read_incoming(tmp_path)
    (tmp_path / "manifest.csv").write_text("path,grade\n")
    with pytest.raises(DataError, match="names no photograph"):
        read_incoming(tmp_path)
