"""The commands of the README, as a newcomer types them: minutes long, so marked slow."""

import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from models.grades import GRADES
from service.schemas import GradingOut
from tests.data import require_data

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def senka(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """One command with all the cores, its output captured."""
    environment = {
        name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS" and not name.startswith("SENKA_")
    }
    command = [sys.executable, "-m", "service.cli", *arguments]
    done = subprocess.run(command, env={**environment, "SENKA_HOME": str(home)}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done


def test_demo_trains_publishes_serves_and_grades(tmp_path):
    done = senka(tmp_path, "demo", "--once", "--json", "--rate", "60", "--port", "8310")
    facts = json.loads(done.stdout)
    assert facts["images"] >= 50
    assert facts["accuracy"] >= 0.90
    assert facts["url"] in done.stderr
    # every photograph of the round is on record, with its picture
    from service.records.database import open_database
    from service.records.photographs import PhotographStore
    from service.records.repository import Filters, Records

    store = PhotographStore(tmp_path / "demo" / "photographs")
    engine = open_database(f"sqlite:///{tmp_path / 'demo' / 'senka.db'}")
    recorded = Records(engine, store).page(Filters(), limit=500)
    assert len(recorded) == facts["images"]
    assert all(store.get(r.grading.photograph) for r in recorded)
    engine.dispose()
    # a second demo starts afresh in its own folder, and never in another's
    (tmp_path / "demo" / ".senka-demo").unlink()
    with pytest.raises(AssertionError, match="holds something else"):
        senka(tmp_path, "demo", "--once")


def test_real_photographs_from_archive_to_answer(tmp_path, serve):
    data = str(require_data() / "cucumber-9" / "cucumber-9-python.tar.gz")
    run, model = tmp_path / "run", tmp_path / "M.onnx"
    senka(tmp_path, "train", "--data", data, "--arch", "lenet", "--out", str(run))
    senka(tmp_path, "export", str(run), "--out", str(model))
    scores = json.loads(senka(tmp_path, "evaluate", "--model", str(model), "--data", data, "--split", "test", "--json").stdout)
    assert scores["images"] == 66
    assert scores["accuracy"] > 0.60
    assert {"accuracy", "macro_f1", "ece", "per_grade", "confusion", "images", "model"} <= scores.keys()
    card = json.loads((run / "config.json").read_text())
    assert card["data"]["images"] == 330  # training read nothing of test_batch
    senka(tmp_path, "models", "publish", str(model), "--promote")
    with serve(tmp_path) as url:
        photograph = (require_data() / "cucumber-frames" / "2S_01448.jpg").read_bytes()
        request = urllib.request.Request(f"{url}/v1/grade", photograph, {"Content-Type": "image/jpeg"})
        with urllib.request.urlopen(request, timeout=10) as response:
            grading = GradingOut.model_validate_json(response.read())
    assert grading.grade in GRADES
    assert sum(grading.probabilities.values()) == pytest.approx(1, abs=1e-5)


def test_deep_mnist_reads_digits(tmp_path):
    data = str(require_data() / "mnist")
    run, model = tmp_path / "run", tmp_path / "digits.onnx"
    senka(tmp_path, "train", "--data", data, "--arch", "deep-mnist", "--out", str(run))
    senka(tmp_path, "export", str(run), "--out", str(model))
    scores = json.loads(senka(tmp_path, "evaluate", "--model", str(model), "--data", data, "--split", "test", "--json").stdout)
    assert scores["images"] == 2000
    assert scores["accuracy"] >= 0.97
    # it is no grader of cucumbers, and the repository says so
    with pytest.raises(AssertionError, match="expected 2L L M S 2S"):
        senka(tmp_path, "models", "publish", str(model))
