"""`--recipe` as a user meets it, in `senka train` and `senka crossval`."""

import json
from pathlib import Path

import pytest

from tests.commands import home, ok, senka  # noqa: F401 - home is a fixture
from training.synth import RIG, synthesize

pytestmark = pytest.mark.usefixtures("home")

QUICK = ("--set", "renders=128", "--set", "epochs=1")


@pytest.fixture(scope="module")
def samples(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("data") / "samples"
    synthesize(folder, 54, seed=1, sizes=[(32, 32)], scene=RIG)
    return str(folder)


def test_from_photographs_to_a_published_model(samples):
    done = ok("train", "--data", samples, "--recipe", "best", *QUICK, "--out", "run", "--json")
    trained = json.loads(done.stdout)
    assert (trained["recipe"], trained["images"]) == ("best", 54)
    assert 0 <= trained["light_alone"] <= 1
    assert "measuring rendered fruit to within length_px" in done.stderr
    assert "54 images" in Path("run/report.html").read_text()
    exported = json.loads(ok("export", "run", "--out", "m.onnx", "--json").stdout)
    assert exported["parity"] <= exported["parity_limit"]
    assert exported["card"]["architecture"] == "rbf"
    ok("models", "publish", "m.onnx", "--promote", "--run", "run")
    assert json.loads(ok("evaluate", "--model", "champion", "--data", samples, "--json").stdout)["images"] == 54
    assert (
        "graded without itself" in ok("train", "--data", samples, "--recipe", "best", *QUICK, "--out", "run", "--resume").stdout
    )


def test_crossval_of_a_recipe_in_strange_light(samples):
    facts = json.loads(
        ok("crossval", "--data", samples, "--recipe", "fruit", *QUICK, "--folds", "2", "--by-light", "8", "--json").stdout
    )
    assert facts["model"] == "fruit"
    assert facts["images"] == 54
    assert {"accuracy", "macro_f1", "ece", "ece_before", "selective", "per_grade", "confusion"} <= facts.keys()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("train", "--recipe", "worst", "--out", "r"), "Known: best, fruit"),
        (("train", "--recipe", "best", "--epochs", "3", "--out", "r"), "--epochs does not go with --recipe"),
        (("train", "--recipe", "best", "--arch", "lenet", "--out", "r"), "--arch does not go with --recipe"),
        (("train", "--recipe", "best", "--set", "depth=3", "--out", "r"), "NAME of renders, epochs"),
        (("train", "--recipe", "best", "--set", "ridge=much", "--out", "r"), "ridge"),
        (("train", "--set", "ridge=1", "--out", "r"), "--set goes with --recipe"),
        (("train", "--arch", "alexnet", "--size", "32x32", "--out", "r"), "at least 63x63"),
        (("crossval", "--recipe", "worst"), "Known: best, fruit"),
        (("crossval", "--recipe", "best", "--arch", "lenet"), "change it with --set"),
        (("crossval", "--arch", "vgg19", "--size", "16x16"), "at least 32x32"),
        (("synth", "there", "--scene", "moon"), "Known: belt, rig"),
    ],
)
def test_wrong_usage_is_named_before_anything_is_trained(samples, arguments, says):
    data = () if arguments[0] == "synth" else ("--data", samples)
    done = senka(*arguments, *data)
    assert done.exit_code == 2
    assert says in " ".join(done.stderr.replace("│", " ").split())
    assert not Path("r").exists()
