"""The RBF network's weights in closed form, and how it would have graded each photograph without having seen it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from torch import Tensor, nn

from models.architectures.rbf import RbfNetwork
from models.errors import DataError
from models.grades import GRADE_NEIGHBOURS
from training.recipe import Recipe

Floats = npt.NDArray[np.float64]

MOST_IMAGES: Final = 10_000
"""The fit takes time with the cube of their number and memory with the square: 0.8 GB a matrix at 10,000."""
FLATTEST: Final = 0.05
"""Least deviation of a measure among the photographs, as a share of that among the rendered fruit."""
DIMMEST: Final = 0.5 / 255
"""Half a grey level: differences of light below it are rounding, of the camera's and of float32."""


@dataclass(frozen=True, slots=True)
class Scale:
    """A linear map to coordinates in which distances are compared: (features - mean) @ map."""

    mean: Tensor
    map: Tensor

    def __call__(self, features: Tensor) -> Tensor:
        return (features - self.mean) @ self.map


def fit_rbf(
    network: RbfNetwork,
    measures: Tensor,
    light: Tensor,
    targets: Tensor,
    groups: Sequence[str],
    grades: tuple[str, ...],
    recipe: Recipe,
) -> npt.NDArray[np.float32]:
    """Set all but the measuring network from N photographs; measures (N, 4), light (N, D), targets (N,) indices into `grades`.

    Kernel ridge regression of the one-hot labels (regularisation networks, Poggio and Girosi 1990), one centre for each
    photograph. Returns (N, grades) logits of each photograph by the regression without its group, in closed form (the
    leave-one-out identity of ridge regression, by blocks; scales and the share of each grade stay those of all): figures and
    calibration without holding anything out. The logits are scaled so that their softmax is the likeliest for the labels, left
    out likewise. Raises DataError beyond MOST_IMAGES.
    """
    require_few_enough(len(targets))
    fruit_scale = _standardise(measures.double(), network.measuring.std.double() * FLATTEST, recipe.fruit_scale)
    fruit = fruit_scale(measures.double())
    similarity = _alike(fruit)
    light_scale = None
    if recipe.light_components:
        light_scale = _whiten(light.double(), recipe.light_components, recipe.light_scale)
    if light_scale:
        lit = light_scale(light.double())
        kernel = similarity * (recipe.fruit_share + _alike(lit))
    else:
        lit = torch.zeros(len(fruit), 1, dtype=torch.float64)
        kernel = similarity * recipe.fruit_share
    labels = _labels(targets, grades, recipe.neighbour_share)
    prior = labels.mean(0)
    weights, left_out = _ridge(kernel.numpy(), (labels - prior).numpy(), recipe.ridge, groups)
    scale = _likeliest_scale(left_out + prior.numpy(), targets.numpy())
    _set(network, fruit_scale, fruit, light_scale, lit, recipe.fruit_share, torch.from_numpy(weights) * scale, prior * scale)
    return np.asarray((left_out + prior.numpy()) * scale, np.float32)


def require_few_enough(images: int) -> None:
    """Raise DataError beyond MOST_IMAGES."""
    if images > MOST_IMAGES:
        raise DataError(
            f"The recipe remembers every photograph and takes {MOST_IMAGES} at the most, not {images}. Leave some out, or train "
            "an architecture with --arch."
        )


def light_alone(light: Tensor, targets: Tensor, groups: Sequence[str], grades: tuple[str, ...], recipe: Recipe) -> float:
    """Share of the photographs, each left out with its group, whose grade the light on the belt tells without the fruit.

    Far above the share of the most frequent grade, sessions saw some grades only: whoever sees the belt can then be right for a
    reason that ends with the session.
    """
    scale = _whiten(light.double(), recipe.light_components, recipe.light_scale)
    if scale is None:
        return float(torch.bincount(targets).max() / len(targets))
    labels = _labels(targets, grades, recipe.neighbour_share)
    prior = labels.mean(0)
    kernel = recipe.fruit_share + _alike(scale(light.double()))
    _, left_out = _ridge(kernel.numpy(), (labels - prior).numpy(), recipe.ridge, groups)
    return float(((left_out + prior.numpy()).argmax(1) == targets.numpy()).mean())


def _alike(points: Tensor) -> Tensor:
    """(N, D) float64 -> (N, N), exp of minus the squared distance."""
    return torch.exp(-torch.cdist(points, points).square())


def _standardise(features: Tensor, least: Tensor, scale: float) -> Scale:
    """To unit deviation each, their squared distance averaged over the features and times `scale`.

    A deviation below `least` counts as that much: what hardly varies tells no fruit apart.
    """
    deviation = torch.maximum(features.std(0, correction=0), least)
    return Scale(features.mean(0), torch.diag((scale / features.shape[1]) ** 0.5 / deviation))


def _whiten(features: Tensor, components: int, scale: float) -> Scale | None:
    """Principal components, to unit deviation each, their squared distance averaged over them and times `scale`.

    features: (N, D) in 0..1. Components of less than DIMMEST are left out; None where none is left.
    """
    mean = features.mean(0)
    _, spread, axes = torch.linalg.svd(features - mean, full_matrices=False)
    spread = spread / len(features) ** 0.5  # standard deviations
    count = min(components, int((spread > DIMMEST).sum()))
    if not count:
        return None
    return Scale(mean, axes[:count].T / spread[:count] * (scale / count) ** 0.5)


def _labels(targets: Tensor, grades: tuple[str, ...], neighbour_share: float) -> Tensor:
    """(N,) class indices -> (N, grades) float64, each row summing to 1."""
    rows = torch.eye(len(grades), dtype=torch.float64)
    if neighbour_share:
        for index, grade in enumerate(grades):
            near = [i for i, other in enumerate(grades) if frozenset((grade, other)) in GRADE_NEIGHBOURS]
            if near:
                rows[index, index] = 1 - neighbour_share
                rows[index, near] = neighbour_share / len(near)
    return rows[targets]


def _ridge(kernel: Floats, labels: Floats, ridge: float, groups: Sequence[str]) -> tuple[Floats, Floats]:
    """kernel (N, N), labels (N, K) -> weights (N, K) and predictions (N, K), each by the fit without the row's group."""
    inverse = np.linalg.inv(kernel + ridge * np.eye(len(kernel)))
    weights = inverse @ labels
    left_out = np.empty_like(labels)
    members: dict[str, list[int]] = {}
    for index, group in enumerate(groups):
        members.setdefault(group, []).append(index)
    for rows in members.values():
        left_out[rows] = labels[rows] - np.linalg.solve(inverse[np.ix_(rows, rows)], weights[rows])
    return weights, left_out


def _likeliest_scale(scores: Floats, targets: npt.NDArray[np.int64]) -> float:
    """The factor on regression scores, which lie around 0 to 1, that makes their softmax the likeliest."""

    def loss(log_scale: float) -> float:
        return -float(log_softmax(scores * np.exp(log_scale), axis=1)[np.arange(len(targets)), targets].sum())

    return float(np.exp(minimize_scalar(loss, bounds=(np.log(0.5), np.log(100.0)), method="bounded").x))


def _set(
    network: RbfNetwork,
    fruit_scale: Scale,
    fruit: Tensor,
    light_scale: Scale | None,
    light: Tensor,
    fruit_share: float,
    weights: Tensor,
    bias: Tensor,
) -> None:
    def parameter(value: Tensor) -> nn.Parameter:
        return nn.Parameter(value.float().contiguous())

    head = network.head
    head.fruit_mean, head.fruit_scale = parameter(fruit_scale.mean), parameter(torch.diag(fruit_scale.map))
    head.fruit_centres, head.light_centres = parameter(fruit), parameter(light)
    if light_scale:
        head.light_mean, head.light_map = parameter(light_scale.mean), parameter(light_scale.map)
    else:
        head.light_map = parameter(torch.zeros(head.light_map.shape[0], 1))
    head.fruit_share = parameter(torch.tensor(fruit_share))
    head.light_share = parameter(torch.tensor(1.0 if light_scale else 0.0))
    head.weight, head.bias = parameter(weights.T), parameter(bias)
