"""The photographs of a gallery: graded as the model serves, every error of it, and the embeddings to find similar ones by."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Self

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
from scipy.special import softmax

from models.card import ModelCard
from models.errors import DataError
from models.explain.frozen import UnitNetwork
from models.explain.neighbours import embed, embed_served, gives_embedding
from models.gallery import ErrorItem, Errors, NeighboursOf
from models.graph import run_logits
from models.imaging import Pixels, encode_png
from training.evaluate import BATCH
from training.sources import LabelledSet

EMBEDDINGS: Final = "embeddings.npz"
THUMBNAILS: Final = "thumbnails/{index:05d}.png"
MOST_NEIGHBOURS: Final = 5000
"""Photographs kept to find similar ones among: a search is then milliseconds, and the gallery some tens of megabytes."""


@dataclass(frozen=True, slots=True)
class Graded:
    """N photographs as the served graph graded them."""

    inputs: Pixels
    """(N, H, W, 3) uint8, the network's inputs."""
    truth: npt.NDArray[np.intp]
    """(N,) indices of grades."""
    probabilities: npt.NDArray[np.float32]
    """(N, K), calibrated."""
    embeddings: npt.NDArray[np.float32]
    """(N, D)."""
    grades: tuple[str, ...]
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.inputs)

    def take(self, chosen: npt.NDArray[np.intp]) -> Self:
        """Those of the indices, in their order."""
        return replace(
            self,
            inputs=self.inputs[chosen],
            truth=self.truth[chosen],
            probabilities=self.probabilities[chosen],
            embeddings=self.embeddings[chosen],
            names=tuple(self.names[index] for index in chosen),
        )

    def spread(self, most: int, seed: int) -> npt.NDArray[np.intp]:
        """At most `most` indices in ascending order, drawn by the seed, each grade in turn, so that rare grades are there too."""
        if len(self) <= most:
            return np.arange(len(self))
        rng = np.random.default_rng(seed)
        turns = np.empty(len(self), np.intp)
        for grade in np.unique(self.truth):
            ours = rng.permutation(np.flatnonzero(self.truth == grade))
            turns[ours] = np.arange(len(ours))
        order = np.lexsort((rng.random(len(self)), turns))
        return np.sort(order[:most])


def grade(
    session: ort.InferenceSession,
    card: ModelCard,
    network: UnitNetwork,
    data: LabelledSet,
    advance: Callable[[int], None] | None = None,
) -> Graded:
    """Every photograph, through the served graph with its calibration. Raises DataError for grades that the model lacks."""
    if not data.samples:
        raise DataError(f"{data.name} holds no images. Choose another source, or another --split.")
    if strange := [label for label in data.labels if label not in card.grades]:
        raise DataError(
            f"{data.name} holds images labelled {' '.join(strange)}; the model knows {' '.join(card.grades)}.", strange=strange
        )
    served = gives_embedding(session)
    inputs, logits, embeddings = [], [], []
    for start in range(0, len(data), BATCH):
        samples = data.samples[start : start + BATCH]
        photographs = np.stack([sample.network_input(card.preprocess) for sample in samples])
        inputs.append(photographs)
        logits.append(run_logits(session, photographs))
        embeddings.append(embed_served(session, photographs) if served else embed(network, network.unit(photographs)))
        if advance:
            advance(len(samples))
    return Graded(
        np.concatenate(inputs),
        np.array([card.grades.index(sample.grade) for sample in data.samples], np.intp),
        softmax(np.concatenate(logits) / card.calibration.temperature, axis=1),
        np.concatenate(embeddings),
        card.grades,
        tuple(sample.name for sample in data.samples),
    )


def write_errors(folder: Path, graded: Graded) -> Errors:
    """Every misclassified photograph as PNG under `errors/`, most confident first, and the confusion matrix they are from."""
    predicted, confidence = graded.probabilities.argmax(axis=1), graded.probabilities.max(axis=1)
    kinds = len(graded.grades)
    confusion = np.bincount(graded.truth * kinds + predicted, minlength=kinds**2).reshape(kinds, kinds)
    wrong = np.flatnonzero(predicted != graded.truth)
    wrong = wrong[np.argsort(-confidence[wrong], kind="stable")]
    (folder / "errors").mkdir()
    items = []
    for number, index in enumerate(wrong):
        image = f"errors/{number:03d}.png"
        (folder / image).write_bytes(encode_png(graded.inputs[index]))
        items.append(
            ErrorItem(
                image=image,
                true=graded.grades[graded.truth[index]],
                predicted=graded.grades[predicted[index]],
                confidence=float(confidence[index]),
                name=graded.names[index],
            )
        )
    return Errors(
        images=len(graded),
        count=int(confusion.sum() - np.trace(confusion)),
        grades=graded.grades,
        confusion=tuple(map(tuple, confusion.tolist())),
        items=tuple(items),
    )


def write_neighbours(folder: Path, graded: Graded, of: int) -> NeighboursOf:
    """Embeddings and thumbnails of these photographs, kept from `of`: row i of the one is number i of the other."""
    (folder / THUMBNAILS).parent.mkdir()
    for index, photograph in enumerate(graded.inputs):
        (folder / THUMBNAILS.format(index=index)).write_bytes(encode_png(photograph))
    grades = np.array([graded.grades[kind] for kind in graded.truth])
    np.savez(folder / EMBEDDINGS, embeddings=graded.embeddings.astype(np.float32), grades=grades)
    return NeighboursOf(embeddings=EMBEDDINGS, thumbnails=THUMBNAILS, count=len(graded), of=of)
