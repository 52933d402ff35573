"""What the layers of a network have learned, as the pictures and figures of a gallery."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from models.errors import UnknownLayer
from models.explain.deconvolution import deconvolutions
from models.explain.feature_maps import ChannelSurvey, Strongest, pair_with_relu, survey
from models.explain.filters import convolution_layers, learned_filters, structure, tiles
from models.explain.frozen import UnitNetwork
from models.explain.layers import Layer, layers_of, outputs
from models.explain.maximization import maximize
from models.explain.receptive import ReceptiveField, crop_box, receptive_fields
from models.gallery import Autocorrelation, Channel, GalleryLayer, TopPhotograph
from models.imaging import Pixels, encode_png
from training.gallery_photographs import THUMBNAILS, Graded

FRAMES: Final = 8
TOP: Final = 9
OCTAVES: Final = 3
STEPS: Final = 12
"""For each octave."""
LEAST_PX: Final = 64
"""Longer side of the optimized pictures where a network's input is smaller: convolutions take any size."""
SURVEYED: Final = 2000
"""Photographs that the strongest are looked for among, and statistics are taken of."""
CONTRIBUTING: Final = 64
"""Photographs that contributions to grades are averaged over."""
_FEW: Final = 8
_BATCH: Final = 16

Advance = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Shown:
    """A layer of the gallery: what it is called, which layer's maps stand for it, and whose filters are shown."""

    name: str
    maps: str
    """Behind the ReLU of a convolution, where it has one: there a channel is silent or not."""
    convolution: str
    """Of a block, the one with the largest kernel, the first of equals."""


def shown_layers(network: UnitNetwork, wanted: Sequence[str] | None = None) -> list[Shown]:
    """The layers of a gallery in running order: `wanted`, or a selection.

    The selection is every convolution where there are few; else the blocks that the network is made of, or the last convolution
    before each change of the maps' size. Raises UnknownLayer for a layer that gives no maps, or that no convolution is part of.
    """
    found = {layer.name: layer for layer in layers_of(network)}
    convolutions = convolution_layers(network)
    if wanted is None:
        names = _selection(found, convolutions)
    else:
        valid = [name for name, layer in found.items() if layer.spatial and _inside(name, convolutions)]
        for name in wanted:
            if name not in valid:
                raise UnknownLayer(name, valid)
        names = [name for name in valid if name in wanted]
    pairs = pair_with_relu(network)
    chosen = []
    for name in names:
        inside = _inside(name, convolutions)
        # Python's max gives the first of equals
        largest = max(inside, key=lambda one: learned_filters(network, one).shape[2:].numel())
        chosen.append(Shown(name, pairs.get(name, name) if name in convolutions else name, largest))
    return chosen


def _inside(name: str, convolutions: Sequence[str]) -> list[str]:
    return [one for one in convolutions if one == name or one.startswith(f"{name}.")]


def _selection(found: dict[str, Layer], convolutions: list[str]) -> list[str]:
    if len(convolutions) <= _FEW:
        return convolutions
    blocks = [name for name, layer in found.items() if "." not in name and layer.spatial and _inside(name, convolutions)]
    if len(blocks) >= 3:
        return blocks
    sizes = [found[name].shape[1:] for name in convolutions]
    return [name for name, size, after in zip(convolutions, sizes, [*sizes[1:], None], strict=True) if size != after]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What photographs tell about the layers, by the name of the layer's maps."""

    graded: Graded
    """All that have a thumbnail, in the order of these."""
    surveyed: npt.NDArray[np.intp]
    """Indices of those that were surveyed."""
    surveys: dict[str, ChannelSurvey]
    contributions: dict[str, npt.NDArray[np.float64]]
    """(C, K) for each: logits that each channel adds to each grade, mean over photographs."""


def gather(network: UnitNetwork, layers: Sequence[Shown], graded: Graded, seed: int, advance: Advance) -> Evidence:
    """One pass for statistics and strongest photographs, and gradients of a few for the contributions."""
    names = list(dict.fromkeys(layer.maps for layer in layers))
    surveyed = graded.spread(SURVEYED, seed)

    def batches() -> Iterator[Tensor]:
        for x in _batches(network, graded.inputs, surveyed):
            yield x
            advance(len(x))

    surveys = survey(network, batches(), names, TOP)
    return Evidence(graded, surveyed, surveys, contributions(network, names, graded, seed))


def contributions(network: UnitNetwork, names: Sequence[str], graded: Graded, seed: int) -> dict[str, npt.NDArray[np.float64]]:
    """Gradient x activation, summed over places: (C, K) for each layer, logits, mean over at most CONTRIBUTING photographs.

    To first order, what each grade's logit would lose if the channel fell silent (HiResCAM, Draelos and Carin 2020).
    """
    chosen = graded.spread(CONTRIBUTING, seed)
    total: dict[str, Tensor] = {}
    with outputs(network, names) as given:
        for x in _batches(network, graded.inputs, chosen):
            logits = network(x.requires_grad_())
            maps = [given[name] for name in names]
            for grade in range(logits.shape[1]):
                gradients = torch.autograd.grad(logits[:, grade].sum(), maps, retain_graph=True)
                for name, own, gradient in zip(names, maps, gradients, strict=True):
                    added = (own.detach() * gradient).sum(dim=(0, 2, 3), dtype=torch.float64)
                    table = total.setdefault(name, torch.zeros(len(added), logits.shape[1], dtype=torch.float64))
                    table[:, grade] += added
    return {name: (table / len(chosen)).numpy() for name, table in total.items()}


def _batches(network: UnitNetwork, inputs: Pixels, chosen: npt.NDArray[np.intp]) -> Iterator[Tensor]:
    for start in range(0, len(chosen), _BATCH):
        yield network.unit(inputs[chosen[start : start + _BATCH]])


def pooled_weights(network: UnitNetwork, layer: Shown) -> npt.NDArray[np.float64] | None:
    """(C, K) weights of a network whose only linear layer takes the mean of this layer's maps; None elsewhere."""
    found = layers_of(network)
    linear = [one for one in found if one.kind == "Linear"]
    last = [one.name for one in found if one.spatial][-1:]
    own = next(one for one in found if one.name == layer.maps)
    if len(linear) != 1 or last != [layer.maps]:
        return None
    module = network.bare.get_submodule(linear[0].name)
    if not isinstance(module, nn.Linear) or module.in_features != own.shape[0]:
        return None
    return module.weight.detach().double().T.numpy()


def write_layer(
    folder: Path,
    network: UnitNetwork,
    layer: Shown,
    grades: Sequence[str],
    channels: int,
    seed: int,
    evidence: Evidence | None,
    advance: Advance,
) -> GalleryLayer:
    """Filters, statistics and `channels` channels of one layer, the files under `layers/<name>/`."""
    place = f"layers/{layer.name}"
    (folder / place).mkdir(parents=True)
    facts = next(one for one in layers_of(network) if one.name == layer.maps)
    field = receptive_fields(network)[layer.maps]
    weights = pooled_weights(network, layer)
    by_grade = weights if weights is not None else evidence.contributions[layer.maps] if evidence else None
    found = evidence.surveys[layer.maps] if evidence else None
    statistics, strongest = (found.statistics(), found.strongest()) if found else (None, [])
    shown = []
    for channel in _most_telling(network, layer, facts, found, by_grade)[:channels]:
        about: dict[str, Any] = _optimized(folder, network, layer, channel, place, seed)
        if statistics and evidence:
            about |= {
                "mean": float(statistics.mean[channel]),
                "maximum": float(statistics.maximum[channel]),
                "active_share": float(statistics.active_share[channel]),
                "top": _top(folder, network, layer, channel, place, strongest[channel], field, evidence),
            }
        if by_grade is not None:
            about["weights_to_grades"] = dict(zip(grades, by_grade[channel].tolist(), strict=True))
        shown.append(Channel(index=channel, **about))
        advance(1)
    return GalleryLayer(
        name=layer.name,
        kind=type(network.bare.get_submodule(layer.name)).__name__,
        shape=facts.shape,
        receptive_px=field.side_px,
        stride_px=max(field.stride_px),
        filters=_filters(folder, network, layer, place),
        filters_of=layer.convolution,
        maps_of=layer.maps,
        autocorrelation=_autocorrelation(network, layer, seed),
        dead=tuple(statistics.dead) if statistics and statistics.dead is not None else None,
        contribution=None if by_grade is None else "weights" if weights is not None else "gradient_x_activation",
        channels=tuple(shown),
    )


def _most_telling(
    network: UnitNetwork,
    layer: Shown,
    facts: Layer,
    found: ChannelSurvey | None,
    by_grade: npt.NDArray[np.float64] | None,
) -> list[int]:
    """Channels by their influence on the grades, else by the strength of their filters; dead ones last."""
    if by_grade is not None:
        influence = np.ptp(by_grade, axis=1)  # what is the same for all grades decides nothing
    else:
        filters = learned_filters(network, layer.convolution)
        if len(filters) != facts.shape[0]:  # a block of several: its channels are not those of one convolution
            return list(range(facts.shape[0]))
        influence = filters.flatten(1).norm(dim=1).double().numpy()
    if found:
        influence = np.where(found.statistics().maximum.numpy() > 0, influence, -1.0)
    return [int(index) for index in np.argsort(-influence, kind="stable")]


def _optimized(folder: Path, network: UnitNetwork, layer: Shown, channel: int, place: str, seed: int) -> dict[str, Any]:
    spec = network.spec
    factor = max(1.0, LEAST_PX / max(spec.height, spec.width))
    size = round(spec.height * factor), round(spec.width * factor)
    climbed = maximize(
        network, layer.maps, channel=channel, normalization="laplacian", octaves=OCTAVES, steps=STEPS, size=size,
        frames=FRAMES - 1, seed=seed,
    )  # fmt: skip
    names = [f"{place}/{channel:03d}-{number:02d}.png" for number in range(len(climbed.frames))]
    for name, frame in zip(names, climbed.frames, strict=True):
        _write(folder / name, frame)
    image = f"{place}/{channel:03d}.png"
    _write(folder / image, climbed.image)
    return {"image": image, "frames": tuple(names), "objective": tuple(climbed.objective)}


def _top(
    folder: Path,
    network: UnitNetwork,
    layer: Shown,
    channel: int,
    place: str,
    strongest: Sequence[Strongest],
    field: ReceptiveField,
    evidence: Evidence,
) -> tuple[TopPhotograph, ...]:
    """The photographs that drive a channel highest, but those in which it is silent."""
    strongest = [one for one in strongest if one.activation > 0]
    if not strongest:
        return ()
    rows = [int(evidence.surveyed[one.index]) for one in strongest]
    photographs = evidence.graded.inputs[rows]
    projected = deconvolutions(network, network.unit(photographs), layer.maps, channel, [one.place for one in strongest])
    shown = []
    for rank, (one, row, photograph, back) in enumerate(zip(strongest, rows, photographs, projected, strict=True)):
        x0, y0, x1, y1 = box = crop_box(field, one.place, *photograph.shape[:2])
        names = [f"{place}/{channel:03d}-{kind}{rank}.png" for kind in ("top", "deconvolution")]
        (folder / names[0]).write_bytes(encode_png(np.ascontiguousarray(photograph[y0:y1, x0:x1])))
        _write(folder / names[1], _around_grey(back.values)[y0:y1, x0:x1])
        shown.append(
            TopPhotograph(
                crop=names[0],
                photograph=THUMBNAILS.format(index=row),
                activation=one.activation,
                box=box,
                deconvolution=names[1],
            )
        )
    return tuple(shown)


def _filters(folder: Path, network: UnitNetwork, layer: Shown, place: str) -> str:
    name = f"{place}/filters.png"
    _write(folder / name, tiles(learned_filters(network, layer.convolution)))
    return name


def _autocorrelation(network: UnitNetwork, layer: Shown, seed: int) -> Autocorrelation | None:
    found = structure(network, layer.convolution, seed=seed)
    return Autocorrelation(trained=found.trained, random=found.random_mean, random_std=found.random_std) if found else None


def _around_grey(values: Tensor) -> npt.NDArray[np.float32]:
    """(channels, H, W) signed -> (H, W, 3) in 0..1: 0 is grey, the largest magnitude black or white."""
    largest = float(values.abs().max()) or 1.0
    unit = 0.5 + 0.5 * values / largest
    picture: npt.NDArray[np.float32] = unit.permute(1, 2, 0).expand(-1, -1, 3).numpy()
    return picture


def _write(path: Path, picture: npt.NDArray[np.float32]) -> None:
    """(H, W, 3) in 0..1 -> PNG."""
    path.write_bytes(encode_png(np.ascontiguousarray((picture.clip(0, 1) * 255).round(), np.uint8)))
