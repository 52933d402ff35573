"""Is it the fruit, or the background? What a grader does when all but the fruit is exchanged. Loads no torch.

A network may read the grade off the belt or the light where those happen to differ between the days on which grades were
photographed (a "Clever Hans" predictor, Lapuschkin et al. 2019), and nothing in its accuracy shows it. So the background is
exchanged for another photograph's, after Xiao et al. 2020 ("Noise or signal"), and the light on its own.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from models.explain.counterfactual import Scores
from models.explain.fruit import Floats, Mask, belt_surface, cover, fruit_mask, positive_share
from models.imaging import Pixels

MapOf = Callable[[Pixels, npt.NDArray[np.integer]], npt.NDArray[np.floating]]
"""(photographs (N, H, W, 3) uint8, grades (N,)) -> (N, h, w): the evidence for each one's grade."""

_FEATHER_SHARE: Final = 0.03  # of the shorter side: how wide fruit and belt fade into each other
_RIM_SHARE: Final = 0.06  # of the shorter side: shadow and blur around a fruit that go with it when it is erased
_LEAST_GAIN, _MOST_GAIN = 0.5, 2.0  # of light that a camera still exposes for; beyond, the belts are of different stuff
_BATCH: Final = 64


@dataclass(frozen=True, slots=True)
class Spurious:
    """Shares of photographs, or of evidence, 0 to 1. Photographs in which no fruit was found are left out."""

    images: int
    fruit_share: float | None
    """Mean share of positive evidence for the grade given that lies on the fruit; None without maps."""
    fruit_area: float
    """Mean share of the picture that the fruit covers: the `fruit_share` of a map that knows nothing."""
    fruit_share_most: float | None
    """Mean of the most that a map of that resolution could put there: cells larger than a fruit hold belt as well."""
    kept_when_background_swapped: float
    kept_when_light_swapped: float
    kept_when_pasted_back: float
    """The control: the fruit cut out and pasted where it was, on its own belt. What is lost here, the scissors lost."""
    follows_background: float
    """Grade of the photograph that the background came from, where the two were graded differently."""
    accuracy: float | None
    """Of the grades given; None without labels, as are the next two."""
    accuracy_background_swapped: float | None
    accuracy_light_swapped: float | None

    def to_json(self) -> dict[str, float | None]:
        return asdict(self)


def spurious(
    score: Scores,
    photographs: Pixels,
    labels: Sequence[int] | npt.NDArray[np.integer] | None = None,
    map_of: MapOf | None = None,
    seed: int = 0,
) -> Spurious:
    """Photographs (N, H, W, 3) uint8 of the network's size, labels (N,) indices of the logits, N >= 2 with a fruit each.

    Each background comes from a photograph of another label, or of another grade given where there are no labels, as far as
    there is one: else a network that reads the belt would be right again. Raises ValueError where fewer than two photographs
    show a fruit.
    """
    rng = np.random.default_rng(seed)
    masks = np.stack([fruit_mask(photograph) for photograph in photographs])
    seen = np.flatnonzero(masks.any(axis=(1, 2)))
    if len(seen) < 2:
        raise ValueError(f"{len(seen)} of {len(photographs)} photographs show a fruit; two are needed to exchange backgrounds")
    photographs, masks = photographs[seen], masks[seen]
    truth = None if labels is None else np.asarray(labels)[seen]
    given = _grades(score, photographs)
    partners = _partners(given if truth is None else truth, rng)
    empty = np.stack([erased(photograph, mask, rng) for photograph, mask in zip(photographs, masks, strict=True)])
    swapped = _grades(score, np.stack([pasted(*of) for of in zip(photographs, masks, empty[partners], strict=True)]))
    back = _grades(score, np.stack([pasted(*of) for of in zip(photographs, masks, empty, strict=True)]))
    lit = _grades(
        score,
        np.stack([relit(photographs[i], masks[i], photographs[j], masks[j]) for i, j in enumerate(partners)]),
    )
    apart = given != given[partners]
    maps = None if map_of is None else map_of(photographs, given)
    on_fruit, most = _on_fruit(maps, masks) if maps is not None else (None, None)
    return Spurious(
        images=len(photographs),
        fruit_share=on_fruit,
        fruit_area=float(masks.mean()),
        fruit_share_most=most,
        kept_when_background_swapped=float((swapped == given).mean()),
        kept_when_light_swapped=float((lit == given).mean()),
        kept_when_pasted_back=float((back == given).mean()),
        follows_background=float((swapped == given[partners])[apart].mean()) if apart.any() else 0.0,
        accuracy=None if truth is None else float((given == truth).mean()),
        accuracy_background_swapped=None if truth is None else float((swapped == truth).mean()),
        accuracy_light_swapped=None if truth is None else float((lit == truth).mean()),
    )


def erased(photograph: Pixels, fruit: Mask, rng: np.random.Generator) -> Pixels:
    """(H, W, 3) uint8 without its fruit: the light of the belt there, with noise as strong as that of the belt."""
    wide = _dilated(fruit, _RIM_SHARE)
    surface = belt_surface(photograph, wide)
    filled = surface + rng.standard_normal(photograph.shape) * _noise(photograph, ~wide)
    return _blend(filled, photograph, _feathered(wide))


def pasted(photograph: Pixels, fruit: Mask, background: Pixels) -> Pixels:
    """The fruit of (H, W, 3) uint8 on a background of the same size.

    Pixels of the rim are fruit, shadow and belt mixed: they are told by how much lighter or darker they are than their own belt,
    and make the new one so, fading out. Blended as they are, they would draw a halo in the old belt's colour.
    """
    ratio = photograph / np.maximum(belt_surface(photograph, _dilated(fruit, _RIM_SHARE)), 1)
    rim = _blend(background * np.clip(ratio, 0, _MOST_GAIN), background, _feathered(fruit))
    return np.where(fruit[..., None], photograph, rim)


def relit(photograph: Pixels, fruit: Mask, other: Pixels, other_fruit: Mask) -> Pixels:
    """(H, W, 3) uint8 in the light of another photograph: each colour times the ratio of the light on the two belts.

    Gradient and colour cast come over, and so does brightness up to a factor of two. Where belts are of different material their
    colour is taken for light as well.
    """
    gain = np.maximum(belt_surface(other, other_fruit), 1) / np.maximum(belt_surface(photograph, fruit), 1)
    lit = photograph * np.clip(gain, _LEAST_GAIN, _MOST_GAIN)
    return np.asarray(np.rint(np.clip(lit, 0, 255)), np.uint8)


def _on_fruit(maps: npt.NDArray[np.floating], masks: npt.NDArray[np.bool_]) -> tuple[float | None, float | None]:
    """Means of the share on the fruit and of the most it could be, over the maps (N, h, w) with any positive value."""
    found = [(positive_share(*of), cover(of[1], *of[0].shape).max()) for of in zip(maps, masks, strict=True)]
    known = [(share, float(most)) for share, most in found if share is not None]
    if not known:
        return None, None
    on_fruit, most = np.mean(known, axis=0)
    return float(on_fruit), float(most)


def _grades(score: Scores, photographs: Pixels) -> npt.NDArray[np.intp]:
    found = [score(photographs[at : at + _BATCH]).argmax(axis=1) for at in range(0, len(photographs), _BATCH)]
    return np.concatenate(found)


def _partners(kinds: npt.NDArray[np.integer], rng: np.random.Generator) -> npt.NDArray[np.intp]:
    """For each photograph one of another kind, or any other one where all are of one kind."""
    partners = np.empty(len(kinds), np.intp)
    for index, kind in enumerate(kinds):
        others = np.flatnonzero(kinds != kind)
        partners[index] = rng.choice(others if len(others) else np.delete(np.arange(len(kinds)), index))
    return partners


def _noise(photograph: Pixels, bare: Mask) -> Floats:
    """(3,): standard deviation of what changes from one pixel of the belt to the next, robustly; light changes slowly."""
    both = bare[:, 1:] & bare[:, :-1]
    if not both.any():
        return np.zeros(3)
    steps = np.abs(np.diff(photograph.astype(np.float64), axis=1))[both]
    return np.asarray(np.median(steps, axis=0) * (1.4826 / np.sqrt(2)))


def _blend(over: npt.NDArray[np.floating] | Pixels, under: Pixels, share: Floats) -> Pixels:
    mixed = over * share[..., None] + under * (1 - share[..., None])
    return np.asarray(np.rint(np.clip(mixed, 0, 255)), np.uint8)


def _dilated(mask: Mask, share: float) -> Mask:
    reach = max(1, round(share * min(mask.shape)))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    return np.asarray(cv2.dilate(mask.astype(np.uint8), disc), np.bool_)


def _feathered(mask: Mask) -> Floats:
    """(H, W) 0..1: 1 inside, falling off over the rim outside, so that all of the mask is kept whole."""
    reach = max(1.0, _FEATHER_SHARE * min(mask.shape))
    away = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 5)
    return np.asarray(np.clip(1 - away / (reach + 1), 0, 1), np.float64)
