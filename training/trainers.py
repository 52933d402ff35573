"""Trainers for cross-validation: how a name on the command line becomes a model of one fold."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from models.architectures import NAMES, default_spec
from models.architectures.served import ServedNetwork
from models.card import Calibration
from models.errors import DataError
from models.preprocess import PreprocessSpec
from training.config import default_config
from training.crossval import FoldModel, Trainer
from training.export import load_network
from training.fit import fit
from training.sources import LabelledSet, Sample

BATCH = 256


class ArchTrainer:
    """One network of an architecture, trained as `senka train` does: calibrated on what it holds out of its training part."""

    def __init__(self, architecture: str, preprocess: PreprocessSpec | None = None, **changes: object) -> None:
        """`changes` replace settings of the architecture's default TrainingConfig; those that are None are left alone.

        Raises pydantic's ValidationError for a value that a setting refuses.
        """
        self.name = architecture
        self.config = default_config(architecture, preprocess or default_spec(architecture), **changes)

    def fit(self, data: LabelledSet, seed: int, grades: tuple[str, ...], folder: Path) -> FoldModel:
        """A run in `folder`. Raises DataError for data that lacks one of `grades` or cannot be trained on."""
        if data.labels != grades:
            raise DataError(f"{data.name} holds {' '.join(data.labels)}; the whole set {' '.join(grades)}. Lower --folds.")
        run = fit(self.config.model_copy(update={"seed": seed}), data, folder)
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
                parts.append(self.network(torch.from_numpy(inputs).to(self.device)).float().cpu().numpy())
        return np.concatenate(parts)


def trainer_for(architecture: str, **changes: Any) -> Trainer:
    """The trainer that the command line names; the one place where names become trainers.

    Raises DataError for an architecture that there is not.
    """
    if architecture not in NAMES:
        raise DataError(f"There is no architecture {architecture!r}. Known: {', '.join(NAMES)}.")
    return ArchTrainer(architecture, **changes)
