"""Several seeds: the same images held out, mean and spread, and the best."""

import json

import pytest

from models.errors import RunError
from tests.training.small import bars, config
from training.fit import fit
from training.seeds import SEEDS_FILE, SeedScores, fit_seeds, summarize


def scores(seed: int, accuracy: float, f1: float = 0.5) -> SeedScores:
    return SeedScores(seed=seed, run=f"r/seed-{seed}", accuracy=accuracy, macro_f1=f1, ece=0.1)


def test_mean_spread_and_the_best():
    found = summarize([scores(0, 0.8), scores(1, 0.9, 0.6), scores(2, 0.9, 0.7), scores(3, 0.8)])
    assert found.mean["accuracy"] == pytest.approx(0.85)
    assert found.spread["accuracy"] == pytest.approx(0.0577, abs=1e-4)
    assert found.best == "r/seed-2"


def test_seeds_share_what_is_held_out_and_can_be_resumed(tmp_path):
    told, names = [], []

    def train(settings, folder, resume=False):
        told.append(settings)
        run = fit(settings, bars(), folder, resume=resume)
        names.append((folder / "report.html").read_text().count("bar"))
        return run

    out = tmp_path / "runs"
    summary = fit_seeds(config(epochs=1, seed=5), 2, out, False, train)
    assert [(s.seed, s.split_seed) for s in told] == [(5, 5), (6, 5)]
    assert [run.run for run in summary.runs] == [str(out / "seed-0"), str(out / "seed-1")]
    assert json.loads((out / SEEDS_FILE).read_text()) == summary.model_dump(mode="json")
    again = fit_seeds(config(epochs=1, seed=5), 2, out, True, lambda s, f: train(s, f, resume=True))
    assert again == summary
    with pytest.raises(RunError, match="not empty"):
        fit_seeds(config(epochs=1), 2, out, False, train)
    with pytest.raises(RunError, match="holds a single run"):
        fit_seeds(config(epochs=1), 2, out / "seed-0", True, train)
