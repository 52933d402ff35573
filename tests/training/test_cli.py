"""Training's commands as a user meets them: what they print where, and how they end."""

import json
from pathlib import Path

import pytest

from models.grades import GRADES
from models.labelled import read_manifest
from models.places import Places
from tests.commands import home, ok, senka  # noqa: F401 - home is a fixture
from tests.training.small import bars, config
from training.export import export
from training.fit import fit

pytestmark = pytest.mark.usefixtures("home")


def test_from_samples_to_a_served_model(samples, tmp_path):
    trained = json.loads(ok("train", "--data", samples, "--out", "run", "--epochs", "1", "--json").stdout)
    assert trained["images"] == 18  # 15 % of 10 images of each grade, 2 of each
    exported = json.loads(ok("export", "run", "--out", "deep/er/m.onnx", "--json").stdout)
    assert exported["parity"] <= exported["parity_limit"]
    scores = json.loads(ok("evaluate", "--model", "deep/er/m.onnx", "--data", samples, "--report", "new/e.html", "--json").stdout)
    assert scores["images"] == 90
    assert {"accuracy", "macro_f1", "ece", "per_grade", "confusion", "model"} <= scores.keys()
    assert "errors in 90 images" in Path("new/e.html").read_text()
    first = json.loads(ok("models", "publish", "deep/er/m.onnx", "--promote", "--json").stdout)
    assert (first["version"], first["alias"]) == (1, "champion")
    assert (
        json.loads(ok("evaluate", "--model", "champion", "--data", samples, "--json").stdout)["confusion"] == scores["confusion"]
    )


def test_evaluate_reads_the_same_settings_as_the_service(samples, tmp_path):
    ok("train", "--data", samples, "--out", "run", "--epochs", "1")
    ok("export", "run", "--out", "m.onnx")
    Path("senka.toml").write_text(f'model_repository = "{tmp_path / "elsewhere"}"\n')
    ok("models", "publish", "m.onnx", "--promote")
    assert (tmp_path / "elsewhere" / "cucumber" / "1" / "model.onnx").is_file()
    ok("evaluate", "--model", "champion", "--data", samples)
    Path("champion").write_text("a file of that name is not meant")
    ok("evaluate", "--model", "champion", "--data", samples)


def test_a_champion_published_with_its_run_is_trained_on(samples, tmp_path):
    ok("train", "--data", samples, "--out", "run", "--epochs", "1")
    ok("export", "run", "--out", "m.onnx")
    ok("models", "publish", "m.onnx", "--promote")
    assert (
        "senka models publish MODEL.onnx --run RUN"
        in senka("train", "--data", samples, "--out", "a", "--from", "champion").stderr
    )
    assert "There is no nowhere/checkpoint.pt" in senka("models", "publish", "m.onnx", "--run", "nowhere").stderr
    ok("models", "publish", "m.onnx", "--run", "run")
    tuned = ok("train", "--data", samples, "--out", "tuned", "--from", "champion", "--freeze", "conv1", "--epochs", "1")
    assert "senka: starting from cucumber version 1" in tuned.stderr
    facts = json.loads(Path("tuned/config.json").read_text())
    assert facts["start"]["kind"] == "published"
    assert facts["config"]["freeze"] == ["conv1"]
    other = senka("train", "--data", samples, "--out", "tuned", "--epochs", "1", "--freeze", "conv1", "--resume")
    assert other.exit_code == 1
    assert "start" in other.stderr


def test_every_option_of_train_reaches_the_run(samples):
    options = (
        "--epochs 2 --batch-size 20 --accumulate 2 --learning-rate 0.01 --schedule constant --weight-decay 0.1 --clip-norm 2 "
        "--label-smoothing 0.2 --mixup 0.3 --balance sampler --patience 1 --layer-decay 0.5 --no-flip --shift-px 2 "
        "--rotate-deg 3 --light 0.1 --gradient 0.2 --noise 0.01 --amp off --channels-last on --size 40x24 --seed 3 "
        "--pictures-every 1"
    )
    ok("train", "--data", samples, "--out", "run", *options.split())
    kept = json.loads(Path("run/config.json").read_text())["config"]
    wanted = {
        "epochs": 2,
        "batch_size": 20,
        "accumulate": 2,
        "learning_rate": 0.01,
        "schedule": "constant",
        "weight_decay": 0.1,
        "clip_norm": 2.0,
        "label_smoothing": 0.2,
        "mixup": 0.3,
        "balance": "sampler",
        "patience": 1,
        "layer_decay": 0.5,
        "amp": "off",
        "channels_last": "on",
        "seed": 3,
    }
    assert {name: kept[name] for name in wanted} == wanted
    assert kept["augmentation"] == {
        "flip": False,
        "shift_px": 2,
        "rotate_deg": 3.0,
        "light": 0.1,
        "gradient": 0.2,
        "noise": 0.01,
    }
    assert (kept["preprocess"]["width"], kept["preprocess"]["height"]) == (40, 24)


def test_several_seeds_print_mean_spread_and_the_best(samples):
    done = ok("train", "--data", samples, "--out", "runs", "--epochs", "1", "--seeds", "2", "--json")
    printed = json.loads(done.stdout)
    assert [run["run"] for run in printed["runs"]] == ["runs/seed-0", "runs/seed-1"]
    assert printed["best"] in ("runs/seed-0", "runs/seed-1")
    assert {"accuracy", "macro_f1", "ece"} == printed["mean"].keys() == printed["spread"].keys()
    again = ok("train", "--data", samples, "--out", "runs", "--epochs", "1", "--seeds", "2", "--resume").stdout
    assert "standard deviation" in again
    assert "optimistic" in again


def test_synth_writes_a_batch_and_a_sheet():
    done = ok("synth", "batch", "--count", "12", "--seed", "4", "--size", "64x48", "--sheet", "sheets/s.png", "--json")
    assert json.loads(done.stdout) == {"folder": "batch", "images": 12, "seed": 4}
    assert len(list(read_manifest(Path("batch"), GRADES))) == 12
    assert Path("sheets/s.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            ["train", "--data", "DATA", "--out", "r", "--arch", "resnet"],
            "Known: alexnet, deep-mnist, googlenet, lenet, rbf, resnet34, vgg19",
        ),
        (["train", "--data", "DATA", "--out", "r", "--learning-rate", "0"], "learning_rate"),
        (["train", "--data", "DATA", "--out", "r", "--seed", "-1"], "--seed"),
        (["train", "--data", "DATA", "--out", "r", "--size", "2000x64"], "8 to 1024"),
        (["train", "--data", "DATA", "--out", "r", "--split", "half"], "train, test or all"),
        (
            ["train", "--data", "DATA", "--out", "r", "--balance", "fair"],
            "balance: Input should be 'none'",
        ),
        (["train", "--data", "DATA", "--out", "r", "--rotate-deg", "90"], "rotate_deg"),
        (["synth", "s", "--size", "640x64"], "640x64"),
        (["synth", "s", "--size", "big"], "WIDTHxHEIGHT"),
        (["synth", "s", "--seed", "-1"], "--seed"),
        (["evaluate", "--model", "m.onnx", "--data", "DATA", "--report", "."], "is a folder"),
        (["data", "fetch", "cifar"], "Known: cucumber-9"),
        (["melt"], "No such command"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_usage_exits_2_names_it_and_leaves_nothing(samples, tmp_path, arguments, says):
    done = senka(*(samples if argument == "DATA" else argument for argument in arguments))
    assert done.exit_code == 2, done.output
    assert says in " ".join(done.stderr.replace("│", " ").split())
    assert done.stdout == ""
    assert not (tmp_path / "r").exists()
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["train", "--data", "nowhere", "--out", "r"], "nowhere does not exist"),
        (["train", "--data", "DATA", "--data", "DATA", "--out", "r"], "is named twice"),
        (["train", "--data", "DATA", "--out", "r", "--batch-size", "500"], "lower --batch-size"),
        (["train", "--data", "DATA", "--out", "file"], "file"),
        (["train", "--data", "DATA", "--out", "r", "--from", "nowhere"], "There is no start 'nowhere'"),
        (["train", "--data", "DATA", "--out", "r", "--from", "champion"], "no champion"),
        (["train", "--data", "DATA", "--out", "r", "--freeze", "conv9"], "It has: conv1, norm1"),
        (["export", "file", "--out", "m.onnx"], "file"),
        (["export", "empty", "--out", "m.onnx"], "holds no training run"),
        (["evaluate", "--model", "m.onnx", "--data", "DATA"], "m.onnx"),
        (["evaluate", "--model", "champion", "--data", "DATA"], "no champion"),
        (["evaluate", "--model", "file.onnx", "--data", "DATA"], "Not a readable ONNX model"),
        (["synth", "file"], "file"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_fails_says_why_in_one_line_and_exits_1(samples, tmp_path, arguments, says):
    Path("file").write_text("x")
    Path("file.onnx").write_text("x")
    Path("empty").mkdir()
    done = senka(*(samples if argument == "DATA" else argument for argument in arguments))
    assert done.exit_code == 1, done.output
    assert done.exception is None or isinstance(done.exception, SystemExit)
    assert done.stderr.startswith("senka: ")
    assert "Traceback" not in done.output
    assert says in done.stderr
    assert not (tmp_path / "r").exists()


def test_a_damaged_run_is_named(tmp_path):
    run = fit(config(epochs=1), bars(), tmp_path / "run")
    export(run, tmp_path / "m.onnx")
    (run.folder / "parity_inputs.npy").unlink()
    assert "parity_inputs.npy cannot be read" in senka("export", "run", "--out", "n.onnx").stderr
    (run.folder / "metrics.json").write_text("{")
    assert "metrics.json is damaged" in senka("export", "run", "--out", "n.onnx").stderr
    assert not Path("n.onnx").exists()


def test_a_stopped_training_says_how_to_go_on(samples, monkeypatch):
    from training import loop as loop_module

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(loop_module, "augment", stop)
    done = senka("train", "--data", samples, "--out", "run", "--epochs", "1")
    assert done.exit_code == 1
    assert "--resume continues run" in done.stderr
    monkeypatch.undo()


def test_every_command_shows_an_example():
    from service.cli import Commands

    for name in Commands(name="senka").list_commands(None):
        assert "Example: senka" in ok(name, "--help").stdout, name
    for name in ("list", "show", "publish", "promote", "rollback"):
        assert f"Example: senka models {name}" in ok("models", name, "--help").stdout


def test_the_home_of_data_is_senkas(home):  # noqa: F811
    assert Places.load().home == home
