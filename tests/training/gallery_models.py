"""A published model with the weights behind it: what a gallery is made of."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.architectures import default_spec
from models.card import card_of
from models.explain.frozen import UnitNetwork, freeze
from models.gallery import Galleries, Gallery
from models.graph import open_session
from models.repository import ModelRepository, Version
from training.config import default_config
from training.export import export
from training.fit import fit
from training.gallery import Wishes, make_gallery
from training.run import CHECKPOINT_FILE
from training.sources import LabelledSet, load


def publish(samples: str, folder: Path, home: Path, epochs: int = 2) -> ModelRepository:
    """Train a LeNet on `samples` in `folder` and make it the champion of `home`."""
    run = fit(default_config("lenet", default_spec("lenet"), epochs=epochs, batch_size=16), load(samples), folder / "run")
    export(run, folder / "model.onnx")
    repository = ModelRepository(home / "models")
    repository.publish(folder / "model.onnx", promote=True, checkpoint=run.folder / CHECKPOINT_FILE)
    return repository


@dataclass(frozen=True)
class Made:
    """A gallery, and all that it was made of."""

    repository: ModelRepository
    version: Version
    galleries: Galleries
    gallery: Gallery
    network: UnitNetwork
    data: LabelledSet

    @property
    def folder(self) -> Path:
        return self.galleries.folder(self.version.sha256)

    @property
    def photographs(self) -> np.ndarray:
        return np.stack([sample.network_input(self.network.spec) for sample in self.data.samples])


def unharmed(repository: ModelRepository) -> UnitNetwork:
    """The champion's network, of the caller's own."""
    version = repository.get("champion")
    return freeze(card_of(open_session(repository.load(version))), repository.load_checkpoint(version))


def gallery_of(samples: str, folder: Path, wishes: Wishes) -> Made:
    """Train, publish and make the gallery, all in `folder`."""
    repository = publish(samples, folder, folder / "home")
    version, galleries, data = repository.get("champion"), Galleries(folder / "home" / "galleries"), load(samples)
    gallery = make_gallery(repository, version, galleries, data, wishes)
    return Made(repository, version, galleries, gallery, unharmed(repository), data)
