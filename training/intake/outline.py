"""A second opinion on a grade, from the fruit's outline: trees, where the recipe compares with photographs it remembers."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.model_selection import GroupKFold

from models.imaging import Pixels
from training.fit_recipe import Fitted
from training.intake.looks import fruit_mask, within
from training.sources import Sample

FOLDS: Final = 5
TREES: Final = 300
_OUTLINE_PX: Final = 128
_SECTIONS: Final = 4
Floats = npt.NDArray[np.float64]


def tree_probabilities(samples: Sequence[Sample], fitted: Fitted, classes: int, seed: int) -> Floats:
    """(N, classes) probabilities of each photograph by trees that saw neither it nor its fruit, in FOLDS grouped folds.

    Extremely randomised trees (Geurts, Ernst and Wehenkel 2006) over the outline, the recipe's measures and its light.
    `samples` are those that `fitted` was fitted on, in its order.
    """
    network, inputs = fitted.network, fitted.arrays.inputs
    with torch.no_grad():
        measures = torch.cat(
            [
                network.network.features(network.unit(part))[0]  # type: ignore[operator]
                for part in torch.tensor_split(inputs, -(-len(inputs) // 256))
            ]
        )
    features = np.hstack([np.array([outline(sample.whole()) for sample in samples]), measures.numpy(), fitted.light.numpy()])
    given = fitted.arrays.targets.numpy()
    groups = np.unique([sample.group for sample in samples], return_inverse=True)[1]
    found = np.zeros((len(samples), classes))
    folds = GroupKFold(min(FOLDS, int(groups.max()) + 1), shuffle=True, random_state=seed)
    for kept, tested in folds.split(features, given, groups):
        trees = ExtraTreesClassifier(TREES, min_samples_leaf=3, max_features=0.5, random_state=seed)
        trees.fit(features[kept], given[kept])
        found[np.ix_(tested, trees.classes_)] = trees.predict_proba(features[tested])
    return found


def outline(rgb: Pixels) -> Floats:
    """(H, W, 3) uint8 RGB -> (7,): length and thickness over the frame's long side, area over the frame, bend (arc height over
    length), how uneven the thickness is, proportions of the frame, area over the long side squared. Zeros for no fruit.
    """
    if rgb.shape[0] > rgb.shape[1]:
        rgb = np.ascontiguousarray(np.rot90(rgb))
    picture = np.asarray(within(rgb, _OUTLINE_PX), np.float64)
    height, width = picture.shape[:2]
    points = np.argwhere(fruit_mask(picture)[0])[:, ::-1].astype(np.float64)
    if len(points) < 5:
        return np.zeros(7)
    centred = points - points.mean(axis=0)
    spread, axes = np.linalg.eigh(np.cov(centred.T))
    along, across = centred @ axes[:, 1], centred @ axes[:, 0]
    length = float(np.ptp(along))
    if length < 2:
        return np.zeros(7)
    bend = abs(np.polyfit(along, across, 2)[0]) * length / 4  # a parabola's height over its chord
    section = np.minimum((along - along.min()) / length * _SECTIONS, _SECTIONS - 1).astype(int)
    thickness = [np.ptp(across[section == i]) / width if (section == i).any() else 0.0 for i in range(_SECTIONS)]
    return np.array(
        [
            length / width,
            np.sqrt(12 * max(spread[0], 0)) / width,
            len(points) / (height * width),
            bend,
            np.std(thickness),
            height / width,
            len(points) / width**2,
        ]
    )
