"""`senka intake` as a user meets it."""

import csv
import json
from pathlib import Path

import pytest

from tests.commands import home, ok, senka  # noqa: F401 - home is a fixture
from tests.training.intake.pictures import as_batch, fruit, jpeg

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture
def batches(tmp_path):
    """Folders `batch`, `before` and `golden`; the batch holds a copy of the one and a leak of the other."""
    sets = {
        name: [(f"{i}.png", s.grade, s.whole()) for i, s in enumerate(fruit(9, seed).samples)]
        for seed, name in ((3, "batch"), (4, "before"), (5, "golden"))
    }
    sets["batch"] += [("old.png", sets["before"][0][1], sets["before"][0][2]), ("leak.png", "C", jpeg(sets["golden"][0][2]))]
    for name, pictures in sets.items():
        as_batch(tmp_path / name, pictures)


def test_the_report_in_every_form(batches):
    command = ("intake", "--data", "batch", "--against", "before", "--golden", "golden", "--report", "out", "--no-suspects")
    found = json.loads(ok(*command, "--json").stdout)
    assert [copy["name"] for copy in found["earlier"]] == ["old.png"]
    assert [copy["source"] for copy in found["leaks"]] == ["golden"]
    assert found["usable"] == 9
    assert json.loads(Path("out/report.json").read_text()) == found
    assert "Leaks into the golden set: 1" in Path("out/report.html").read_text()
    said = ok(*command).stdout
    assert "LEAKS" in said
    assert "Written: out" in said


def test_the_batch_without_what_is_left_out(batches):
    command = ("intake", "--data", "batch", "--against", "before", "--golden", "golden", "--no-suspects", "--out", "clean")
    assert "Written without what is left out: clean" in ok(*command).stdout
    with Path("clean/manifest.csv").open() as file:
        paths = [row["path"] for row in csv.DictReader(file)]
    assert len(paths) == 9
    assert {"old.png", "leak.png"}.isdisjoint(paths)
    again = senka(*command)
    assert again.exit_code == 2
    assert "exists already" in again.output


def test_decisions_make_a_new_batch(batches):
    with Path("d.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("path", "given", "suggested", "decision"), ("leak.png", "C", "", "leave out")])
    done = json.loads(ok("intake", "--data", "batch", "--decisions", "d.csv", "--out", "new", "--json").stdout)
    assert (done["images"], done["left_out"]) == (10, ["leak.png"])
    assert "9 photographs" not in ok("intake", "--data", "new", "--no-suspects").stdout
    again = senka("intake", "--data", "batch", "--decisions", "d.csv", "--out", "new")
    assert again.exit_code == 1
    assert "exists already" in again.output


@pytest.mark.parametrize(
    "arguments",
    [
        ("--decisions", "d.csv"),
        ("--decisions", "d.csv", "--out", "new", "--golden", "golden"),
        ("--against", "batch"),
        ("--against", "before", "--golden", "./before"),
    ],
)
def test_wrong_usage(batches, arguments):
    assert senka("intake", "--data", "batch", *arguments).exit_code == 2
