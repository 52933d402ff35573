"""Network, optimizer, schedule and average of a run, and the epoch that moves them.

Every random number of an epoch comes from (seed, epoch), so that the state after an epoch is all that a later one needs.
"""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from models.architectures.network import WithAuxiliaries
from models.architectures.served import ServedNetwork
from models.errors import DataError, RunError
from training import checkpoints
from training.arrays import Arrays
from training.augment import augment, mixup
from training.balance import balanced_draw, class_weights, shuffled
from training.config import TrainingConfig
from training.layers import freeze, parameter_groups
from training.precision import autocast_dtype, grad_scaler, memory_format

EVALUATION_PIXELS: Final = 2**20
"""Pixels evaluated at once: the activations of larger batches cost memory and gain no time."""


class Loop:
    """One run's training. `model` holds the starting weights; `train` is kept in the device's memory as a whole."""

    def __init__(self, config: TrainingConfig, model: ServedNetwork, train: Arrays, grades: int, device: torch.device) -> None:
        if device.type == "cuda":
            torch.backends.cudnn.deterministic = True  # its fastest convolutions add up in an order of their own each time
        self.config, self.device, self.grades = config, device, grades
        self.inputs, self.targets = train.inputs.to(device), train.targets.to(device)
        self.host_targets = train.targets.cpu()
        self.dtype = autocast_dtype(config.amp, device)
        self.scaler = grad_scaler(self.dtype, device)
        self.model = model.to(device)
        self.model.network.to(memory_format=memory_format(config.channels_last, device))
        self.frozen = freeze(self.model.network, config.freeze)
        self.average = (
            AveragedModel(self.model, multi_avg_fn=_ema(config.ema_decay), use_buffers=True)
            if config.ema_decay is not None
            else None
        )
        self.class_weights = class_weights(train.targets, grades).to(device) if config.balance == "weights" else None
        kind = torch.optim.AdamW if config.optimizer == "adamw" else torch.optim.Adam
        groups = parameter_groups(self.model.network, config.learning_rate, config.layer_decay)
        # fused: one pass over the weights for each step; on a CPU the default takes several times as long
        self.optimizer = kind(groups, lr=config.learning_rate, weight_decay=config.weight_decay, fused=True)
        # Every image once an epoch, in batches of the size asked for or a little more: a last batch of one image would break
        # batch normalisation.
        self.batches = len(train.targets) // config.batch_size
        steps = -(-self.batches // config.accumulate)
        self.schedule = (
            torch.optim.lr_scheduler.OneCycleLR(
                self.optimizer, [group["lr"] for group in groups], total_steps=config.epochs * steps, pct_start=0.2
            )
            if config.schedule == "one_cycle"
            else None
        )

    @property
    def learning_rates(self) -> dict[str, float]:
        """Of each group of layers, first layer first."""
        return {str(group["name"]): float(group["lr"]) for group in self.optimizer.param_groups}

    def run_epoch(self, epoch: int) -> float:
        """One pass over the images in an order of its own; returns the mean loss. Raises DataError when that is not finite."""
        seed = epoch_seed(self.config.seed, epoch)
        generator, rng = torch.Generator().manual_seed(seed), np.random.default_rng(seed)
        torch.manual_seed(seed + 1)  # dropout draws from the global generator
        self.model.train()
        for module in self.frozen:
            module.eval()
        total = torch.zeros((), device=self.device)
        batches = self._order(generator).to(self.device).tensor_split(self.batches)
        for start in range(0, len(batches), self.config.accumulate):
            group = batches[start : start + self.config.accumulate]
            images = sum(len(picked) for picked in group)
            for picked in group:
                loss = self._loss(picked, generator, rng)
                self.scaler.scale(loss * (len(picked) / images)).backward()  # type: ignore[no-untyped-call]
                total += loss.detach() * len(picked)  # never read before the epoch ends: a GPU would have to wait
            self._step()
        mean = float(total) / len(self.targets)
        if not math.isfinite(mean):
            raise DataError(f"The loss of epoch {epoch + 1} is {mean}. Lower --learning-rate, or look for broken images.")
        return mean

    def _order(self, generator: Generator) -> Tensor:
        if self.config.balance == "sampler":
            return balanced_draw(self.host_targets, self.grades, generator)
        return shuffled(self.host_targets, generator)

    def _loss(self, picked: Tensor, generator: Generator, rng: np.random.Generator) -> Tensor:
        """Mean loss over the images at `picked`, the weighted sum over the network's heads."""
        x, targets = augment(self.model.unit(self.inputs[picked]), self.config.augmentation, generator), self.targets[picked]
        x = self.model.standardise(x)  # B x C x H x W
        if not self.config.mixup:
            return self._heads_loss(x, lambda logits: self._entropy(logits, targets))
        x, order, share = mixup(x, self.config.mixup, rng)
        others = targets[order]
        return self._heads_loss(
            x, lambda logits: share * self._entropy(logits, targets) + (1 - share) * self._entropy(logits, others)
        )

    def _heads_loss(self, x: Tensor, criterion: Callable[[Tensor], Tensor]) -> Tensor:
        network = self.model.network
        with torch.autocast(self.device.type, dtype=self.dtype, enabled=self.dtype is not None):
            heads = network.weighted_logits(x) if isinstance(network, WithAuxiliaries) else ((1.0, network(x)),)
        losses = [criterion(logits.float()) * weight for weight, logits in heads]
        return torch.stack(losses).sum() if len(losses) > 1 else losses[0]

    def _entropy(self, logits: Tensor, targets: Tensor) -> Tensor:
        return F.cross_entropy(logits, targets, self.class_weights, label_smoothing=self.config.label_smoothing)

    def _step(self) -> None:
        if self.config.clip_norm is not None:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip_norm)
        scale = self.scaler.get_scale()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)
        if self.schedule and self.scaler.get_scale() >= scale:  # lower: float16 overflowed, no step was taken
            self.schedule.step()
        if self.average:
            self.average.update_parameters(self.model)

    def logits(self, inputs: Tensor) -> Tensor:
        """(N, H, W, 3) uint8 -> (N, grades) float32 on the CPU, in float32 by the weights that would be exported."""
        served = self._final().eval()
        images = max(16, min(256, EVALUATION_PIXELS // (inputs.shape[1] * inputs.shape[2])))
        with torch.no_grad():
            return torch.cat([plain_logits(served, part.to(self.device)).cpu() for part in torch.split(inputs, images)])

    def weights(self) -> dict[str, Tensor]:
        """`state_dict` of the bare network, without normalisation constants: a copy on the CPU."""
        state = self._final().network.state_dict()
        return {name: value.detach().to("cpu", copy=True).contiguous() for name, value in state.items()}

    def use(self, weights: dict[str, Tensor]) -> None:
        """Make these the weights that would be exported; after that there is no going on."""
        self._final().network.load_state_dict(weights)

    def _final(self) -> ServedNetwork:
        served = self.average.module if self.average else self.model
        assert isinstance(served, ServedNetwork)  # noqa: S101 - for the type checker: AveragedModel forgets what it holds
        return served

    def _parts(self) -> dict[str, Any]:
        parts = {"model": self.model, "average": self.average, "optimizer": self.optimizer, "schedule": self.schedule}
        return {name: part for name, part in {**parts, "scaler": self.scaler}.items() if part is not None}

    def save(self, path: Path, **more: Any) -> None:
        """Write the state that `restore` continues from, and what the caller wants to keep with it."""
        checkpoints.save(path, {**{name: part.state_dict() for name, part in self._parts().items()}, **more})

    def restore(self, path: Path) -> dict[str, Any]:
        """Continue where `save` stopped; returns all that was saved. Raises RunError when a part is missing."""
        state, _ = checkpoints.load(path)
        for name, part in self._parts().items():
            if name not in state:
                raise RunError(f"{path} lacks the state of the {name}. Train again without --resume.")
            part.load_state_dict(state[name])
        return state


def plain_logits(served: ServedNetwork, photographs: Tensor) -> Tensor:
    """(B, H, W, 3) uint8 -> (B, grades) float32 logits, whatever else the served network would answer."""
    logits: Tensor = served.network(served.standardise(served.unit(photographs)))
    return logits.float()


def epoch_seed(seed: int, epoch: int) -> int:
    """Far apart for neighbouring seeds and epochs; 63 bits."""
    return int(np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)[0] >> 1)


def _ema(decay: float) -> Callable[..., None]:
    average: Callable[..., None] = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
    return average
