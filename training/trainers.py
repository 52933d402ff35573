"""Trainers for cross-validation: how a name on the command line becomes a model of one fold."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from models.architectures import NAMES, default_spec, require_size
from models.architectures.served import ServedNetwork
from models.card import Calibration
from models.errors import DataError, InvalidSetting
from models.preprocess import PreprocessSpec
from training.config import Augmentation, TrainingConfig, default_config
from training.crossval import FoldModel, Trainer
from training.export import load_network
from training.fit import fit
from training.fit_recipe import follow
from training.measuring import Advance, learn_to_measure
from training.recipe import RECIPE_SETTINGS, Recipe, find_recipe, parse_changes
from training.sources import LabelledSet, Sample
from training.start import Start

BATCH = 256
TRAINING_SETTINGS: Final = tuple(
    name
    for name in (*TrainingConfig.model_fields, *Augmentation.model_fields)
    if name not in ("architecture", "preprocess", "seed", "augmentation", "freeze")
)
"""What --set may change of an architecture's training."""


class ArchTrainer:
    """One network of an architecture, trained as `senka train` does: calibrated on what it holds out of its training part."""

    def __init__(
        self, architecture: str, preprocess: PreprocessSpec | None = None, start: Start | None = None, **changes: object
    ) -> None:
        """`changes` replace settings of the architecture's default TrainingConfig; those that are None are left alone.

        `start` must not have seen the photographs that will be tested on: weights of rendered fruit or of ImageNet have not.

        Raises pydantic's ValidationError for a value that a setting refuses.
        """
        self.name, self.start = architecture, start
        self.config = default_config(architecture, preprocess or default_spec(architecture), **changes)

    def fit(self, data: LabelledSet, seed: int, grades: tuple[str, ...], folder: Path) -> FoldModel:
        """A run in `folder`. Raises DataError for data that lacks one of `grades` or cannot be trained on."""
        _require_grades(data, grades)
        run = fit(self.config.model_copy(update={"seed": seed}), data, folder, start=self.start)
        network, _ = load_network(run)
        return _NetworkModel(network, run.facts.config.preprocess, run.metrics().calibration)


class _NetworkModel:
    """A trained network, what it takes and its temperature."""

    def __init__(self, network: ServedNetwork, spec: PreprocessSpec, calibration: Calibration) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.network, self.spec, self.calibration = network.to(self.device), spec, calibration

    def logits(self, samples: Sequence[Sample]) -> npt.NDArray[np.float32]:
        """(N, K) float32."""
        parts = []
        for start in range(0, len(samples), BATCH):
            inputs = np.stack([sample.network_input(self.spec) for sample in samples[start : start + BATCH]])
            with torch.no_grad():
                parts.append(self.network.logits(torch.from_numpy(inputs).to(self.device)).float().cpu().numpy())
        return np.concatenate(parts)


class RecipeTrainer:
    """A recipe, calibrated on its training part left out photograph by photograph.

    What measures is learned once for each seed, from rendered fruit: it knows nothing of any fold.
    """

    def __init__(self, recipe: Recipe, advance: Advance | None = None) -> None:
        self.name, self.recipe, self.advance = recipe.recipe, recipe, advance
        self._measuring: dict[int, dict[str, Tensor]] = {}

    def fit(self, data: LabelledSet, seed: int, grades: tuple[str, ...], folder: Path) -> FoldModel:
        """Writes nothing into `folder`. Raises DataError for data that lacks one of `grades` or cannot be trained on."""
        _require_grades(data, grades)
        recipe = self.recipe.model_copy(update={"seed": seed})
        if seed not in self._measuring:
            self._measuring[seed] = learn_to_measure(recipe, self.advance)
        fitted = follow(recipe, data, self._measuring[seed])
        return _NetworkModel(fitted.network, recipe.preprocess, fitted.calibration)


def _require_grades(data: LabelledSet, grades: tuple[str, ...]) -> None:
    if data.labels != grades:
        raise DataError(f"{data.name} holds {' '.join(data.labels)}; the whole set {' '.join(grades)}. Lower --folds.")


def trainer_for(
    architecture: str | None,
    recipe: str | None = None,
    changes: Sequence[str] = (),
    size: tuple[int, int] | None = None,
    start: Start | None = None,
    **settings: Any,
) -> Trainer:
    """The trainer that the command line names, a lenet where it names none; the one place where names become trainers.

    `changes` are settings as NAME=VALUE, `size` is (width, height) of the network's input in pixels. Raises InvalidSetting for
    an architecture, a recipe, a size or a setting that there is not.
    """
    architecture = "rbf" if recipe else architecture or "lenet"
    if architecture not in NAMES:
        raise InvalidSetting(f"There is no architecture {architecture!r}. Known: {', '.join(NAMES)}.")
    spec = default_spec(architecture)
    if size:
        spec = spec.model_copy(update={"width": size[0], "height": size[1]})
    try:
        require_size(architecture, spec)
    except ValueError as error:
        raise InvalidSetting(str(error)) from error
    if recipe:
        return RecipeTrainer(find_recipe(recipe, preprocess=spec, **parse_changes(changes, RECIPE_SETTINGS)))
    found = parse_changes(changes, TRAINING_SETTINGS)
    if twice := [name for name in found if settings.get(name) is not None]:
        raise InvalidSetting(f"{', '.join(twice)} is set twice, by --set and by an option of its own. Give one of them.")
    settings["augmentation"] = {name: found.pop(name) for name in list(found) if name in Augmentation.model_fields} or None
    return ArchTrainer(architecture, spec, start, **{**settings, **found})
