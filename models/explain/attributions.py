"""Gradients of a logit with respect to the pixels of a photograph, by captum on a frozen network.

x is (B, channels, H, W) float32 in 0..1, so a gradient is in logits per unit of light. A target is the index of a logit, or a
LongTensor (B,) with one for each photograph. The same call gives the same bits; the global random state stays as it was.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import torch
from captum import attr
from torch import Tensor, nn
from torch.nn import functional as F

from models.errors import UnknownMethod
from models.explain.cams import Target, chosen, grad_cam, require_target
from models.explain.catalogue import METHODS
from models.explain.frozen import UnitNetwork

MOST_STEPS: Final = 1024
COMPLETE: Final = 0.01
"""Greatest share of f(x) - f(baseline) that integrated gradients may miss before their steps are doubled."""
ROUNDING: Final = 1e-6
"""Of a logit in float32: no number of steps gets closer."""
_BATCH_PX: Final = 2**18
"""Pixels in one pass forward and back: 5 photographs of 224x224, where VGG-19 keeps 120 MB for each."""


@dataclass(frozen=True, slots=True)
class IntegratedGradients:
    values: Tensor
    """(B, channels, H, W), in logits: they add up to f(x) - f(baseline) + delta."""
    delta: Tensor
    """(B,), in logits: what the sum is off by."""
    steps: int
    """Points on the way, after doubling, of the photograph that took most."""


def saliency(network: UnitNetwork, x: Tensor, target: Target) -> Tensor:
    """(B, H, W) >= 0, how fast the logit moves with a pixel: the greatest |gradient| over colours (Simonyan et al. 2014)."""
    require_target(network, x, target)
    gradients: Tensor = attr.Saliency(network).attribute(_leaf(x), target=target)  # absolute values
    return gradients.detach().amax(dim=1)


def smooth_grad(network: UnitNetwork, x: Tensor, target: Target, samples: int, sigma: float, seed: int) -> Tensor:
    """(B, H, W) >= 0: saliency over noisy copies of each photograph (SmoothGrad, Smilkov et al. 2017).

    |gradient| averaged over `samples` copies with Gaussian noise of standard deviation `sigma`, of a range of 1, then the
    greatest over colours; with sigma 0 that is `saliency`. Each photograph sees the same noise, whatever batch it is in.
    """
    require_target(network, x, target)
    targets = torch.as_tensor(target).expand(len(x)).tolist()
    tunnel = attr.NoiseTunnel(attr.Saliency(network))
    found = []
    for at, grade in enumerate(targets):
        with torch.random.fork_rng(devices=[]):  # captum draws from the global generator
            torch.manual_seed(seed)
            found.append(
                tunnel.attribute(
                    _leaf(x[at : at + 1]),
                    nt_type="smoothgrad",
                    nt_samples=samples,
                    nt_samples_batch_size=min(samples, batch_of(x)),
                    stdevs=float(sigma),
                    target=grade,
                )
            )
    return torch.cat(found).detach().amax(dim=1)


def integrated_gradients(network: UnitNetwork, x: Tensor, target: Target, steps: int, baseline: Tensor) -> IntegratedGradients:
    """Gradients summed on the straight way from `baseline`, like x or (1, channels, H, W), to x (Sundararajan et al. 2017).

    By Gauss-Legendre quadrature. `steps` are doubled, up to MOST_STEPS, for photographs whose values do not add up to
    f(x) - f(baseline) within COMPLETE of it; `delta` says by how much they miss it in the end.
    """
    baseline = baseline.detach().expand_as(x)
    with torch.no_grad():
        end, start = chosen(network(x), target), chosen(network(baseline), target)
    allowed = (end - start).abs() * COMPLETE + torch.maximum(end.abs(), start.abs()) * ROUNDING
    targets = torch.as_tensor(target, device=x.device).expand(len(x))
    values, delta = torch.empty_like(x), torch.empty_like(end)
    waiting = torch.arange(len(x), device=x.device)
    while True:
        values[waiting], delta[waiting] = (
            found.detach()
            for found in attr.IntegratedGradients(network).attribute(
                x.detach()[waiting],
                baseline[waiting],
                target=targets[waiting],
                n_steps=steps,
                method="gausslegendre",
                internal_batch_size=max(len(waiting), batch_of(x)),
                return_convergence_delta=True,
            )
        )
        waiting = waiting[delta[waiting].abs() > allowed[waiting]]
        if steps >= MOST_STEPS or not len(waiting):
            return IntegratedGradients(values, delta, steps)
        steps = min(2 * steps, MOST_STEPS)


def guided_backprop(network: UnitNetwork, x: Tensor, target: Target) -> Tensor:
    """(B, channels, H, W), signed: the gradient, passed back through a ReLU only where it is positive (Springenberg et al. 2015).

    It shows features, not reasons: it hardly changes with the grade or the weights (Adebayo et al. 2018). Raises UnknownMethod
    for a network with a ReLU that is a function and not a module: hooks do not see it, and it would pass the plain gradient.
    """
    require_target(network, x, target)
    _require_relu_modules(network, x, "guided_backprop")
    with _silent_about_hooks():
        values: Tensor = attr.GuidedBackprop(network).attribute(_leaf(x), target=target)
    return values.detach()


def guided_grad_cam(network: UnitNetwork, x: Tensor, layer: str, target: Target) -> Tensor:
    """(B, channels, H, W), signed: guided backprop times Grad-CAM of a layer, scaled up bilinearly (Selvaraju et al. 2017).

    Not captum's own: its Grad-CAM does not undo the mirroring of networks that look at several views of a photograph. Raises as
    `guided_backprop` and `grad_cam` do.
    """
    _require_relu_modules(network, x, "guided_grad_cam")
    coarse = grad_cam(network, x, layer, target)
    return guided_backprop(network, x, target) * F.interpolate(coarse.unsqueeze(1), x.shape[2:], mode="bilinear")


def batch_of(x: Tensor) -> int:
    """Photographs of the size of x that one pass may take, so that memory stays bounded: 1 to 64."""
    return max(1, min(64, _BATCH_PX // (x.shape[2] * x.shape[3])))


def _leaf(x: Tensor) -> Tensor:
    # captum warns when it has to ask for the gradient itself, and would leave its mark on the caller's tensor
    return x.detach().clone().requires_grad_()


@contextmanager
def _silent_about_hooks() -> Iterator[None]:
    """captum tells each time that it sets hooks on ReLUs and takes them off again, which is what is asked of it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Setting backward hooks on ReLU activations", category=UserWarning)
        yield


def _require_relu_modules(network: UnitNetwork, x: Tensor, method: str) -> None:
    """Raises UnknownMethod unless every ReLU that runs is a module, and there is one."""
    calls = 0

    def count(*_: object) -> None:
        nonlocal calls
        calls += 1

    hooks = [module.register_forward_hook(count) for module in network.modules() if isinstance(module, nn.ReLU)]
    try:
        with torch.enable_grad():
            logits = network(_leaf(x[:1]))
    finally:
        for hook in hooks:
            hook.remove()
    if not 0 < calls == _relus_in_graph(logits):
        others = [name for name in METHODS if name not in ("guided_backprop", "guided_grad_cam")]
        raise UnknownMethod(
            method, others, f"{type(network.bare).__name__} has a ReLU that is no module of its own, or none: nothing to guide."
        )


def _relus_in_graph(logits: Tensor) -> int:
    """How many ReLUs, modules or functions, autograd saw on the way to the logits."""
    waiting, seen = [logits.grad_fn], set()
    while waiting:
        node = waiting.pop()
        if node is not None and node not in seen:
            seen.add(node)
            waiting.extend(after for after, _ in node.next_functions)
    return sum(type(node).__name__ == "ReluBackward0" for node in seen)
