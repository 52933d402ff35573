"""The training loop: labelled images -> a run folder with a checkpoint, curves and figures.

A run can be killed at any moment and resumed to the weights of an uninterrupted one: every random number of an epoch comes
from (seed, epoch), and the state after each epoch is written in one step.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.tensorboard import SummaryWriter

from models.architectures import build
from models.architectures.served import ServedNetwork
from models.errors import DataError, RunError
from models.preprocess import PreprocessSpec
from training import checkpoints
from training.augment import augment
from training.calibrate import fit_temperature
from training.config import TrainingConfig
from training.run import Run, RunFacts
from training.sources import LabelledSet, Sample
from training.splits import hold_out

RESUME_FILE: Final = "resume.pt"


@dataclass(frozen=True, slots=True)
class Arrays:
    """Images in memory: inputs (N, H, W, 3) uint8, targets (N,) int64 class indices."""

    inputs: Tensor
    targets: Tensor


@dataclass(frozen=True, slots=True)
class Progress:
    """What a watcher hears after each epoch."""

    epoch: int
    epochs: int
    loss: float
    validation_accuracy: float


def to_arrays(samples: list[Sample], grades: tuple[str, ...], spec: PreprocessSpec) -> Arrays:
    """Samples through the preprocessing that serving uses."""
    inputs = np.stack([sample.network_input(spec) for sample in samples])
    targets = np.array([grades.index(sample.grade) for sample in samples], np.int64)
    return Arrays(torch.from_numpy(inputs), torch.from_numpy(targets))


def fit(
    config: TrainingConfig,
    data: LabelledSet,
    out: Path,
    resume: bool = False,
    watch: Callable[[Progress], None] | None = None,
    device: str | None = None,
) -> Run:
    """Train and write the run folder `out`.

    Raises RunError when `out` holds another run (or, with `resume`, one of other settings or data), DataError for data that
    cannot be trained on or a loss that is no longer finite.
    """
    facts = RunFacts.describe(config, data)
    kept, held_out = hold_out(data, config.validation_fraction, config.seed)
    if len(kept) < config.batch_size:
        raise DataError(
            f"{len(kept)} training images do not fill a batch of {config.batch_size}. Add images, or lower --batch-size."
        )
    train, validation = (to_arrays(part, facts.grades, config.preprocess) for part in (kept, held_out))
    run = Run.create(out, facts, resume)  # only now: data that cannot be trained on must not leave a folder behind
    loop = _Loop(config, facts.grades, train, torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu")))
    first = loop.restore(out / RESUME_FILE) if resume else 0
    with SummaryWriter(str(out / "tensorboard"), purge_step=first) as board:
        for epoch in range(first, config.epochs):
            loss = loop.run_epoch(epoch)
            accuracy = float((loop.logits(validation.inputs).argmax(1) == validation.targets).float().mean())
            board.add_scalar("loss/train", loss, epoch)
            board.add_scalar("accuracy/validation", accuracy, epoch)
            board.add_scalar("learning_rate", loop.learning_rate, epoch)
            loop.save(out / RESUME_FILE, epoch + 1)
            if watch:
                watch(Progress(epoch + 1, config.epochs, loss, accuracy))
    logits = loop.logits(validation.inputs).numpy()
    calibration = fit_temperature(logits, validation.targets.numpy())
    names = [sample.name for sample in held_out]
    run.finish(
        loop.weights(), logits, names, validation.targets.numpy(), calibration, validation.inputs.numpy(), data.attribution
    )
    return run


class _Loop:
    """Network, optimizer, schedule and average, and the epoch that moves them."""

    def __init__(self, config: TrainingConfig, grades: tuple[str, ...], train: Arrays, device: torch.device) -> None:
        self.config, self.device = config, device
        self.inputs, self.targets = train.inputs.to(device), train.targets.to(device)
        torch.manual_seed(config.seed)
        self.model = ServedNetwork(build(config.architecture, len(grades), config.preprocess), config.preprocess).to(device)
        self.average = (
            AveragedModel(self.model, multi_avg_fn=_ema(config.ema_decay), use_buffers=True)
            if config.ema_decay is not None
            else None
        )
        kind = torch.optim.AdamW if config.optimizer == "adamw" else torch.optim.Adam
        self.optimizer = kind(self.model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
        # Every image once an epoch, in batches of the size asked for or a little more: a last batch of one image would break
        # batch normalisation.
        self.batches = len(train.targets) // config.batch_size
        self.schedule = (
            torch.optim.lr_scheduler.OneCycleLR(
                self.optimizer, config.learning_rate, total_steps=config.epochs * self.batches, pct_start=0.2
            )
            if config.schedule == "one_cycle"
            else None
        )

    @property
    def learning_rate(self) -> float:
        return float(self.optimizer.param_groups[0]["lr"])

    def run_epoch(self, epoch: int) -> float:
        """One pass over the images in an order of its own; returns the mean loss."""
        generator = torch.Generator().manual_seed(_epoch_seed(self.config.seed, epoch))
        torch.manual_seed(_epoch_seed(self.config.seed, epoch) + 1)  # dropout draws from the global generator
        self.model.train()
        total = torch.zeros((), device=self.device)
        for picked in torch.randperm(len(self.targets), generator=generator).tensor_split(self.batches):
            chosen = picked.to(self.device)
            x = augment(self.model.unit(self.inputs[chosen]), self.config.augmentation, generator)
            logits = self.model.network(self.model.standardise(x))
            loss = F.cross_entropy(logits, self.targets[chosen], label_smoothing=self.config.label_smoothing)
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimizer.step()
            if self.schedule:
                self.schedule.step()
            if self.average:
                self.average.update_parameters(self.model)
            total += loss.detach() * len(picked)
        mean = float(total) / len(self.targets)
        if not math.isfinite(mean):
            raise DataError(f"The loss of epoch {epoch + 1} is {mean}. Lower --learning-rate, or look for broken images.")
        return mean

    def logits(self, inputs: Tensor) -> Tensor:
        """(N, H, W, 3) uint8 -> (N, grades) float32 on the CPU, by the weights that would be exported."""
        network = self._final()
        network.eval()
        with torch.no_grad():
            return torch.cat([network.logits(part.to(self.device)).float().cpu() for part in torch.split(inputs, 256)])

    def weights(self) -> dict[str, Tensor]:
        """`state_dict` of the bare network, without normalisation constants, on the CPU."""
        network = self._final().network
        return {name: value.detach().cpu() for name, value in network.state_dict().items()}

    def _final(self) -> ServedNetwork:
        final = self.average.module if self.average else self.model
        assert isinstance(final, ServedNetwork)  # noqa: S101 - for the type checker
        return final

    def save(self, path: Path, epochs_done: int) -> None:
        parts = {"model": self.model, "average": self.average, "optimizer": self.optimizer, "schedule": self.schedule}
        state: dict[str, Any] = {name: part.state_dict() for name, part in parts.items() if part is not None}
        checkpoints.save(path, {**state, "epochs_done": epochs_done})

    def restore(self, path: Path) -> int:
        """Continue where `save` stopped; returns the number of epochs done. A run killed in its first epoch starts anew."""
        if not path.exists():
            return 0
        state, _ = checkpoints.load(path)
        parts = {"model": self.model, "average": self.average, "optimizer": self.optimizer, "schedule": self.schedule}
        for name, part in parts.items():
            if part is not None:
                if name not in state:
                    raise RunError(f"{path} lacks the state of the {name}. Train again without --resume.")
                part.load_state_dict(state[name])
        return int(state["epochs_done"])


def _ema(decay: float) -> Callable[..., None]:
    average: Callable[..., None] = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
    return average


def _epoch_seed(seed: int, epoch: int) -> int:
    """Far apart for neighbouring seeds and epochs; 63 bits."""
    return int(np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)[0] >> 1)
