"""Every method by its name in the catalogue: (network, photograph, layer, target, parameters) -> Explanation."""

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from models.errors import InvalidParameter, UnknownLayer, UnknownMethod
from models.explain import cams, pictures
from models.explain.ascent import Ascent
from models.explain.attributions import guided_backprop, guided_grad_cam, integrated_gradients, saliency, smooth_grad
from models.explain.catalogue import METHODS, Method, method_of
from models.explain.deconvolution import deconvolution
from models.explain.dream import deepdream
from models.explain.feature_maps import feature_maps
from models.explain.filters import autocorrelation, convolution_layers, learned_filters
from models.explain.frozen import UnitNetwork
from models.explain.layers import last_spatial, layers_of, spatial_layers
from models.explain.maximization import maximize
from models.explain.occlusion import covering, occlusion
from models.explain.result import Explanation
from models.imaging import Pixels

PLAIN: Final = frozenset(("BatchNorm2d", "ReLU", "MaxPool2d", "AvgPool2d", "AdaptiveAvgPool2d", "LocalResponseNorm", "Dropout"))
"""Layers that learn nothing: no picture is optimized for them unless they are named."""

INPUT: Final = "input"
"""In the place of a layer: the photograph as the network takes it, (channels, H, W) in 0..1, before its normalisation."""


@dataclass(frozen=True, slots=True)
class Offered:
    """A method that a network offers."""

    method: Method
    layers: tuple[str, ...]
    """Those it takes; empty where it takes none."""
    default_layer: str | None


def offered(network: UnitNetwork) -> list[Offered]:
    """The methods that this network offers, in the order of the catalogue."""
    exact = network_has_cam(network)
    return [
        Offered(
            method, tuple(_valid_layers(network, method)), default_layer(network, method) if method.layers != "none" else None
        )
        for method in METHODS.values()
        if exact or method.name not in ("cam", "contrastive_cam")
    ]


def _valid_layers(network: UnitNetwork, method: Method) -> list[str]:
    if method.layers == "none":
        return []
    if method.layers == "convolutions":
        return convolution_layers(network)
    # a step by step look at a network begins with what it was given
    return [*([INPUT] if method.name == "feature_maps" else []), *spatial_layers(network)]


def network_has_cam(network: UnitNetwork) -> bool:
    """Whether the network ends in a head that has an exact class activation map."""
    try:
        cams.require_cam(network)
    except UnknownMethod:
        return False
    return True


def default_layer(network: UnitNetwork, method: Method) -> str:
    """The layer a method takes when none is named.

    Reasons: the last that gives maps. Filters: the first convolution, whose filters are colours. Feature maps: the first ReLU.
    Optimized pictures: a block two thirds up, where features have form and are not yet of one class.
    """
    if method.kind == "filters":
        return convolution_layers(network)[0]
    if method.kind == "maps":
        return next((layer.name for layer in layers_of(network) if layer.kind == "ReLU" and layer.spatial), last_spatial(network))
    if method.kind == "image":
        tops = [layer.name for layer in layers_of(network) if layer.spatial and "." not in layer.name and layer.kind not in PLAIN]
        names = [name for name in tops if name != "avgpool"]
        names = names if len(names) > 1 else convolution_layers(network)
        return names[2 * len(names) // 3]
    return last_spatial(network)


@dataclass(frozen=True, slots=True)
class _Question:
    """What a method is asked; `x` and `photograph` are absent for methods that need no photograph."""

    network: UnitNetwork
    parameters: Mapping[str, Any]
    layer: str
    target: int
    x: Tensor
    photograph: Pixels
    grades: Sequence[str]
    served: tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]] | None

    def scores(self) -> tuple[Tensor, Tensor]:
        """Logits (1, K) and maps (1, K, h, w): the served graph's own where it was run, else the same of the network."""
        if self.served is None:
            return cams.cam(self.network, self.x)
        cams.require_cam(self.network)
        logits, maps = (torch.from_numpy(np.ascontiguousarray(values)) for values in self.served)
        return logits, maps


def explain(
    network: UnitNetwork,
    method: str,
    photograph: Pixels | None = None,
    layer: str | None = None,
    target: int | None = None,
    parameters: Mapping[str, Any] | None = None,
    *,
    grades: Sequence[str] = (),
    served: tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]] | None = None,
) -> Explanation:
    """Run a method by its name.

    photograph: (H, W, 3) uint8 RGB of the network's size (of any size for deepdream). layer: None takes `default_layer`. target:
    index of a logit, None takes the largest. parameters: read and bounded by the catalogue. grades: names of the logits,
    for parameters that name one. served: logits (1, K) and maps (1, K, h, w) of the served graph, which `cam` and
    `contrastive_cam` then take, so that they are of what was served to the last bit.

    Raises UnknownMethod, also for one that this network does not offer, UnknownLayer, InvalidParameter.
    """
    known = method_of(method)
    settled = known.settle(parameters or {})
    if known.layers == "none" and layer is not None:
        raise InvalidParameter(f"{method} takes no layer; leave it out.", valid=[])
    if known.photograph and photograph is None:
        raise InvalidParameter(f"{method} explains a photograph, and none was given.")
    chosen = (layer or default_layer(network, known)) if known.layers != "none" else None
    if chosen is not None:
        valid = _valid_layers(network, known)
        if chosen not in valid:
            raise UnknownLayer(chosen, valid)
    pixels = photograph if photograph is not None else np.zeros((1, 1, 3), np.uint8)
    x = network.unit(pixels[None])
    index = None
    if known.target:
        with torch.no_grad():
            index = int(network(x).argmax()) if target is None else target
    question = _Question(network, settled, chosen or "", -1 if index is None else index, x, pixels, grades, served)
    values, evidence, facts = _METHODS[method](question)
    array = np.ascontiguousarray(values.detach().numpy() if isinstance(values, Tensor) else values, np.float32)
    signed = method in _SIGNED or (known.kind == "maps" and bool((array < 0).any()))
    return Explanation(array, known.kind, signed, chosen, index, evidence, facts)


_Answer = tuple[Tensor | npt.NDArray[np.float32], float | None, dict[str, Any]]
_SIGNED: Final = frozenset(
    (
        *("cam", "contrastive_cam", "integrated_gradients", "occlusion"),
        *("guided_backprop", "guided_grad_cam", "deconvolution", "filters"),
    )
)


def _cam(asked: _Question) -> _Answer:
    _, maps = asked.scores()
    found = cams.chosen(maps, asked.target)
    return found[0], float(cams.evidence(found, cams.adds_up_by_mean(asked.network))), {}


def _contrastive_cam(asked: _Question) -> _Answer:
    logits, maps = asked.scores()
    named = str(asked.parameters["against"])
    if named:
        if named not in asked.grades:
            message = f"against is {named[:50]!r}; choose one of: {', '.join(asked.grades)}."
            raise InvalidParameter(message, valid=list(asked.grades))
        against = asked.grades.index(named)
    else:
        against = next(index for index in logits[0].argsort(descending=True, stable=True).tolist() if index != asked.target)
    found = cams.contrastive(maps, asked.target, against)
    evidence = float(cams.evidence(found, cams.adds_up_by_mean(asked.network)))
    return found[0], evidence, {"against": asked.grades[against] if asked.grades else against}


def _grad_cam(asked: _Question) -> _Answer:
    found = cams.grad_cam(asked.network, asked.x, asked.layer, asked.target)
    return found[0], float(cams.evidence(found)), {}


def _grad_cam_pp(asked: _Question) -> _Answer:
    found = cams.grad_cam_pp(asked.network, asked.x, asked.layer, asked.target)
    in_logits = cams.layer_cam(asked.network, asked.x, asked.layer, asked.target)  # its own values are in no unit
    return found[0], float(cams.evidence(in_logits)), {}


def _layer_cam(asked: _Question) -> _Answer:
    found = cams.layer_cam(asked.network, asked.x, asked.layer, asked.target)
    return found[0], float(cams.evidence(found)), {}


def _saliency(asked: _Question) -> _Answer:
    return saliency(asked.network, asked.x, asked.target)[0], None, {}


def _smooth_grad(asked: _Question) -> _Answer:
    chosen = asked.parameters
    return smooth_grad(asked.network, asked.x, asked.target, chosen["samples"], chosen["sigma"], chosen["seed"])[0], None, {}


def _integrated_gradients(asked: _Question) -> _Answer:
    baseline = covering(asked.x, asked.parameters["baseline"])
    found = integrated_gradients(asked.network, asked.x, asked.target, asked.parameters["steps"], baseline)
    values = found.values[0].sum(dim=0)
    return values, float(values.clamp(min=0).sum()), {"delta": float(found.delta[0]), "steps": found.steps}


def _guided_backprop(asked: _Question) -> _Answer:
    return guided_backprop(asked.network, asked.x, asked.target)[0], None, {}


def _guided_grad_cam(asked: _Question) -> _Answer:
    return guided_grad_cam(asked.network, asked.x, asked.layer, asked.target)[0], None, {}


def _occlusion(asked: _Question) -> _Answer:
    chosen, fill = asked.parameters, covering(asked.x, asked.parameters["fill"])
    values = occlusion(asked.network, asked.x, asked.target, chosen["window_px"], chosen["stride_px"], fill)[0]
    return values, max(0.0, float(values.max())), {}


def _deconvolution(asked: _Question) -> _Answer:
    place, channel = _numbers(asked.parameters, "place", 2), asked.parameters["channel"]
    if channel < 0:
        channel = int(feature_maps(asked.network, asked.x, asked.layer)[0].amax(dim=(1, 2)).argmax())
    found = deconvolution(asked.network, asked.x, asked.layer, channel, (place[0], place[1]) if place else None)
    facts = {"channel": channel, "place": list(found.place), "activation": found.activation}
    return found.values, None, facts


def _feature_maps(asked: _Question) -> _Answer:
    maps = asked.x if asked.layer == INPUT else feature_maps(asked.network, asked.x, asked.layer)
    return maps[0], None, {}


def _filters(asked: _Question) -> _Answer:
    weights = learned_filters(asked.network, asked.layer)
    return weights, None, {"autocorrelation": autocorrelation(weights)}


def _activation_maximization(asked: _Question) -> _Answer:
    chosen = dict(asked.parameters)
    side = chosen.pop("size_px")
    channels, neuron = _numbers(chosen, "channels", 2), _numbers(chosen, "neuron", 2)
    ascent = maximize(
        asked.network,
        asked.layer,
        **{**chosen, "channels": channels, "neuron": (neuron[0], neuron[1]) if neuron else None},
        size=(side, side) if side else None,
    )
    facts = {"channels": channels} if channels else {"channel": chosen["channel"]}
    return ascent.image, None, {**facts, **_course(ascent)}


def _deepdream(asked: _Question) -> _Answer:
    chosen = {name: value for name, value in asked.parameters.items() if name != "size_px"}  # it made the photograph
    ascent = deepdream(asked.network, asked.photograph, asked.layer, **chosen)
    return ascent.image, None, _course(ascent)


def _course(ascent: Ascent) -> dict[str, Any]:
    frames = [np.asarray((frame.clip(0, 1) * 255).round(), np.uint8) for frame in ascent.frames]
    encoded = [base64.b64encode(pictures.encode(frame)).decode() for frame in frames]
    return {"objective": ascent.objective, "frames": encoded, "frame_steps": ascent.frame_steps}


def _numbers(parameters: Mapping[str, Any], name: str, count: int) -> list[int] | None:
    """A text parameter such as `3,17` -> its numbers; None where it is empty. Raises InvalidParameter."""
    text = str(parameters[name]).strip()
    if not text:
        return None
    parts = text.split(",")
    if len(parts) != count or not all(part.strip().isascii() and part.strip().isdigit() and len(part) < 7 for part in parts):
        raise InvalidParameter(f"{name} is {text[:50]!r}; it takes {count} whole numbers with a comma between, such as 3,17.")
    return [int(part) for part in parts]


_METHODS: Final[Mapping[str, Callable[[_Question], _Answer]]] = {
    "cam": _cam,
    "contrastive_cam": _contrastive_cam,
    "grad_cam": _grad_cam,
    "grad_cam_pp": _grad_cam_pp,
    "layer_cam": _layer_cam,
    "saliency": _saliency,
    "smooth_grad": _smooth_grad,
    "integrated_gradients": _integrated_gradients,
    "guided_backprop": _guided_backprop,
    "guided_grad_cam": _guided_grad_cam,
    "occlusion": _occlusion,
    "deconvolution": _deconvolution,
    "feature_maps": _feature_maps,
    "filters": _filters,
    "activation_maximization": _activation_maximization,
    "deepdream": _deepdream,
}
