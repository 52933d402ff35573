"""A small real LeNet, exported and published with its checkpoint: what a service can explain."""

from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import numpy as np
import torch

from models.architectures import build
from models.architectures.served import ServedNetwork
from models.card import ModelCard, card_of
from models.explain.catalogue import method_of
from models.explain.placement import Placement
from models.graph import open_session
from models.preprocess import PreprocessSpec
from models.repository import ModelRepository, Version
from service.explain.jobs import ExplainJob, Model, Subject
from tests.models.architectures.small import trained_statistics
from tests.models.onnx_files import make_card
from training.export import to_onnx, with_card

SPEC = PreprocessSpec(width=28, height=20)
"""Not square, so that photographs are letterboxed."""


@dataclass(frozen=True)
class Files:
    model: Path
    checkpoint: Path
    card: ModelCard


def exported(folder: Path, seed: int = 1, architecture: str = "lenet", spec: PreprocessSpec = SPEC) -> Files:
    """`model.onnx` and `checkpoint.pt` of a network that answers photographs with logits of a trained one's size."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    network = build(architecture, 9, spec).eval()
    trained_statistics(network, seed)
    buffer = BytesIO()
    torch.save(network.state_dict(), buffer)
    card = make_card(spec=spec, seed=seed, architecture=architecture, checkpoint_sha256=sha256(buffer.getvalue()).hexdigest())
    example = np.random.default_rng(0).integers(0, 256, (2, spec.height, spec.width, 3), np.uint8)
    (folder / "checkpoint.pt").write_bytes(buffer.getvalue())
    (folder / "model.onnx").write_bytes(with_card(to_onnx(ServedNetwork(network, spec).eval(), example), card))
    return Files(folder / "model.onnx", folder / "checkpoint.pt", card)


def repository_of(home: Path) -> ModelRepository:
    return ModelRepository(home / "models")


def known(home: Path, version: Version) -> Model:
    """As the service knows it."""
    repository = repository_of(home)
    return Model(repository.root, version, card_of(open_session(repository.load(version))))


def job_for(model: Model, method: str, photograph: int | None = 0, layer: str | None = None, **parameters: object) -> ExplainJob:
    """A method on photograph number `photograph`, of the network's size; None for methods that need none."""
    spec, subject = model.card.preprocess, None
    if photograph is not None:
        coarse = np.random.default_rng(photograph).integers(0, 256, (spec.height // 4, spec.width // 4, 3), np.uint8)
        pixels = coarse.repeat(4, axis=0).repeat(4, axis=1)
        subject = Subject(pixels, Placement.of(spec, spec.width, spec.height))
    return ExplainJob(model, method, method_of(method).settle(parameters), layer, subject=subject)


def slow_job(model: Model) -> ExplainJob:
    """One that takes many seconds."""
    return job_for(model, "activation_maximization", None, "conv2", steps=200, octaves=6, size_px=320)
