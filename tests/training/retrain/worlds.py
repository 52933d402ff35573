"""A SENKA_HOME small enough to retrain in seconds, and a gate that lets everything through."""

import shutil
import warnings
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Final

import numpy as np
import onnx
import torch

from models.architectures.network import Explained, Foldable
from models.architectures.served import ServedNetwork
from models.graph import CAM, EMBEDDING, INPUT, LOGITS
from models.places import Places
from models.preprocess import PreprocessSpec
from models.retrainings import Retraining, RetrainRequest
from training.config import default_config
from training.export import OPSET, export
from training.fit import fit
from training.golden import Golden
from training.kept import keep
from training.retrain import retrain
from training.retrain.progress import Watch
from training.run import CHECKPOINT_FILE
from training.sources import LabelledSet, load
from training.synth import synthesize

MODEL: Final = "model.onnx"
SPEC: Final = PreprocessSpec(width=16, height=16)
OPEN: Final = {
    "resamples": "100",
    "min_images": "1",
    "max_unjudged_grades": "9",
    "min_accuracy": "0",
    "min_recall": "0",
    "min_order_gain": "1",
    "max_temperature_ratio": "1e9",
    "max_cost_rise_yen": "1e9",
    "max_latency_ms": "1e9",
    "latency_free_ms": "1e9",
    **dict.fromkeys(("max_far_errors", "max_ece", "max_accuracy_fall", "max_golden_fall", "max_recall_fall"), "1"),
    **dict.fromkeys(("far_recall_fall", "max_ece_rise", "max_far_error_rise", "max_coverage_fall"), "1"),
}
"""Bounds that no model breaks."""
SHUT: Final = {**OPEN, "min_accuracy": "1"}
"""Bounds that none of these models keeps."""


@dataclass(frozen=True)
class World:
    """A home with a champion, the kept batch that it was trained on and a golden set; and the sources of new photographs."""

    home: Path
    sources: Path

    @property
    def places(self) -> Places:
        return Places(home=self.home)

    def source(self, name: str) -> str:
        """`earlier`, `judged` or `new`."""
        return str(self.sources / name)

    def asked(self, **changes: object) -> RetrainRequest:
        """Passed by the gate and promoted, unless told otherwise."""
        settings = {"data": (self.source("new"),), "epochs": 2, "scratch": "never", "promote": True, "require": "not_worse"}
        return RetrainRequest.model_validate({**settings, "bounds": OPEN, "threads": 1, "nice": 0, **changes})

    def run(self, request: RetrainRequest | str, watch: Watch | None = None) -> Retraining:
        """A new one, or by its id one that is resumed, to its end."""
        retrainings = self.places.retrainings
        if isinstance(request, str):
            with retrainings.take_turn(request):
                return retrain(self.places, request, watch=watch)
        created, turn = retrainings.begin(request)
        with turn:
            return retrain(self.places, created.id, watch=watch)

    def newest(self) -> Retraining:
        return self.places.retrainings.listed()[0]

    def champion(self) -> tuple[int | None, str]:
        """Its number and the sha256 of its bytes, which are those that were published."""
        repository = self.places.repository
        version = repository.get("champion")
        return repository.aliases().champion, sha256(repository.load(version)).hexdigest()

    def promote_another(self) -> int:
        """Somebody else's model becomes the champion."""
        run = self.sources / "other"
        return self.places.repository.publish(run / MODEL, promote=True, checkpoint=run / CHECKPOINT_FILE).number

    def copy(self, to: Path) -> "World":
        shutil.copytree(self.home, to)
        return World(to, self.sources)


def quick_to_onnx(network: ServedNetwork, example: np.ndarray) -> onnx.ModelProto:
    """In place of `training.export.to_onnx`: PyTorch's older exporter takes a tenth of a second for such a network, not four."""
    explained = isinstance(network.network, Explained)
    if isinstance(network.network, Foldable):
        network = ServedNetwork(network.network.folded(), network.spec).eval()
    outputs = [LOGITS, CAM, EMBEDDING] if explained else [LOGITS]
    file = BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it is the older one
        torch.onnx.export(
            network,
            (torch.from_numpy(example),),
            file,
            input_names=[INPUT],
            output_names=outputs,
            dynamic_axes={name: {0: "batch"} for name in (INPUT, *outputs)},
            opset_version=OPSET,
            dynamo=False,
        )
    return onnx.load_from_string(file.getvalue())


def build(folder: Path) -> World:
    """The first model, trained on `earlier`; everything is rendered, 32x32."""
    world = World(folder / "home", folder)
    for name, count, seed in (("earlier", 81, 1), ("judged", 27, 2), ("new", 45, 3)):
        synthesize(folder / name, count, seed=seed, sizes=[(32, 32)])
    batch = keep(load(world.source("earlier")), world.places.kept_batches)
    train(batch.data, folder / "run")
    world.places.repository.publish(folder / "run" / MODEL, promote=True, checkpoint=folder / "run" / CHECKPOINT_FILE)
    train(batch.data, folder / "other", seed=1)
    Golden(world.places.golden).add(load(world.source("judged")))
    return world


def train(data: LabelledSet, out: Path, seed: int = 0) -> None:
    """A run of an epoch, with its model beside it."""
    run = fit(default_config("lenet", SPEC, epochs=1, batch_size=8, seed=seed), data, out)
    export(run, out / MODEL)
