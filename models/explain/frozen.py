"""A private, frozen copy of the network behind a published model: what gradients are taken of. Never a network that serves."""

from hashlib import sha256
from io import BytesIO
from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from torch import Tensor, nn

from models.architectures import build
from models.architectures.served import ServedNetwork
from models.card import ModelCard
from models.errors import CheckpointMismatch, InvalidCard, ModelMismatch
from models.graph import run_logits
from models.imaging import Pixels
from models.preprocess import PreprocessSpec

if TYPE_CHECKING:
    import onnxruntime as ort

PARITY_LIMIT: Final = 1e-4
"""Largest difference of a logit between the served graph and this copy."""


class UnitNetwork(nn.Module):
    """(B, channels, H, W) float32 in 0..1 -> (B, K) logits: a network with its normalisation in front, in evaluation mode.

    Values in 0..1 are what a photograph's pixels are, so that gradients are per unit of light whatever the normalisation.
    `bare` is the network itself, whose layers explanations name.
    """

    def __init__(self, network: nn.Module, spec: PreprocessSpec) -> None:
        super().__init__()
        self.served = ServedNetwork(network, spec)
        self.eval()
        self.requires_grad_(False)

    @property
    def bare(self) -> nn.Module:
        return self.served.network

    @property
    def spec(self) -> PreprocessSpec:
        return self.served.spec

    def unit(self, photographs: Pixels) -> Tensor:
        """(B, H, W, 3) uint8 RGB of the spec's size -> (B, channels, H, W) float32 in 0..1."""
        return self.served.unit(torch.from_numpy(np.ascontiguousarray(photographs)))

    def standardise(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) in 0..1 -> what `bare` takes."""
        return self.served.standardise(x)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.bare(self.standardise(x))
        return logits


def freeze(card: ModelCard, checkpoint: bytes) -> UnitNetwork:
    """The network that a card and the bytes of its `state_dict` describe.

    Raises CheckpointMismatch for the weights of another model, InvalidCard for an architecture that is not known here.
    """
    found = sha256(checkpoint).hexdigest()
    if found != card.checkpoint_sha256:
        raise CheckpointMismatch("The checkpoint", card.checkpoint_sha256, found)
    try:
        network = build(card.architecture, len(card.grades), card.preprocess)
    except ValueError as error:
        raise InvalidCard(str(error)) from error
    network.load_state_dict(torch.load(BytesIO(checkpoint), map_location="cpu", weights_only=True))
    return UnitNetwork(network, card.preprocess)


def require_parity(network: UnitNetwork, session: "ort.InferenceSession", photographs: Pixels) -> np.ndarray:
    """Compare the copy with the served graph on (B, H, W, 3) uint8 photographs; returns the graph's (B, K) float32 logits.

    Raises ModelMismatch when a logit differs by more than PARITY_LIMIT, or the best grade does.
    """
    served = run_logits(session, photographs)
    with torch.no_grad():
        copied = network(network.unit(photographs)).numpy()
    difference = float(np.abs(served - copied).max())
    if not difference <= PARITY_LIMIT or (served.argmax(1) != copied.argmax(1)).any():
        raise ModelMismatch(difference, PARITY_LIMIT)
    return served
