"""Where weights start from: afresh, or from ImageNet, a torchvision file, an earlier run or a published model.

A start is named in one word on the command line (`senka train --from`), found before anything is trained, and remembered in the
run by its kind and sha256, so that a resumed run cannot start from something else.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final, Literal

import torch
from torch import Tensor, nn

from models.architectures import build
from models.architectures.served import ServedNetwork
from models.card import card_of
from models.errors import DataError, RunError
from models.graph import open_session
from models.places import Places
from models.repository import CHALLENGER, CHAMPION
from training import checkpoints
from training.config import TrainingConfig
from training.run import CHECKPOINT_FILE, CONFIG_FILE, Run, StartFacts
from training.sources import LabelledSet

log = logging.getLogger(__name__)

IMAGENET: Final = "imagenet"


@dataclass(frozen=True, slots=True)
class Start:
    """Weights to start from: those of ours have a `state`, torchvision's are read by `training.pretrained` from `source`."""

    kind: Literal["imagenet", "file", "run", "published"]
    name: str
    sha256: str = ""
    """Of the file of weights; empty for imagenet, whose file torchvision keeps."""
    source: str | Path = ""
    architecture: str = ""
    grades: tuple[str, ...] = ()
    state: Mapping[str, Tensor] | None = None
    data: tuple[str, ...] = ()
    """sha256 of every set that weights of ours were trained on: of each source, and of all as one where that is known."""


def find_start(wanted: str) -> Start:
    """`imagenet`, `champion`, `challenger` or a version number, the folder of a run, or a torchvision .pth file.

    Raises RunError for none of them, ModelNotFound and CheckpointMissing for a published model that cannot be gone on from.
    """
    if wanted == IMAGENET:
        return Start("imagenet", IMAGENET, source=IMAGENET)
    if wanted in (CHAMPION, CHALLENGER) or wanted.isdecimal():
        return _published(wanted)
    path = Path(wanted)
    if path.name == CHECKPOINT_FILE and (path.parent / CONFIG_FILE).is_file():
        path = path.parent
    if path.is_dir():
        run = Run.open(path)
        state, digest = checkpoints.load(path / CHECKPOINT_FILE)
        facts = run.facts
        seen = tuple(dict.fromkeys(data.sha256 for data in (facts.data, *facts.parts)))
        return Start("run", str(path), digest, path, facts.config.architecture, facts.grades, state, seen)
    if path.is_file():
        return Start("file", str(path), sha256(path.read_bytes()).hexdigest(), path)
    raise RunError(
        f"There is no start {wanted!r}. It is imagenet, champion, challenger or a version number, the folder of a run, or a "
        "torchvision .pth file."
    )


def require_unseen(start: Start, data: LabelledSet) -> None:
    """Raise DataError where `start` was trained on this very set, or on a source of it: its folds would be graded by a network
    that knows them.

    Whether it saw a part of it cannot be told from a hash; that is said in the log.
    """
    for part in (data.described(), *data.parts) if start.data else ():
        if part.sha256 in start.data:
            raise DataError(
                f"{start.name} was trained on {part.name}, so that no fold of it is unseen. Start from other weights.",
                data=part.name,
            )
    if start.data:
        log.info("figures are honest only if %s was not trained on photographs of %s", start.name, data.name)


def first_network(
    config: TrainingConfig, grades: tuple[str, ...], start: Start | None
) -> tuple[ServedNetwork, StartFacts | None]:
    """The network before its first step, and what to remember of its start.

    Raises RunError for an architecture that cannot be built so, or a `start` of another architecture or shape.
    """
    torch.manual_seed(config.seed)
    try:
        network = build(config.architecture, len(grades), config.preprocess)
    except ValueError as error:  # no such architecture, or not for images of this size
        raise RunError(str(error)) from error
    served = ServedNetwork(network, config.preprocess)
    if start is None:
        return served, None
    if config.architecture == "rbf":
        raise RunError(
            "An rbf network remembers the photographs it was fitted on, and cannot be gone on from. Follow the recipe anew on "
            "the earlier photographs and the new ones: give --data twice."
        )
    if start.state is None:
        from training.pretrained import load_pretrained

        fresh = load_pretrained(network, config.architecture, start.source)
        log.info("starting from %s%s", start.name, f"; fresh: {', '.join(fresh)}" if fresh else "")
        return served, StartFacts(kind=start.kind, name=start.name, sha256=start.sha256 or _digest(network))
    if start.architecture != config.architecture:
        raise RunError(
            f"{start.name} is a {start.architecture}, not a {config.architecture}. Train with --arch {start.architecture}, or "
            "start from another."
        )
    load_start(network, start.state, start.name, start.grades, grades)
    return served, StartFacts(kind=start.kind, name=start.name, sha256=start.sha256)


def load_start(
    network: nn.Module, state: Mapping[str, Tensor], name: str, theirs: tuple[str, ...], ours: tuple[str, ...]
) -> None:
    """Copy `state`, trained on the grades `theirs`, into `network` for `ours`.

    Where the grades differ the classifiers (linear layers with one output for each grade) stay fresh. Raises RunError
    naming a layer that is missing or of another shape.
    """
    own = network.state_dict()
    fresh = set() if theirs == ours else _classifiers(network, len(ours))
    wanted = {key: value for key, value in own.items() if key.rpartition(".")[0] not in fresh}
    if fresh:
        log.info("starting from %s of %s; fresh for %s: %s", name, " ".join(theirs), " ".join(ours), ", ".join(sorted(fresh)))
    else:
        log.info("starting from %s", name)
    for key, value in wanted.items():
        if key not in state:
            raise RunError(f"{name} has no {key}, which this network has: it was made by another version. Start from another.")
        if state[key].shape != value.shape:
            raise RunError(
                f"{name} has {key} of shape {_words(state[key])}, this network {_words(value)}. Train at the input size that "
                "it was trained at, or start from another."
            )
    if extra := sorted(key for key in state if key not in own):
        raise RunError(f"{name} has {extra[0]}, which this network has not: it was made by another version. Start from another.")
    network.load_state_dict({key: state[key] for key in wanted}, strict=False)


def _published(wanted: str) -> Start:
    repository = Places.load().repository
    version = repository.get(wanted)
    card = card_of(open_session(repository.load(version)))
    state, digest = checkpoints.loads(repository.load_checkpoint(version), str(version.checkpoint))
    name = f"{version.name} version {version.number}"
    seen = tuple(data.sha256 for data in card.data)
    return Start("published", name, digest, version.checkpoint, card.architecture, card.grades, state, seen)


def _classifiers(network: nn.Module, grades: int) -> set[str]:
    """Names of the linear layers with one output for each grade, auxiliary heads' too."""
    return {name for name, module in network.named_modules() if isinstance(module, nn.Linear) and module.out_features == grades}


def _digest(network: nn.Module) -> str:
    content = sha256()
    for name, value in network.state_dict().items():
        content.update(name.encode())
        content.update(value.contiguous().cpu().numpy().tobytes())
    return content.hexdigest()


def _words(value: Tensor) -> str:
    return " x ".join(str(side) for side in value.shape) or "()"
