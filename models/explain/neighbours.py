"""The photographs that a network takes to be most like this one: near in its own embedding. Importing this loads no torch."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from models.graph import EMBEDDING, INPUT, network_values
from models.imaging import Pixels

if TYPE_CHECKING:
    import onnxruntime as ort
    from torch import Tensor

    from models.explain.frozen import UnitNetwork

Floats = npt.NDArray[np.float32]

_DIGITS: Final = 6
"""Cosines that agree so far are the same: beyond, they tell the order in which a matrix product added up."""


@dataclass(frozen=True, slots=True)
class Nearest:
    """The nearest first."""

    indices: npt.NDArray[np.intp]
    """(k,), rows of the embeddings searched."""
    similarity: Floats
    """(k,) cosines, -1..1."""


def gives_embedding(session: "ort.InferenceSession") -> bool:
    """Whether a served graph has an `embedding` output, as those of networks that explain have."""
    return any(output.name == EMBEDDING for output in session.get_outputs())


def embed_served(session: "ort.InferenceSession", photographs: Pixels) -> Floats:
    """(B, H, W, 3) uint8 of the card's size -> (B, D) float32, the graph's own `embedding` output."""
    embeddings: Floats = session.run([EMBEDDING], {INPUT: network_values(session, photographs)})[0]
    return embeddings


def embed(network: "UnitNetwork", x: "Tensor") -> Floats:
    """(B, channels, H, W) float32 in 0..1 -> (B, D) float32: what the last linear layer that runs was given.

    Where a network looks at each photograph several times, mirrored, the mean over those views. That is the `embedding` output
    of graphs that have one. Raises ValueError for a network without a linear layer.
    """
    import torch
    from torch import nn

    given: list[torch.Tensor] = []

    def note(_: nn.Module, arguments: tuple[torch.Tensor, ...]) -> None:
        given.append(arguments[0])

    hooks = [layer.register_forward_pre_hook(note) for layer in network.bare.modules() if isinstance(layer, nn.Linear)]
    try:
        with torch.no_grad():
            network(x)
    finally:
        for hook in hooks:
            hook.remove()
    if not given:
        raise ValueError("the network has no linear layer, so it has no embedding")
    views = given[-1].flatten(1).view(-1, len(x), given[-1].flatten(1).shape[1])  # V x B x D
    embeddings: Floats = views.mean(dim=0).numpy()
    return embeddings


def nearest(embeddings: Floats, query: Floats, k: int) -> Nearest:
    """The `k` rows of embeddings (N, D) most like query (D,) by the cosine of their angle; all of them where k is above N.

    Of equally similar rows the one with the lower index comes first. A vector of zeros has similarity 0 with everything.
    """
    if embeddings.ndim != 2 or query.shape != embeddings.shape[1:]:
        raise ValueError(f"a query of shape {query.shape} does not fit embeddings of shape {embeddings.shape}")
    rows, one = embeddings.astype(np.float64), query.astype(np.float64)
    lengths = np.linalg.norm(rows, axis=1) * np.linalg.norm(one)
    similarity = np.divide(rows @ one, lengths, out=np.zeros(len(rows)), where=lengths > 0).round(_DIGITS).clip(-1, 1)
    order = np.argsort(-similarity, kind="stable")[: max(0, k)]
    return Nearest(order, similarity[order].astype(np.float32))
