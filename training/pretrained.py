"""Weights that others trained: torchvision's of ImageNet by name, or a file of a `state_dict`, into a network of ours.

GoogLeNet's published weights were trained on photographs in -1..1, which torchvision hides in a step of its model
(`transform_input`). Here it is the mean and deviation of 0.5 in the architecture's default PreprocessSpec; folding it into the
first convolution instead would be wrong at the border, where the padding is 0 only after normalisation.
"""

import re
from collections.abc import Callable
from importlib import import_module
from pathlib import Path, PurePosixPath
from typing import Any, Final

import torch
from torch import Tensor, nn

from models.errors import DataError, RunError
from models.places import Places
from training.download import Checksum, download, folder_for, sha256_of

IMAGENET: Final = "imagenet"
MAX_BYTES: Final = 1024**3
_PUBLISHED: Final = {"googlenet": "GoogLeNet_Weights", "resnet34": "ResNet34_Weights", "vgg19": "VGG19_Weights"}
"""Name of torchvision's enumeration of weights, by architecture."""
_CLASSIFIER: Final = {
    "alexnet": "fc8",
    "deep-mnist": "fc2",
    "googlenet": "fc",
    "lenet": "fc2",
    "resnet34": "fc",
    "vgg19": "classifier.6",
}
"""The layer that gives the logits, by architecture."""
_AUXILIARY: Final = ("aux1", "aux2")
"""Only training uses them, and those in torchvision's file were never trained."""


def load_pretrained(
    network: nn.Module, architecture: str, source: str | Path, advance: Callable[[int], None] | None = None
) -> list[str]:
    """Fill `network`, built as `architecture`, from "imagenet" or a .pth file; returns the names of the layers left as they were.

    Those are the classifier when its number of grades differs, and auxiliary classifiers. A network for grey photographs gets
    the first convolution summed over the colours. `advance` is told the bytes of a download. Raises RunError when there are no
    such weights or they are another network's, DataError when they cannot be fetched.
    """
    path = fetch_imagenet(architecture, advance) if source == IMAGENET else Path(source)
    state = _read(path)
    own = network.state_dict()
    left = [name for name in _AUXILIARY if any(_of_layer(key, name) for key in own)]
    state = {key: value for key, value in state.items() if not any(_of_layer(key, name) for name in _AUXILIARY)}
    first = next(iter(own))  # of every network the weight of its first convolution
    if first in state and state[first].ndim == 4 and state[first].shape[1] == 3 and own[first].shape[1] == 1:
        state[first] = state[first].sum(dim=1, keepdim=True)
    classifier = _CLASSIFIER[architecture]
    if _same_but_for_grades(state, own, classifier):
        state = {key: value for key, value in state.items() if not _of_layer(key, classifier)}
        left.append(classifier)
    due = {key: value for key, value in own.items() if not any(_of_layer(key, name) for name in left)}
    _require_fit(path, architecture, state, due)
    network.load_state_dict(state, strict=False)  # what is missing was looked at above
    return left


def fetch_imagenet(architecture: str, advance: Callable[[int], None] | None = None) -> Path:
    """torchvision's ImageNet weights of an architecture, kept in SENKA_HOME/weights and verified each time.

    Raises RunError where nobody publishes any, DataError when they cannot be fetched.
    """
    if architecture not in _PUBLISHED:
        why = {"alexnet": " of 2012; torchvision's AlexNet is the network of 2014, with other layers"}.get(architecture, "")
        raise RunError(
            f"There are no published ImageNet weights for {architecture}{why}. "
            f"Train it from scratch, or choose one of: {', '.join(sorted(_PUBLISHED))}."
        )
    url = _published_url(architecture)
    name = PurePosixPath(url).name
    found = re.search(r"-([0-9a-f]{8,})\.", name)  # the convention of torch.hub: the file's name holds its sha256's beginning
    if found is None:
        raise DataError(f"{url} does not name its checksum; give a downloaded file instead.", url=url)
    folder = folder_for(Places.load().home / "weights", "Set SENKA_HOME.")
    checksum = Checksum("sha256", found[1], sha256_of)
    return download(url, folder / name, checksum, advance, max_bytes=MAX_BYTES, resumable=True)


def _published_url(architecture: str) -> str:
    # Only here: torchvision takes a second to load, and most runs start from nothing.
    weights = getattr(import_module("torchvision.models"), _PUBLISHED[architecture])
    return str(weights.IMAGENET1K_V1.url)


def _read(path: Path) -> dict[str, Tensor]:
    try:
        state: Any = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise RunError(f"There is no file {path}. Give a .pth file of a state_dict, or {IMAGENET!r}.") from error
    except Exception as error:  # torch reports damage as RuntimeError, UnpicklingError, EOFError and others
        raise RunError(
            f"{path} does not hold plain weights ({type(error).__name__}). Give a .pth file of a state_dict."
        ) from error
    if not isinstance(state, dict) or not state or not all(isinstance(value, Tensor) for value in state.values()):
        raise RunError(
            f"{path} does not hold a state_dict, names with tensors. Save one with torch.save(model.state_dict(), ...)."
        )
    return dict(state)


def _of_layer(key: str, layer: str) -> bool:
    return key.startswith(f"{layer}.")


def _same_but_for_grades(state: dict[str, Tensor], own: dict[str, Tensor], classifier: str) -> bool:
    """Whether both have the layer, with the same inputs and another number of outputs."""
    weight = f"{classifier}.weight"
    if weight not in state or weight not in own:
        return False
    return state[weight].shape[1:] == own[weight].shape[1:] and state[weight].shape != own[weight].shape


def _require_fit(path: Path, architecture: str, state: dict[str, Tensor], due: dict[str, Tensor]) -> None:
    """Raises RunError, naming one tensor that is missing, left over or of another shape."""
    # Files older than PyTorch 0.4.1 lack the counters of batch normalisation, which nothing reads here.
    missing = [key for key in due if key not in state and not key.endswith("num_batches_tracked")]
    strange = [key for key in state if key not in due]
    other = [key for key in state if key in due and state[key].shape != due[key].shape]
    for keys, words in ((missing, "lacks"), (strange, "has besides"), (other, "has in another shape")):
        if keys:
            more = f" and {len(keys) - 1} more" if len(keys) > 1 else ""
            raise RunError(
                f"{path} is not {architecture} for this input: it {words} {keys[0]}{more}. "
                f"Give the weights of the same architecture, or leave them out.",
                path=str(path),
                tensors=keys,
            )
