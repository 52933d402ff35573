"""Whether retraining keeps up with a season: python -m tests.benchmarks.season [--seeds 0 1] [--require better] [--picture SVG]

Light, variety and camera change in three steps, each on top of the ones before. In each condition labels arrive in three batches
of 200 fruit, and each batch goes through a whole retraining: intake, fine-tuning with replay, gate, promotion. After every batch
the champion is measured on 1,500 fresh fruit of each condition so far, beside the first champion, which never learns. It should
be within 3 points of its level before the step after two batches at most, and lose 2 points at most in older conditions.

Prints a line of JSON for each measurement, then a table and what was met; exit 1 where anything was not. The network sees 16x16
pixels, so that a season takes minutes of one core.
"""

import argparse
import json
import logging
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

import torch

from models.places import Places
from models.preprocess import PreprocessSpec
from models.repository import CHAMPION
from models.retrainings import RetrainRequest
from tests.benchmarks.season_chart import Point, season_chart
from tests.benchmarks.season_scenes import CONDITIONS, photographs, write_batch
from training.config import default_config
from training.evaluate import answers
from training.export import export
from training.fit import fit
from training.golden import Golden
from training.kept import keep
from training.retrain import retrain
from training.run import CHECKPOINT_FILE
from training.sources import LabelledSet

TRAIN, GOLDEN, BATCH, BATCHES, TEST = 1500, 900, 200, 3, 1500
TO_GOLDEN = 0.1
EPOCHS = 30
SPEC = PreprocessSpec(width=16, height=16)
RECOVERED, FORGOTTEN, PATIENCE = 0.03, 0.02, 2
"""Allowed below the level before a step; allowed loss in an older condition; batches until then."""


@dataclass(frozen=True)
class Measured:
    """The state of the line after so many batches of a condition."""

    seed: int
    condition: str
    batch: int
    outcome: str
    """Of the retraining; empty for batch 0, which is before the first label."""
    reasons: tuple[str, ...]
    seconds: float
    with_loop: dict[str, float]
    """Accuracy, 0 to 1, on each condition so far."""
    without: dict[str, float]


@dataclass(frozen=True)
class Step:
    """What one change of conditions did."""

    seed: int
    condition: str
    before: float
    """Accuracy with the loop in the condition before."""
    fallen: float
    """In the new one before any label of it."""
    recovered_after: int | None
    """Batches until it was within RECOVERED of `before`."""
    end: float
    without: float
    forgotten: float
    """Greatest loss in an older condition, from before the step to its last batch."""

    @property
    def met(self) -> bool:
        in_time = self.recovered_after is not None and self.recovered_after <= PATIENCE
        return in_time and self.without < self.before - RECOVERED and self.forgotten <= FORGOTTEN


def season(seed: int, home: Path, **asked: str) -> Iterator[Measured]:
    """Run a season in an empty SENKA_HOME and yield each measurement; `asked` of every retraining."""
    os.environ["SENKA_HOME"] = str(home)
    places = Places.load()
    first, *later = CONDITIONS
    begun = photographs(first, CONDITIONS[first], TRAIN, _seed(seed, 1))
    Golden(places.golden).add(photographs("golden", CONDITIONS[first], GOLDEN, _seed(seed, 2)))
    keep(begun, places.kept_batches)
    run = fit(default_config("lenet", SPEC, seed=seed, epochs=EPOCHS), begun, home / "first")
    export(run, home / "first.onnx", places.model_name)
    places.repository.publish(home / "first.onnx", "the first", promote=True, checkpoint=home / "first" / CHECKPOINT_FILE)
    tests = {name: photographs(name, scene, TEST, _seed(seed, 3, i)) for i, (name, scene) in enumerate(CONDITIONS.items())}
    still = _accuracies(1, places, tests)
    yield Measured(seed, first, 0, "", (), 0.0, {first: still[first]}, {first: still[first]})
    for place, condition in enumerate(later, 1):
        seen = {name: tests[name] for name in list(CONDITIONS)[: place + 1]}
        without = {name: still[name] for name in seen}
        yield Measured(seed, condition, 0, "", (), 0.0, _accuracies(CHAMPION, places, seen), without)
        for batch in range(1, BATCHES + 1):
            name = f"{condition}-{batch}"
            data = photographs(name, CONDITIONS[condition], BATCH, _seed(seed, 4, place, batch))
            folder = write_batch(data, home / "arrived" / name)
            began = time.monotonic()
            request = RetrainRequest(data=(str(folder),), promote=True, to_golden=TO_GOLDEN, seed=seed, **asked)
            created, turn = places.retrainings.begin(request)
            with turn:
                ended = retrain(places, created.id)
            took = round(time.monotonic() - began, 1)
            found = _accuracies(CHAMPION, places, seen)
            yield Measured(seed, condition, batch, ended.state, _said(ended.reasons, ended.text), took, found, without)


def steps(measured: Sequence[Measured]) -> list[Step]:
    """What each change of conditions of one season did."""
    found = []
    conditions = list(dict.fromkeys(row.condition for row in measured))
    for before, condition in pairwise(conditions):
        last = [row for row in measured if row.condition == before][-1]
        rows = [row for row in measured if row.condition == condition]
        level = last.with_loop[before]
        in_time = [row.batch for row in rows if row.with_loop[condition] >= level - RECOVERED - 1e-9]
        found.append(
            Step(
                seed=last.seed,
                condition=condition,
                before=level,
                fallen=rows[0].with_loop[condition],
                recovered_after=in_time[0] if in_time else None,
                end=rows[-1].with_loop[condition],
                without=rows[0].without[condition],
                forgotten=round(max(was - rows[-1].with_loop[name] for name, was in last.with_loop.items()), 4),
            )
        )
    return found


def _said(reasons: Sequence[str], text: str) -> tuple[str, ...]:
    return (*reasons, *([text[text.index("Two trainings") :]] if "Two trainings" in text else []))


def _seed(*numbers: int) -> int:
    """One number for several: no two sets share a fruit."""
    return int("".join(f"{number:02d}" for number in (1, *numbers)))


def _accuracies(wanted: str | int, places: Places, tests: dict[str, LabelledSet]) -> dict[str, float]:
    model = places.repository.load(places.repository.get(wanted))
    found = {name: answers(model, data) for name, data in tests.items()}
    return {name: round(float((one.logits.argmax(1) == one.truth).mean()), 4) for name, one in found.items()}


def _point(row: Measured) -> Point:
    return Point(row.condition, row.with_loop[row.condition], row.without[row.condition], row.outcome == "refused")


def table(found: Sequence[Step]) -> str:
    """Markdown, accuracies in percent."""
    heads = (
        "seed",
        "step",
        "before",
        "after the step",
        "batches to recover",
        "at its end",
        "without the loop",
        "older lose",
        "met",
    )
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    for one in found:
        batches = "never" if one.recovered_after is None else one.recovered_after
        figures = " | ".join(f"{100 * value:.1f}" for value in (one.before, one.fallen))
        rest = " | ".join(f"{100 * value:.1f}" for value in (one.end, one.without, one.forgotten))
        lines.append(f"| {one.seed} | {one.condition} | {figures} | {batches} | {rest} | {'yes' if one.met else 'no'} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--scratch", choices=("auto", "always", "never"), default="auto")
    parser.add_argument("--require", choices=("better", "not_worse"), default="not_worse")
    parser.add_argument("--picture", type=Path)
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    torch.set_num_threads(1)
    os.environ.pop("SENKA_MODEL_REPOSITORY", None)
    found: list[Step] = []
    seasons: list[list[Measured]] = []
    for seed in options.seeds:
        rows: list[Measured] = []
        with tempfile.TemporaryDirectory() as place:
            for row in season(seed, Path(place), scratch=options.scratch, require=options.require):
                rows.append(row)
                print(json.dumps(asdict(row)), flush=True)
        seasons.append(rows)
        found += steps(rows)
    print(table(found))
    if options.picture:
        curves = [[_point(row) for row in rows] for rows in seasons]
        options.picture.write_text(season_chart(curves, BATCH))
    sys.exit(not all(step.met for step in found))


if __name__ == "__main__":
    main()
