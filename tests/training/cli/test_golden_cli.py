"""`senka golden`, and trainings that keep away from it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from models.grades import GRADES
from models.labelled import read_manifest, write_manifest
from models.places import Places
from tests.commands import home, ok, senka  # noqa: F401 - home is a fixture
from training.kept import keep
from training.sources import load
from training.synth import synthesize

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture
def batch(tmp_path) -> Path:
    """18 rendered fruit in two lots, two of each grade."""
    folder = tmp_path / "judged"
    synthesize(folder, 18, seed=4, sizes=[(32, 32)])
    rows = list(read_manifest(folder, GRADES))
    for number, row in enumerate(rows):
        object.__setattr__(row, "lot", f"lot {number // 9}")
    write_manifest(folder, rows)
    return folder


def test_it_is_begun_shown_and_grown(batch, samples):
    assert "no golden set yet" in senka("golden", "show").stderr
    added = json.loads(ok("golden", "add", "--data", str(batch), "--json").stdout)
    assert (added["added"], added["already"], added["refused"]) == (18, 0, [])
    assert "0 photographs added, 18 were there; it holds 18" in ok("golden", "add", "--data", str(batch)).stdout
    shown = json.loads(ok("golden", "show", "--json").stdout)
    assert (shown["images"], shown["counts"], shown["lots"]) == (18, dict.fromkeys(GRADES, 2), ["lot 0", "lot 1"])
    assert [(one["source"], one["added"]) for one in shown["history"]] == [("judged", 18)]
    assert shown["folder"] == str(Places.load().golden)
    text = ok("golden", "show").stdout
    assert shown["sha256"] in text
    assert "lots: lot 0, lot 1" in text
    ok("golden", "add", "--data", samples, "--data", str(batch), "--folder", "other")
    assert "108 photographs" in ok("golden", "show", "--folder", "other").stdout


def test_a_contradiction_is_printed(batch, tmp_path):
    ok("golden", "add", "--data", str(batch))
    rows = list(read_manifest(batch, GRADES))
    wrong = "C" if rows[0].grade != "C" else "L"
    write_manifest(batch, [row if row is not rows[0] else type(row)(row.path, wrong) for row in rows])
    keep(load(batch), Places.load().kept_batches)  # as a retraining does
    said = ok("golden", "add", "--data", str(batch)).stdout
    assert "were learned by earlier models" in said
    assert "1 refused" in said
    assert f"{rows[0].path} is {wrong}, images/" in said


@pytest.mark.parametrize(
    "command",
    ["train --out run --epochs 1", "train --recipe fruit --out run", "crossval --folds 2 --out cv", "crossval --recipe fruit"],
)
def test_no_training_sees_it(batch, samples, command):
    ok("golden", "add", "--data", str(batch))
    name, *options = command.split()
    refused = senka(name, "--data", samples, "--data", str(batch), *options)
    assert refused.exit_code == 1
    assert "18 of 108 photographs of samples+judged are in the golden set" in refused.stderr
    assert not Path("run").exists()
    assert not Path("cv").exists()
    assert senka(name, "--data", str(Places.load().golden), *options).exit_code == 1


def test_whole_lots_are_held_out_and_tested(tmp_path):
    synthesize(tmp_path / "lots", 54, seed=4, sizes=[(32, 32)])
    rows = list(read_manifest(tmp_path / "lots", GRADES))
    seen = dict.fromkeys(GRADES, 0)
    for row in rows:
        object.__setattr__(row, "lot", f"lot {seen[row.grade] % 3}")
        seen[row.grade] += 1
    write_manifest(tmp_path / "lots", rows)
    common = ["--data", "lots", "--group-by", "lot", "--epochs", "1", "--json"]
    assert json.loads(ok("train", *common, "--batch-size", "8", "--out", "run").stdout)["images"] == 18
    assert json.loads(Path("run/config.json").read_text())["config"]["group_by"] == "lot"
    tested = json.loads(ok("crossval", *common, "--batch-size", "8", "--folds", "3").stdout)
    assert tested["images"] == 54
    assert "too few for 4 folds" in senka("crossval", *common, "--folds", "4").stderr
    assert senka("crossval", *common, "--by-light", "2").exit_code == 2
    assert senka("crossval", "--data", "lots", "--group-by", "day").exit_code == 2
    assert senka("train", "--data", "lots", "--group-by", "day", "--out", "b").exit_code == 2
    assert (
        "does not go with --recipe"
        in senka("train", "--data", "lots", "--group-by", "lot", "--out", "b", "--recipe", "fruit").stderr
    )


def test_it_loads_no_torch(batch, tmp_path):
    code = (
        "import sys; from service.cli import app; "
        f"app(['golden', 'add', '--data', {str(batch)!r}], standalone_mode=False); "
        "app(['golden', 'show'], standalone_mode=False); "
        "sys.exit('torch' in sys.modules or 'onnxruntime' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parents[3], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "18 photographs of 18 fruit" in done.stdout
