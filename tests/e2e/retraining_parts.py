"""Photographs in three parts, as labelled batches: what a first champion learns, a batch of the rest, and the golden set."""

from dataclasses import dataclass
from pathlib import Path

from tests.data import require_data
from tests.e2e.live import senka
from training.kept import keep
from training.sources import LabelledSet, Sample, load
from training.splits import hold_out
from training.synth.batch import synthesize


@dataclass(frozen=True)
class Parts:
    first: Path
    rest: Path
    golden: Path
    training: tuple[str, ...]
    """Options of `senka train` for the first champion."""
    retraining: dict[str, str | int]
    """Options of `senka retrain`, by their names in `/v1/retrainings` too."""


def real_parts(folder: Path) -> Parts:
    """98, 165 and 133 real photographs of nine grades."""
    data = load(require_data() / "cucumber-9")
    others, golden = hold_out(data, 1 / 3, seed=1)
    rest, first = hold_out(LabelledSet("others", tuple(others)), 3 / 8, seed=1)

    def kept(name: str, samples: list[Sample]) -> Path:
        return keep(LabelledSet(name, tuple(samples), data.attribution), folder / name).folder

    return Parts(kept("first", first), kept("rest", rest), kept("golden", golden), ("--recipe", "best"), {})


def rendered_parts(folder: Path) -> Parts:
    """600, 300 and 300 rendered fruit."""
    for name, count, seed in (("first", 600, 1), ("rest", 300, 2), ("golden", 300, 3)):
        synthesize(folder / name, count, seed)
    settings = ("--arch", "lenet", "--epochs", "30")
    return Parts(folder / "first", folder / "rest", folder / "golden", settings, {"scratch": "never"})


def first_champion(home: Path, parts: Parts) -> None:
    """Train it, publish it with its weights, and make the golden set, as the README has it."""
    home.mkdir()
    run, model = home.parent / "run", home.parent / "first.onnx"
    for command in (
        ("train", "--data", str(parts.first), "--out", str(run), *parts.training),
        ("export", str(run), "--out", str(model)),
        ("models", "publish", str(model), "--promote", "--run", str(run)),
        ("golden", "add", "--data", str(parts.golden)),
    ):
        done = senka(home, *command, within_s=300)
        assert done.returncode == 0, done.stderr
