"""Suspected label errors by confident learning, most suspicious first.

Northcutt, Jiang and Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels", JAIR 70 (2021). Probabilities of each
photograph come from a model that saw neither it nor another photograph of its fruit.
"""

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field
from scipy.special import softmax

from models.errors import DataError
from training.fit_recipe import Fitted, follow
from training.intake.outline import tree_probabilities
from training.measuring import learn_to_measure
from training.recipe import Recipe, find_recipe
from training.sources import LabelledSet, Sample

log = logging.getLogger(__name__)

MOST_IMAGES: Final = 4000
"""More photographs than that are not learned from at once: the fit takes time with the cube of their number."""
_DOUBT: Final = 0.01
"""Added to every probability before the two opinions are multiplied: neither may rule out a grade alone."""
FEWEST: Final = 2
"""Fruit that a grade needs to be learned at all."""
Floats = npt.NDArray[np.float64]


class Suspect(BaseModel):
    """A label that a model which had not seen the photograph disagrees with."""

    model_config = ConfigDict(frozen=True)

    name: str
    given: str
    suggested: str
    probability: float = Field(description="of the suggested grade, 0 to 1")
    given_probability: float = Field(description="of the given grade, 0 to 1")
    margin: float = Field(description="the first less the second; the higher, the more suspicious")
    confident: bool = Field(description="whether confident learning counts it as an error, rather than a doubt")


@dataclass(frozen=True, slots=True)
class ConfidentJoint:
    """How often a label given as i is confidently a j, and which labels these are."""

    thresholds: Floats
    """(K,): mean probability of grade j among the photographs labelled j."""
    counts: npt.NDArray[np.int64]
    """(K, K), given by row, confidently true by column."""
    likely: npt.NDArray[np.int64]
    """(N,) the confident grade of each photograph, -1 where no probability reaches its grade's threshold."""
    shares: Floats
    """(K,) of each given label."""

    @property
    def estimated_errors(self) -> float:
        """Share of wrong labels, 0 to 1: off the diagonal of the joint, its rows calibrated to how often each label is given."""
        total = self.counts.sum(axis=1)
        right = np.where(total > 0, np.diag(self.counts) / np.maximum(total, 1), 1.0)  # none is confident: none is suspected
        return float(((1 - right) * self.shares).sum())


def confident_joint(probabilities: Floats, given: npt.NDArray[np.int64]) -> ConfidentJoint:
    """probabilities (N, K), rows summing to 1; given (N,) indices 0..K-1. A grade that nobody bears has threshold 1."""
    classes = probabilities.shape[1]
    borne = np.bincount(given, minlength=classes)
    thresholds = np.array([probabilities[given == j, j].mean() if borne[j] else 1.0 for j in range(classes)])
    reached = probabilities >= thresholds
    likely = np.where(reached.any(axis=1), np.where(reached, probabilities, -1.0).argmax(axis=1), -1)
    counts = np.zeros((classes, classes), np.int64)
    known = likely >= 0
    np.add.at(counts, (given[known], likely[known]), 1)
    return ConfidentJoint(thresholds, counts, likely, borne / max(1, len(given)))


def find_suspects(
    names: Sequence[str], given: npt.NDArray[np.int64], probabilities: Floats, grades: Sequence[str]
) -> list[Suspect]:
    """Labels that the probabilities (N, K) contradict, by margin.

    Those that the confident joint finds off its diagonal, and those that another grade is likelier for: a person looks as far
    down the list as there is time.
    """
    rows = np.arange(len(given))
    own = probabilities[rows, given]
    others = probabilities.copy()
    others[rows, given] = -1.0
    suggested = others.argmax(axis=1)
    margin = others.max(axis=1) - own
    likely = confident_joint(probabilities, given).likely
    confident = (likely >= 0) & (likely != given)
    found = [
        Suspect(
            name=names[i],
            given=grades[given[i]],
            suggested=grades[suggested[i]],
            probability=round(float(others[i, suggested[i]]), 4),
            given_probability=round(float(own[i]), 4),
            margin=round(float(margin[i]), 4),
            confident=bool(confident[i]),
        )
        for i in np.flatnonzero((margin > 0) | confident).tolist()
    ]
    return sorted(found, key=lambda suspect: (-suspect.margin, suspect.name))


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Probabilities of photographs by a model that saw neither them nor their fruit."""

    samples: tuple[Sample, ...]
    grades: tuple[str, ...]
    given: npt.NDArray[np.int64]
    probabilities: Floats
    """(N, K)."""


def left_out_probabilities(
    data: LabelledSet,
    earlier: Sequence[Sample] = (),
    recipe: Recipe | None = None,
    seed: int = 0,
    advance: Callable[[str, int, int], None] | None = None,
) -> LeftOut:
    """Out-of-fold probabilities of the photographs of `data` learned from them and from `earlier` ones.

    The geometric mean of two opinions: the recipe's (`best` unless another is given), whose ridge regression gives the prediction
    without a fruit in closed form, so that each fruit is a fold of its own; and that of trees over the outline, in five folds
    grouped by fruit. Beyond MOST_IMAGES the earlier photographs are thinned out first, then the set is cut into parts. Raises
    DataError where fewer than two grades have enough fruit to learn from.
    """
    recipe = recipe or find_recipe("best")
    pool = [*data.samples, *(_renamed(sample, f"earlier/{index}") for index, sample in enumerate(earlier))]
    grades = _learnable(pool)
    mine = [sample for sample in data.samples if sample.grade in grades]
    if not mine:
        raise DataError("No photograph is of a grade that there is enough fruit of to suspect its label.")
    before = [sample for sample in pool[len(data) :] if sample.grade in grades]
    rng = np.random.default_rng(seed)
    parts = -(-len(mine) // MOST_IMAGES)
    measuring = learn_to_measure(recipe, advance)
    samples: list[Sample] = []
    probabilities: list[Floats] = []
    for part in range(parts):
        own = mine[part::parts]
        room = max(0, MOST_IMAGES - len(own))
        chosen = sorted(rng.permutation(len(before))[:room].tolist())
        learned = LabelledSet(data.name, tuple(own) + tuple(before[i] for i in chosen))
        fitted = follow(recipe, learned, measuring)
        ordered = sorted(learned.samples, key=lambda sample: sample.name)  # as the recipe reads them
        place = {sample.name: index for index, sample in enumerate(ordered)}
        found = _agreed(fitted, tree_probabilities(ordered, fitted, len(learned.labels), seed))
        full = np.zeros((len(own), len(grades)))
        full[:, [grades.index(grade) for grade in learned.labels]] = found[[place[sample.name] for sample in own]]
        samples.extend(own)
        probabilities.append(full)
    given = np.array([grades.index(sample.grade) for sample in samples], np.int64)
    return LeftOut(tuple(samples), grades, given, np.concatenate(probabilities))


def _renamed(sample: Sample, name: str) -> Sample:
    """A fruit that its source declared keeps its name: its photographs in the batch are the same one's."""
    return replace(sample, name=name, group=name if sample.group == sample.name else sample.group)


def _agreed(fitted: Fitted, trees: Floats) -> Floats:
    """(N, K), the geometric mean of the recipe's probabilities and the trees'."""
    recipe = softmax(fitted.left_out.astype(np.float64) / fitted.calibration.temperature, axis=1)
    product = np.sqrt((recipe + _DOUBT) * (trees + _DOUBT))
    return np.asarray(product / product.sum(axis=1, keepdims=True))


def _learnable(samples: Sequence[Sample]) -> tuple[str, ...]:
    """The grades of at least FEWEST fruit, in canonical order."""
    fruit = Counter(grade for _, grade in {(sample.group, sample.grade) for sample in samples})
    grades = tuple(grade for grade in LabelledSet("", tuple(samples)).labels if fruit[grade] >= FEWEST)
    if len(grades) < 2:
        raise DataError("Fewer than two grades have two fruit or more: there is nothing to suspect a label by.")
    if missing := [grade for grade in fruit if grade not in grades]:
        log.warning("too few fruit of %s to suspect their labels", " ".join(missing))
    return grades
