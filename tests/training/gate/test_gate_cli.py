"""`senka gate` as a user meets it, with two networks that were really trained and exported."""

import json
from pathlib import Path

import pytest
import simplejpeg

from tests.commands import home, ok, senka  # noqa: F401 - home is a fixture
from tests.training.small import bars, config
from training.export import export
from training.fit import fit

pytestmark = pytest.mark.usefixtures("home")
SET = ("--set", "max_temperature_ratio=50", "--set", "resamples=300", "--set", "max_latency_ms=10000")
"""Three grades of sharp bars are learned perfectly: no temperature fits that; and a busy machine must not refuse anybody."""


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """Folder with golden/, runs weak/ and good/, and their ONNX files."""
    folder = tmp_path_factory.mktemp("gate")
    for index, sample in enumerate(bars(120, seed=5).samples):
        place = folder / "golden" / sample.grade
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{index}.jpg").write_bytes(simplejpeg.encode_jpeg(sample.pixels, 98, "RGB", "444"))
    for name, epochs in (("weak", 1), ("good", 12)):
        run = fit(config(epochs=epochs), bars(90, seed=1), folder / name)
        export(run, folder / f"{name}.onnx")
    return folder


def gate(built: Path, candidate: str, champion: str, *more: str, done=senka):
    names = [str(built / f"{name}.onnx") if (built / f"{name}.onnx").exists() else name for name in (candidate, champion)]
    return done("gate", "--candidate", names[0], "--champion", names[1], "--golden", str(built / "golden"), *SET, *more)


def test_the_better_network_passes_and_the_worse_is_refused_with_reasons(built):
    done = gate(built, "good", "weak", "--run", str(built / "good"), "--report", "page", "--json", done=ok)
    verdict = json.loads(done.stdout)
    assert (verdict["outcome"], verdict["passed"]) == ("better", True)
    assert verdict == json.loads(Path("page/verdict.json").read_text())
    assert verdict["golden"]["accuracy"]["candidate"] > verdict["golden"]["accuracy"]["champion"]
    assert 0 <= verdict["parity"] < 1e-4
    # a LeNet has 512 hidden units, and 120 images cannot tell what their biases add: that is said, and not passed over
    assert verdict["cam_error"] is None
    assert any("120 images are too few to check that the candidate's map" in note for note in verdict["notes"])
    text = Path("page/gate.html").read_text()
    assert "What gets better" in text
    assert 0 < text.count("<figure>") <= 48

    done = gate(built, "weak", "good")
    assert done.exit_code == 1
    assert done.stdout.startswith("Refused. It does not pass.\n- ")
    assert "%" in done.stdout


def test_the_champion_itself_passes_only_as_not_worse(built):
    assert gate(built, "good", "good").exit_code == 1
    assert "Not shown to be better. It passes." in gate(built, "good", "good", "--require", "not_worse", done=ok).stdout


def test_a_first_model_and_a_missing_champion(built):
    assert "There is no champion" in gate(built, "good", "none", done=ok).stdout
    missing = gate(built, "good", "champion")
    assert missing.exit_code == 1
    assert "has no champion" in missing.stderr


def test_corrections_and_the_run_of_another_model(built):
    done = gate(built, "good", "weak", "--corrections", str(built / "golden"), done=ok)
    assert "One photograph takes" in done.stdout
    assert gate(built, "good", "weak", "--run", str(built / "weak")).exit_code == 1  # not the run it was exported from


@pytest.mark.parametrize(("wrong", "words"), [("max_luck=1", "no such bound"), ("min_accuracy=7", "less than or equal to 1")])
def test_bounds_that_are_none_are_wrong_usage(built, wrong, words):
    done = gate(built, "good", "weak", "--set", wrong)
    assert done.exit_code == 2
    assert words in " ".join(done.stderr.replace("│", " ").split())


def test_require_knows_two_words(built):
    assert gate(built, "good", "weak", "--require", "best").exit_code == 2
