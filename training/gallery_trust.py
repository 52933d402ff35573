"""How far the maps of each method can be trusted on one model, measured on photographs."""

from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from typing import Final

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
import torch
from captum import attr
from scipy.special import softmax
from torch import Tensor

from models.architectures.network import Explained
from models.architectures.summary import Totals, summarize
from models.explain.attributions import guided_backprop, guided_grad_cam, saliency, smooth_grad
from models.explain.cams import cam, chosen, grad_cam, grad_cam_pp, layer_cam
from models.explain.catalogue import METHODS
from models.explain.faithfulness import faithfulness
from models.explain.frozen import UnitNetwork
from models.explain.layers import last_spatial
from models.explain.occlusion import covering, occlusion
from models.explain.randomization import last_layer
from models.explain.spurious import spurious
from models.gallery import MethodTrust, Spurious, Trust
from models.graph import run_logits
from models.imaging import Pixels
from training.gallery_photographs import Graded

SPURIOUS_IMAGES: Final = 100
RANDOMIZED_IMAGES: Final = 6
RANDOM_DRAWS: Final = 2
"""Of the last layer's weights."""
RANDOM_MAPS: Final = 1
"""Shuffled beside each map: over all photographs their mean is steady enough."""
STEPS: Final = 16
"""Points of an insertion or deletion curve."""
SAMPLES: Final = 10
"""Noisy copies of SmoothGrad, where one explanation takes 50."""
PATH_STEPS: Final = 16
_LIGHT_MACS: Final = 100e6
_HEAVY_MACS: Final = 2e9

Map = Callable[[UnitNetwork, Tensor, Tensor], Tensor]
"""(network, x (B, channels, H, W) in 0..1, targets (B,)) -> (B, h, w)."""
Advance = Callable[[int], None]


def trusted_methods(network: UnitNetwork, seed: int) -> dict[str, Map]:
    """The methods that give a map of a grade, at settings that some hundred maps can be afforded at."""
    layer = last_spatial(network)
    window = max(1, min(network.spec.height, network.spec.width) // 4)
    methods: dict[str, Map] = {
        "grad_cam": lambda net, x, target: grad_cam(net, x, layer, target),
        "grad_cam_pp": lambda net, x, target: grad_cam_pp(net, x, layer, target),
        "layer_cam": lambda net, x, target: layer_cam(net, x, layer, target),
        "saliency": saliency,
        "smooth_grad": lambda net, x, target: smooth_grad(net, x, target, SAMPLES, 0.15, seed),
        "integrated_gradients": _path_gradients,
        "occlusion": lambda net, x, target: occlusion(net, x, target, window, max(1, window // 2), covering(x, "belt")),
        "guided_backprop": lambda net, x, target: guided_backprop(net, x, target).abs().sum(dim=1),
        "guided_grad_cam": lambda net, x, target: guided_grad_cam(net, x, layer, target).abs().sum(dim=1),
    }
    if isinstance(network.bare, Explained):
        methods = {"cam": _class_activation} | methods
    return methods


def trust_images(network: UnitNetwork) -> int:
    """Photographs that the methods are tried on by default: fewer for networks that take longer over each."""
    spec = network.spec
    macs = Totals.of(summarize(network.bare, spec.channels, spec.height, spec.width)).macs
    return 48 if macs < _LIGHT_MACS else 12 if macs < _HEAVY_MACS else 4


def measure_trust(
    network: UnitNetwork,
    session: ort.InferenceSession,
    temperature: float,
    graded: Graded,
    images: int,
    seed: int,
    advance: Advance,
) -> Trust:
    """Faithfulness and the randomization check of every method on `images` photographs, each for the grade it was given.

    The curves are of the served graph's calibrated probabilities; the maps are the frozen copy's.
    """

    def probabilities(photographs: Pixels) -> npt.NDArray[np.float32]:
        return np.asarray(softmax(run_logits(session, photographs) / temperature, axis=1), np.float32)

    chosen_few = graded.spread(images, seed)
    photographs, grades = graded.inputs[chosen_few], graded.probabilities[chosen_few].argmax(axis=1)
    x, targets = network.unit(photographs), torch.from_numpy(grades)
    found = []
    for name, method in trusted_methods(network, seed).items():
        maps = np.concatenate([_map(method, network, x[i : i + 1], targets=targets[i : i + 1]) for i in range(len(x))])
        few = partial(_map, method, targets=targets[:RANDOMIZED_IMAGES])
        correlation = last_layer(network, few, x[:RANDOMIZED_IMAGES], RANDOM_DRAWS)
        scored = faithfulness(probabilities, photographs, maps, grades, steps=STEPS, random_maps=RANDOM_MAPS, seed=seed)
        found.append(
            MethodTrust(
                name=name,
                shows=METHODS[name].shows,
                insertion=scored.insertion,
                deletion=scored.deletion,
                random_insertion=scored.random_insertion,
                random_deletion=scored.random_deletion,
                randomization_correlation=correlation,
            )
        )
        advance(1)
    return Trust(images=len(chosen_few), methods=tuple(found), spurious=_spurious(network, session, graded, seed))


def _spurious(network: UnitNetwork, session: ort.InferenceSession, graded: Graded, seed: int) -> Spurious | None:
    some = graded.spread(SPURIOUS_IMAGES, seed)
    method = next(iter(trusted_methods(network, seed).values()))

    def map_of(photographs: Pixels, grades: npt.NDArray[np.integer]) -> npt.NDArray[np.floating]:
        return _map(method, network, network.unit(photographs), targets=torch.from_numpy(np.asarray(grades)))

    try:
        found = spurious(
            lambda photographs: run_logits(session, photographs), graded.inputs[some], graded.truth[some], map_of, seed
        )
    except ValueError:  # fewer than two photographs show a fruit: digits, say
        return None
    return Spurious.model_validate(asdict(found))


def _class_activation(network: UnitNetwork, x: Tensor, targets: Tensor) -> Tensor:
    return chosen(cam(network, x)[1], targets)


def _path_gradients(network: UnitNetwork, x: Tensor, targets: Tensor) -> Tensor:
    """Integrated gradients at PATH_STEPS, not doubled until they add up: the order of pixels is settled long before."""
    values: Tensor = attr.IntegratedGradients(network).attribute(
        x, covering(x, "belt"), target=targets, n_steps=PATH_STEPS, method="gausslegendre", internal_batch_size=64
    )
    return values.sum(dim=1)


def _map(method: Map, network: UnitNetwork, x: Tensor, *, targets: Tensor) -> npt.NDArray[np.floating]:
    return method(network, x, targets).detach().numpy()
