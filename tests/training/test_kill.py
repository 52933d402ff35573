"""Killed without warning, again and again, a run that is resumed until it ends has the weights of an undisturbed one."""

import multiprocessing
import os
import random
import signal
import time
from pathlib import Path

import pytest
import torch

from tests.training.small import bars, config
from training import checkpoints
from training.config import Augmentation
from training.fit import fit
from training.run import CHECKPOINT_FILE, METRICS_FILE

# Children fork from a server process that has imported this module, and what torch loads at first use: it takes seconds. There is
# one such server for all tests: those of the repository fork from it too.
processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload(["tests.models.test_repository", __name__, "torch._dynamo"])

EVERYTHING = {
    "epochs": 8,
    "batch_size": 8,
    "accumulate": 2,
    "mixup": 0.3,
    "balance": "sampler",
    "layer_decay": 0.7,
    "freeze": ("norm1",),
    "clip_norm": 1.0,
    "patience": 6,
    "augmentation": Augmentation(flip=True, shift_px=1, light=0.1, gradient=0.1, rotate_deg=5, noise=0.02),
}


def train(out: str, settings: dict[str, object]) -> None:
    torch.set_num_threads(1)
    fit(config(**settings), bars(), Path(out), resume=True, save_every_s=0)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return checkpoints.load(folder / CHECKPOINT_FILE)[0]


def start(out: Path, settings: dict[str, object]) -> multiprocessing.process.BaseProcess:
    child = processes.Process(target=train, args=(str(out), settings))
    child.start()
    return child


@pytest.mark.parametrize(
    "settings",
    [{**EVERYTHING}, {"epochs": 8, "amp": "bf16", "balance": "weights"}, {"epochs": 8, "architecture": "rbf"}],
    ids=["all", "bf16", "rbf"],
)
def test_killed_at_random_and_resumed_ends_as_an_undisturbed_run(tmp_path, settings):
    warm = processes.Process(target=int)  # the first child waits for the server to start
    warm.start()
    warm.join()
    began = time.monotonic()
    whole = start(tmp_path / "whole", settings)
    whole.join(60)
    took = time.monotonic() - began
    assert whole.exitcode == 0

    rng, kills, finished = random.Random(7), 0, False
    for _ in range(40):
        child = start(tmp_path / "cut", settings)
        child.join(rng.uniform(0.2, 0.6) * took if kills < 3 else 60)
        finished = not child.is_alive()
        if finished:
            assert child.exitcode == 0
            break
        os.kill(child.pid, signal.SIGKILL)
        child.join()
        kills += 1
    assert finished
    assert kills >= 2
    assert (tmp_path / "cut" / METRICS_FILE).is_file()
    left, right = weights(tmp_path / "whole"), weights(tmp_path / "cut")
    assert left.keys() == right.keys()
    assert all(torch.equal(left[name], right[name]) for name in left)


def test_twice_the_same_seed_twice_the_same_weights(tmp_path):
    settings = {**EVERYTHING, "epochs": 3}
    for name in ("a", "b"):
        child = start(tmp_path / name, settings)
        child.join(60)
    assert (tmp_path / "a" / CHECKPOINT_FILE).read_bytes() == (tmp_path / "b" / CHECKPOINT_FILE).read_bytes()
