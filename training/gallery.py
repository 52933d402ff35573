"""The gallery of a published model, made once: what its layers see, how far its maps can be trusted, where it errs."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np

from models.card import card_of
from models.explain.frozen import UnitNetwork, freeze, require_parity
from models.gallery import GALLERY_FILE, DataOf, Galleries, Gallery, ModelOf
from models.graph import open_session
from models.imaging import Pixels
from models.preprocess import PreprocessSpec
from models.pruning import logits_only
from models.repository import ModelRepository, Version
from training.gallery_layers import SURVEYED, gather, shown_layers, write_layer
from training.gallery_photographs import MOST_NEIGHBOURS, Graded, grade, write_errors, write_neighbours
from training.gallery_trust import measure_trust, trust_images, trusted_methods
from training.sources import LabelledSet

CHANNELS: Final = 16
_PARITY_IMAGES: Final = 32

Stage = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]
"""(what is done, how many steps) -> a context that gives the function to call with steps done."""


@contextmanager
def silent(_: str, __: int) -> Iterator[Callable[[int], None]]:
    """A Stage that shows nothing."""
    yield lambda _: None


@dataclass(frozen=True, slots=True)
class Wishes:
    """What to put into a gallery."""

    layers: Sequence[str] | None = None
    """None: a selection (`gallery_layers.shown_layers`)."""
    channels: int = CHANNELS
    """Of each layer, those with the largest influence on the grades."""
    trust_images: int | None = None
    """Photographs that the methods are tried on; 0: none, None: by the size of the network."""
    seed: int = 0


def make_gallery(
    repository: ModelRepository,
    version: Version,
    galleries: Galleries,
    data: LabelledSet | None = None,
    wishes: Wishes | None = None,
    stage: Stage = silent,
) -> Gallery:
    """Make the gallery of a version and put it in place of an older one; without `data` what needs no photographs.

    Raises CheckpointMissing for a version published without its weights, ModelMismatch where these do not compute what the
    served graph does, DataError for labels that the model does not know, UnknownLayer; nothing is left behind then.
    """
    wishes, started = wishes or Wishes(), time.monotonic()
    model = repository.load(version)
    session = open_session(model)
    card = card_of(session)
    network = freeze(card, repository.load_checkpoint(version))
    layers = shown_layers(network, wishes.layers)
    with galleries.making(version.sha256) as (folder, made_id):
        parts: dict[str, Any] = {}
        evidence = None
        if data is None:
            require_parity(network, session, _noise(card.preprocess, wishes.seed))
        else:
            with stage("Grading", len(data)) as advance:
                graded = grade(session, card, network, data, advance)
            require_parity(network, session, graded.inputs[graded.spread(_PARITY_IMAGES, wishes.seed)])
            parts = _of_photographs(folder, network, model, card.calibration.temperature, graded, wishes, stage)
            parts["data"] = DataOf(name=data.name, sha256=data.sha256, images=len(data), attribution=data.attribution)
            near = graded.take(graded.spread(MOST_NEIGHBOURS, wishes.seed))
            parts["neighbours"] = write_neighbours(folder, near, of=len(graded))
            with stage("Surveying", min(len(near), SURVEYED)) as advance:
                evidence = gather(network, layers, near, wishes.seed, advance)
        with stage("Layers", len(layers) * wishes.channels) as advance:
            parts["layers"] = tuple(
                write_layer(folder, network, layer, card.grades, wishes.channels, wishes.seed, evidence, advance)
                for layer in layers
            )
        gallery = Gallery(
            id=made_id,
            model=ModelOf(name=version.name, version=version.number, sha256=version.sha256),
            architecture=card.architecture,
            made_at=datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            seconds=round(time.monotonic() - started, 1),
            seed=wishes.seed,
            **parts,
        )
        (folder / GALLERY_FILE).write_text(gallery.model_dump_json(), encoding="utf-8")
    return gallery


def _of_photographs(
    folder: Path,
    network: UnitNetwork,
    model: bytes,
    temperature: float,
    graded: Graded,
    wishes: Wishes,
    stage: Stage,
) -> dict[str, Any]:
    """The errors, and the trust in each method unless no photographs are to be spent on it."""
    parts: dict[str, Any] = {"errors": write_errors(folder, graded)}
    images = trust_images(network) if wishes.trust_images is None else wishes.trust_images
    if images:
        plain = open_session(logits_only(model))  # thousands of passes, of which only the logits count
        with stage("Trust", len(trusted_methods(network, wishes.seed))) as advance:
            parts["trust"] = measure_trust(network, plain, temperature, graded, images, wishes.seed, advance)
    return parts


def _noise(spec: PreprocessSpec, seed: int) -> Pixels:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (_PARITY_IMAGES, spec.height, spec.width, 3), np.uint8)
