"""Images a second of the training loop against a bare PyTorch loop: python -m tests.benchmarks.training_speed --arch lenet

Both train the same network on the same images in memory with the same batches. The bare loop is what one writes first: float32
images normalised beforehand, `network`, `cross_entropy`, `backward`, AdamW with its defaults; a second one has AdamW's fused
step, as ours does. Ours starts from uint8 images, keeps the moving average and the one-cycle schedule; it is timed without
augmentation, with it, and as the whole `fit` (evaluation, curves, saved state too). What is compared runs in turns, so that both
meet whatever else the machine is doing; figures are medians, ratios those of neighbours in time.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from models.architectures import build, default_spec
from models.architectures.served import ServedNetwork
from models.grades import GRADES
from training.arrays import Arrays
from training.config import Augmentation, TrainingConfig, default_config
from training.fit import fit
from training.loop import Loop
from training.sources import LabelledSet, Sample

PLAIN = Augmentation(flip=False)
EVERYTHING = Augmentation(flip=True, shift_px=2, light=0.1, gradient=0.1, rotate_deg=5, noise=0.02)


def pictures(config: TrainingConfig, images: int) -> LabelledSet:
    rng = np.random.default_rng(0)
    shape = (config.preprocess.height, config.preprocess.width, 3)
    samples = (Sample(f"{i}", GRADES[i % 9], pixels=rng.integers(0, 256, shape, np.uint8)) for i in range(images))
    return LabelledSet("noise", tuple(samples))


def bare_epoch(config: TrainingConfig, arrays: Arrays, fused: bool | None) -> Callable[[], object]:
    served = ServedNetwork(build(config.architecture, 9, config.preprocess), config.preprocess)
    network = served.network.train()
    inputs, targets = served.standardise(served.unit(arrays.inputs)).contiguous(), arrays.targets
    optimizer = torch.optim.AdamW(network.parameters(), lr=config.learning_rate, fused=fused)
    batches = len(targets) // config.batch_size

    def run() -> None:
        for picked in torch.randperm(len(targets)).tensor_split(batches):
            optimizer.zero_grad()
            F.cross_entropy(network(inputs[picked]), targets[picked]).backward()
            optimizer.step()

    return run


def our_epoch(config: TrainingConfig, arrays: Arrays, augmentation: Augmentation) -> Callable[[], object]:
    config = config.model_copy(update={"augmentation": augmentation, "epochs": 1000})
    served = ServedNetwork(build(config.architecture, 9, config.preprocess), config.preprocess)
    loop = Loop(config, served, arrays, 9, torch.device("cpu"))
    epochs = iter(range(1000))
    return lambda: loop.run_epoch(next(epochs))


def whole_fit(config: TrainingConfig, data: LabelledSet, bare: Callable[[], object], epochs: int) -> list[tuple[float, float]]:
    """Seconds of each epoch of `fit` with all that belongs to it, and of a bare epoch after it."""
    times: list[tuple[float, float]] = []
    began = time.perf_counter()

    def watch(_: object) -> None:
        nonlocal began
        mine = time.perf_counter() - began
        times.append((mine, seconds_of(bare)))
        began = time.perf_counter()

    config = config.model_copy(update={"epochs": epochs + 1, "augmentation": PLAIN})
    with tempfile.TemporaryDirectory() as folder:
        fit(config, data, Path(folder) / "run", watch=watch, device="cpu")
    return times[1:]  # the first holds the start


def seconds_of(epoch: Callable[[], object]) -> float:
    began = time.perf_counter()
    epoch()
    return time.perf_counter() - began


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--arch", default="lenet")
    arguments.add_argument("--images", type=int, default=480)
    arguments.add_argument("--rounds", type=int, default=5)
    chosen = arguments.parse_args()
    torch.manual_seed(0)
    config = default_config(chosen.arch, default_spec(chosen.arch))
    data = pictures(config, chosen.images)
    inputs = np.stack([sample.network_input(config.preprocess) for sample in data.samples])
    arrays = Arrays(torch.from_numpy(inputs), torch.arange(len(data)) % 9)
    loops = {
        "bare": bare_epoch(config, arrays, None),
        "ours": our_epoch(config, arrays, PLAIN),
        "bare_fused": bare_epoch(config, arrays, True),
        "ours_augmented": our_epoch(config, arrays, EVERYTHING),
    }
    for epoch in loops.values():
        epoch()  # warms up
    rounds = [{name: seconds_of(epoch) for name, epoch in loops.items()} for _ in range(chosen.rounds)]
    fits = whole_fit(config, data, loops["bare"], chosen.rounds)
    trained = round(chosen.images * (1 - config.validation_fraction))
    speed = {name: chosen.images / statistics.median(turn[name] for turn in rounds) for name in loops}
    speed["whole_fit"] = trained / statistics.median(mine for mine, _ in fits)
    ratios = {
        f"{mine}/{bare}": statistics.median(turn[bare] / turn[mine] for turn in rounds)
        for mine in ("ours", "ours_augmented")
        for bare in ("bare", "bare_fused")
    }
    ratios["whole_fit/bare"] = statistics.median(bare / mine for mine, bare in fits) * trained / chosen.images
    figures = {
        "architecture": chosen.arch,
        "batch": config.batch_size,
        "threads": torch.get_num_threads(),
        "images_per_s": {name: round(value, 1) for name, value in speed.items()},
        "ratio": {name: round(value, 3) for name, value in ratios.items()},
    }
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
