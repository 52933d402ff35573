"""A measuring network learned from rendered fruit alone: no photograph and no label of a real one is used."""

import logging
from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from models.architectures.measuring import MEASURES, MeasuringNetwork
from models.architectures.served import ServedNetwork
from models.preprocess import PreprocessSpec
from training.recipe import Recipe
from training.synth import measured_renders

log = logging.getLogger(__name__)

BATCH: Final = 64
LEARNING_RATE: Final = 3e-3
CHECKED: Final = 10
"""One render in so many is kept back to see how well the rest taught."""
Advance = Callable[[str, int, int], None]
"""What is done, how far, of how many."""


def learn_to_measure(recipe: Recipe, advance: Advance | None = None) -> dict[str, Tensor]:
    """Weights of a MeasuringNetwork for the recipe's input. The same recipe, seed and threads give the same weights.

    Smooth L1 loss on the standardised measures, AdamW with a one-cycle schedule; each batch is mirrored at random, lit a
    little more or less, and given noise. Raises DataError for an input that no fruit fits.
    """
    spec = recipe.preprocess
    tell = advance or (lambda *_: None)
    done = 0

    def drawn() -> None:
        nonlocal done
        done += 1
        tell("rendering", done, recipe.renders)

    pixels, measures = measured_renders(recipe.renders, (spec.width, spec.height), recipe.seed, advance=drawn)
    torch.manual_seed(recipe.seed)
    network = MeasuringNetwork(spec.channels, spec.height, spec.width)
    kept = np.arange(len(pixels)) % CHECKED != 0
    targets = torch.from_numpy(measures)
    network.mean.copy_(targets[kept].mean(0))
    network.std.copy_(targets[kept].std(0))
    reflectance = _reflectance(network, spec, pixels)
    _train(network, reflectance[kept], (targets[kept] - network.mean) / network.std, recipe, tell)
    network.eval()
    with torch.no_grad():
        error = network.standardised(reflectance[~kept]) * network.std + network.mean - targets[~kept]
    rms = error.square().mean(0).sqrt().tolist()
    log.info("measuring rendered fruit to within %s", ", ".join(f"{n} {e:.2g}" for n, e in zip(MEASURES, rms, strict=True)))
    return {name: value.detach().clone() for name, value in network.state_dict().items()}


def load_measuring(network: MeasuringNetwork, weights: Mapping[str, Tensor]) -> None:
    """Take weights of `learn_to_measure`, and keep them: what measures must not drift with the photographs."""
    network.load_state_dict(weights)
    network.requires_grad_(requires_grad=False)


def _reflectance(network: MeasuringNetwork, spec: PreprocessSpec, pixels: np.ndarray) -> Tensor:
    """(N, H, W, 3) uint8 -> (N, C, H, W) float32."""
    served = ServedNetwork(network, spec)
    with torch.no_grad():
        return torch.cat(
            [
                network.reflectance(served.unit(part))
                for part in torch.tensor_split(torch.from_numpy(pixels), -(-len(pixels) // 256))
            ]
        )


def _train(network: MeasuringNetwork, inputs: Tensor, targets: Tensor, recipe: Recipe, tell: Advance) -> None:
    optimizer = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE, weight_decay=1e-2, fused=True)
    batches = max(1, len(inputs) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=recipe.epochs * batches)
    generator = torch.Generator().manual_seed(recipe.seed)
    network.train()
    for epoch in range(recipe.epochs):
        for picked in torch.randperm(len(inputs), generator=generator).tensor_split(batches):
            x = inputs[picked]
            for axis in (2, 3):
                if torch.rand((), generator=generator) < 0.5:
                    x = x.flip(axis)
            brightness = 1 + 0.1 * torch.randn(len(x), 1, 1, 1, generator=generator)
            x = x * brightness + 0.03 * torch.randn(x.shape, generator=generator)
            loss = F.smooth_l1_loss(network.standardised(x), targets[picked])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
        tell("learning to measure", epoch + 1, recipe.epochs)
