"""One training several times with other seeds: how much of a figure is luck."""

import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Final

from pydantic import BaseModel

from models.errors import RunError
from training.checkpoints import write_bytes
from training.config import TrainingConfig
from training.run import CONFIG_FILE, Run

SEEDS_FILE: Final = "seeds.json"


class SeedScores(BaseModel):
    """One run's figures on the held-out part."""

    seed: int
    run: str
    accuracy: float
    macro_f1: float
    ece: float


class SeedSummary(BaseModel):
    """`seeds.json`, and what `senka train --seeds --json` prints."""

    runs: list[SeedScores]
    mean: dict[str, float]
    spread: dict[str, float]
    """Standard deviation over the seeds (of a sample: n - 1)."""
    best: str
    """The run with the highest accuracy on the held-out part (then macro-F1, then the first). Its figures on that same part are
    optimistic, for they chose it: take `mean` for what a training gives, and judge the best on a test part."""


def fit_seeds(
    config: TrainingConfig, count: int, out: Path, resume: bool, train: Callable[[TrainingConfig, Path], Run]
) -> SeedSummary:
    """Train `out`/seed-0, seed-1, ... with as many seeds from `config.seed` on, all with the same images held out.

    `train` makes one run in the folder it is given. Raises RunError when `out` holds something else.
    """
    if (out / CONFIG_FILE).exists():
        raise RunError(f"{out} holds a single run. Choose another --out for several seeds.")
    if not resume and out.exists() and any(out.iterdir()):
        raise RunError(f"{out} is not empty. Choose another --out, or continue its runs with --resume.")
    split = config.seed if config.split_seed is None else config.split_seed
    found = []
    for index in range(count):
        one = config.model_copy(update={"seed": config.seed + index, "split_seed": split})
        run = train(one, out / f"seed-{index}")
        scores = run.metrics().scores
        found.append(
            SeedScores(seed=one.seed, run=str(run.folder), accuracy=scores.accuracy, macro_f1=scores.macro_f1, ece=scores.ece)
        )
    summary = summarize(found)
    write_bytes(out / SEEDS_FILE, summary.model_dump_json(indent=1).encode())
    return summary


def summarize(runs: list[SeedScores]) -> SeedSummary:
    """Two runs or more."""
    columns = {name: [float(getattr(run, name)) for run in runs] for name in ("accuracy", "macro_f1", "ece")}
    return SeedSummary(
        runs=runs,
        mean={name: statistics.fmean(values) for name, values in columns.items()},
        spread={name: statistics.stdev(values) for name, values in columns.items()},
        best=max(runs, key=lambda run: (run.accuracy, run.macro_f1)).run,
    )
