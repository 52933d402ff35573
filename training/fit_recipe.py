"""A recipe followed: labelled photographs -> a run folder, or the network alone for a fold of a cross-validation."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from models.architectures.rbf import RbfNetwork
from models.architectures.served import ServedNetwork
from models.card import Calibration
from training import checkpoints
from training.arrays import Arrays, require_trainable, to_arrays
from training.calibrate import fit_temperature
from training.measuring import Advance, learn_to_measure, load_measuring
from training.rbf import fit_rbf, light_alone, require_few_enough
from training.recipe import Recipe
from training.run import Run, RunFacts
from training.sources import LabelledSet, Sample
from training.splits import require_grades

log = logging.getLogger(__name__)

TELLING: Final = 2.0
"""How many times as often as the most frequent grade the light must be right before it is warned of."""
MEASURING_FILE: Final = "measuring.pt"


@dataclass(frozen=True, slots=True)
class Fitted:
    """A network that followed a recipe, and how it would have graded its own photographs had it not seen them."""

    network: ServedNetwork
    arrays: Arrays
    left_out: npt.NDArray[np.float32]
    """(N, grades) logits, each by the fit without the photograph's group."""
    calibration: Calibration
    light: Tensor
    """(N, D) float64 descriptors of their light."""


def follow(recipe: Recipe, data: LabelledSet, measuring: Mapping[str, Tensor]) -> Fitted:
    """Fit the network of a recipe on all photographs of `data`, with weights of `learn_to_measure`.

    Raises DataError for data that cannot be trained on.
    """
    samples, arrays = read(recipe, data)
    spec = recipe.preprocess
    network = RbfNetwork(len(data.labels), spec.channels, spec.height, spec.width)
    load_measuring(network.measuring, measuring)
    served = ServedNetwork(network, spec).eval()
    with torch.no_grad():
        parts = [network.features(served.unit(part)) for part in torch.tensor_split(arrays.inputs, -(-len(samples) // 256))]
    measures, light = (torch.cat(columns) for columns in zip(*parts, strict=True))
    groups = [sample.group for sample in samples]
    left_out = fit_rbf(network, measures, light, arrays.targets, groups, data.labels, recipe)
    return Fitted(served, arrays, left_out, fit_temperature(left_out, arrays.targets.numpy()), light)


def read(recipe: Recipe, data: LabelledSet) -> tuple[list[Sample], Arrays]:
    """The photographs by name, so that the order of a manifest's lines decides nothing, and as arrays.

    Raises DataError for data that cannot be trained on.
    """
    samples = sorted(data.samples, key=lambda sample: sample.name)
    require_grades(data)
    require_trainable(data, samples, batch_size=1)
    require_few_enough(len(samples))
    return samples, to_arrays(samples, data.labels, recipe.preprocess)


def fit_recipe(recipe: Recipe, data: LabelledSet, out: Path, resume: bool = False, advance: Advance | None = None) -> Run:
    """Follow a recipe into the run folder `out`; its figures are of photographs left out one group at a time.

    A run that was killed starts anew with `resume`, or after what it measured with, to the same weights. Raises RunError when
    `out` holds another run, DataError for data that cannot be trained on.
    """
    samples, _ = read(recipe, data)  # now: what cannot be trained on must cost no time and leave no folder behind
    run = Run.create(out, RunFacts.describe(recipe, data), resume)
    kept = out / MEASURING_FILE
    if resume and kept.exists():
        measuring, _ = checkpoints.load(kept)
    else:
        measuring = learn_to_measure(recipe, advance)
        checkpoints.save(kept, measuring)
    fitted = follow(recipe, data, measuring)
    groups = [sample.group for sample in samples]
    told = None
    if recipe.light_components:
        told = light_alone(fitted.light, fitted.arrays.targets, groups, data.labels, recipe)
        _warn_of_light(told, data)
    weights = {name: value.detach().cpu() for name, value in fitted.network.network.state_dict().items()}
    run.finish(
        weights,
        fitted.left_out,
        [sample.name for sample in samples],
        fitted.arrays.targets.numpy(),
        fitted.calibration,
        fitted.arrays.inputs.numpy(),
        data.attribution,
        light_alone=told,
        groups=groups,
    )
    return run


def _warn_of_light(told: float, data: LabelledSet) -> None:
    chance = max(data.counts().values()) / len(data)
    if told > TELLING * chance:
        log.warning(
            "the light on the belt alone tells the grade of %.0f %% of these photographs: each session saw some grades only. The "
            "figures are those of the same sessions; for other days train --recipe fruit, and see `senka crossval --by-light`.",
            100 * told,
        )
