"""Why this grade and not the next one: what each part of the photograph adds to the lead of a grade. Loads no torch.

The lead, or margin, is the logit of the grade less that of the runner-up. A network with a class activation map splits it
exactly: the difference of two maps, summed by part, and a bias that no place explains. Of any other network, parts are hidden one
after the other and the fall of the margin is measured; such falls do not add up.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from models.explain.counterfactual import Counterfactual, Scores, counterfactual
from models.explain.fruit import Floats, Mask, Part, Reduction, belt_surface, fruit_mask, parts, positive_share, shares
from models.explain.result import WEAK_LOGITS
from models.imaging import Pixels

_CELLS: Final = 8
"""Cells of the occlusion map along each side; a window covers two by two of them, so that 49 pictures are scored."""
_REDUCTIONS: Final[Mapping[str, Reduction]] = {"googlenet": "mean", "resnet34": "mean", "lenet": "sum"}


def cam_reduction(architecture: str) -> Reduction | None:
    """How the cells of an architecture's class activation map make up its logits; None where it has no such map.

    "mean" with global average pooling (`models.architectures.network.pooled_cam`), "sum" of a fully connected head (`head_cam`).
    A served graph does not say which, and a single photograph does not tell: the head's bias changes with the photograph.
    """
    return _REDUCTIONS.get(architecture)


@dataclass(frozen=True, slots=True)
class Share:
    """What a part of the photograph does for the margin, in logits; negative where it speaks for the runner-up."""

    part: Part
    logits: float


@dataclass(frozen=True, slots=True)
class Why:
    """The reason for a grade. Pixels are those of the network's input."""

    grade: int
    runner_up: int
    probabilities: Floats
    """(K,), calibrated."""
    margin: float
    """Logit of the grade less that of the runner-up."""
    additive: bool
    """Whether shares and bias add up to the margin; else each share is how far the margin falls when the part is hidden."""
    shares: tuple[Share, ...]
    bias: float | None
    """Of the margin, what no place in the photograph explains; None where shares do not add up."""
    values: npt.NDArray[np.float32]
    """(h, w) contrastive map: positive where a place speaks for the grade, negative for the runner-up."""
    evidence: float
    """Logits: the sum of all positive contributions, or the greatest fall of the margin where shares do not add up."""
    fruit_share: float | None
    """Share of the map's positive evidence on the fruit, 0 to 1; None without a fruit or positive evidence."""
    fruit: Mask
    counterfactual: Counterfactual | None
    """The smallest window whose hiding makes it another grade; None where no window does, or none was looked for."""

    @property
    def method(self) -> str:
        return "contrastive_cam" if self.additive else "occlusion"

    @property
    def weak(self) -> bool:
        """Whether the map accounts for so little that a picture of it would be of noise."""
        return self.evidence < WEAK_LOGITS


def why(
    photograph: Pixels,
    logits: npt.NDArray[np.floating],
    cam: npt.NDArray[np.floating] | None = None,
    *,
    score: Scores,
    reduction: Reduction | None = None,
    temperature: float = 1.0,
    seek_counterfactual: bool = True,
) -> Why:
    """(H, W, 3) uint8 RGB of the network's size, its logits (K,) and its map (K, h, w), as the graph gave them -> the reason.

    Without a map, or without a `reduction` (`cam_reduction`) that says how it adds up, `score` is asked about 53 pictures with
    parts hidden. The counterfactual asks it about 390 more at most, wherever the shares come from. K >= 2.
    """
    values = np.asarray(logits, np.float64)
    best, second = (int(index) for index in np.argsort(-values, kind="stable")[:2])
    margin = float(values[best] - values[second])
    fruit = fruit_mask(photograph)
    among = parts(fruit)
    if cam is not None and reduction is not None:
        contrast = np.asarray(cam[best], np.float64) - np.asarray(cam[second], np.float64)
        by_part = shares(contrast, among, reduction)
        positive = np.maximum(contrast, 0)
        evidence = float(positive.mean() if reduction == "mean" else positive.sum())
        bias: float | None = margin - sum(by_part)
    else:
        by_part, contrast = _falls(photograph, fruit, among, score, best, second, margin)
        evidence, bias = max(0.0, float(contrast.max()), *by_part), None
    return Why(
        grade=best,
        runner_up=second,
        probabilities=softmax(values / temperature),
        margin=margin,
        additive=bias is not None,
        shares=tuple(Share(part, amount) for part, amount in zip(among, by_part, strict=True)),
        bias=bias,
        values=contrast.astype(np.float32),
        evidence=evidence,
        fruit_share=positive_share(contrast, fruit) if fruit.any() else None,
        fruit=fruit,
        counterfactual=counterfactual(score, photograph, temperature) if seek_counterfactual else None,
    )


def softmax(logits: npt.NDArray[np.floating]) -> Floats:
    """(..., K) -> (..., K) float64, adding up to 1."""
    raised = np.exp(np.asarray(logits, np.float64) - logits.max(axis=-1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=-1, keepdims=True))


def _falls(
    photograph: Pixels, fruit: Mask, among: list[Part], score: Scores, best: int, second: int, margin: float
) -> tuple[list[float], Floats]:
    """How far the margin falls when a part is hidden, and the occlusion map (Zeiler and Fergus 2014) of the margin.

    Fruit is hidden under belt as it is lit there. The belt would vanish under its own colour without any effect, so it goes
    under a grey of its mean lightness, which takes its colour, its light and its texture away.
    """
    belt = np.asarray(np.rint(belt_surface(photograph, fruit)), np.uint8)
    covers = [_flat_grey(belt) if part.name == "belt" else belt for part in among]
    pictures = [np.where(part.mask[..., None], cover, photograph) for part, cover in zip(among, covers, strict=True)]
    rows, columns = (np.rint(np.linspace(0, side, _CELLS + 1)).astype(int) for side in photograph.shape[:2])
    places = [(i, j) for i in range(_CELLS - 1) for j in range(_CELLS - 1)]
    for i, j in places:
        window = (slice(rows[i], rows[i + 2]), slice(columns[j], columns[j + 2]))
        hidden = photograph.copy()
        hidden[window] = belt[window]
        pictures.append(hidden)
    scored = np.asarray(score(np.stack(pictures)), np.float64)
    falls = margin - (scored[:, best] - scored[:, second])
    total, windows = np.zeros((_CELLS, _CELLS)), np.zeros((_CELLS, _CELLS))
    for (i, j), fall in zip(places, falls[len(among) :], strict=True):
        total[i : i + 2, j : j + 2] += fall
        windows[i : i + 2, j : j + 2] += 1
    return [float(fall) for fall in falls[: len(among)]], total / windows


def _flat_grey(belt: Pixels) -> Pixels:
    grey = cv2.cvtColor(belt, cv2.COLOR_RGB2GRAY)
    return np.full_like(belt, round(float(grey.mean())))
