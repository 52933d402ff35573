"""Which images are held out. Images of one fruit, or of one lot, stay on one side, and every grade is on both where it can be."""

import logging
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from models.errors import DataError
from training.sources import LabelledSet, Sample

log = logging.getLogger(__name__)

By = Literal["fruit", "lot"]
"""What stays on one side: a fruit, or everything that shares a lot or a fruit."""
_TRIES: Final = 32
"""Orders in which lots are tried for the held-out part: there are few of them, and they are large."""


def require_grades(data: LabelledSet) -> None:
    """Raise DataError for fewer than two grades."""
    if len(data.labels) < 2:
        raise DataError(f"{data.name} holds {len(data)} images of {len(data.labels)} grade; a grader needs at least two grades.")


def hold_out(data: LabelledSet, fraction: float, seed: int, by: By = "fruit") -> tuple[list[Sample], list[Sample]]:
    """Split into (kept, held out), stratified by grade and grouped by `Sample.group`; the same seed, the same split.

    Each grade gives whole groups until `fraction` of its images are out, at least one group where it has two or more. By "lot",
    whole lots are held out, as near to `fraction` as lots that leave every grade behind come; samples without one by fruit.
    Raises DataError when there is nothing to hold out or only one grade.
    """
    require_grades(data)
    samples = sorted(data.samples, key=lambda sample: sample.name)  # the order of a manifest's lines decides nothing
    rng = np.random.default_rng(seed)
    if by == "lot" and any(sample.lot for sample in samples):
        out = _lots_out(data, samples, fraction, rng)
    else:
        if by == "lot":
            log.warning("no photograph of %s names its lot; images are held out by fruit", data.name)
        out = _fruit_out(samples, fraction, rng)
    if not out:
        if by == "lot":
            raise DataError(
                f"No lot of {data.name} can be held out: each holds all there is of a grade. Hold out by fruit instead."
            )
        raise DataError(f"{data.name} is too small to hold anything out: every grade has a single fruit. Add images.")
    kept = [sample for sample in samples if id(sample) not in out]
    return kept, [sample for sample in samples if id(sample) in out]


def folds(data: LabelledSet, k: int, seed: int, by: By = "fruit") -> list[tuple[list[Sample], list[Sample]]]:
    """k pairs (training part, test part): each sample is tested once, each grade spread evenly, each group on one side.

    By "lot", whatever shares a lot or a fruit is one group. The samples are sorted by name first; the seed alone shuffles them.
    Raises DataError for fewer than two folds or grades, and where a grade has too few groups for every part to hold it.
    """
    if k < 2:
        raise DataError(f"{k} fold leaves nothing to train on; use two folds or more.")
    require_grades(data)
    found = _lots(data.samples) if by == "lot" else {sample.name: sample.group for sample in data.samples}
    samples = sorted(data.samples, key=lambda sample: sample.name)
    grades = np.array([sample.grade for sample in samples])
    groups = np.array([found[sample.name] for sample in samples])
    for grade in data.labels:
        distinct = len(set(groups[grades == grade]))
        if distinct < k:
            raise DataError(
                f"{data.name} holds {distinct} fruit (or lots, or kinds of light) of grade {grade}, too few for {k} folds. Add "
                "some, or lower --folds.",
                grade=grade,
                fruit=distinct,
            )
    single = len(set(groups)) == len(groups)
    splitter = (StratifiedKFold if single else StratifiedGroupKFold)(k, shuffle=True, random_state=seed)
    pairs = []
    for kept, tested in splitter.split(np.zeros(len(samples)), grades, None if single else groups):
        missing = set(data.labels).difference(grades[kept])
        if missing or not len(tested):  # groups of several grades can make it so
            raise DataError(
                f"{data.name}: its groups cannot be spread so that each of {k} training parts holds "
                f"{' '.join(sorted(missing)) or 'less than everything'}. Lower --folds, or use another --seed.",
                missing=sorted(missing),
            )
        pairs.append(([samples[i] for i in kept], [samples[i] for i in tested]))
    return pairs


def by_lot(data: LabelledSet) -> LabelledSet:
    """The same photographs, grouped by lot: whatever shares a lot or a fruit is one group, samples without a lot by fruit.

    Raises DataError where no photograph names its lot.
    """
    if not any(sample.lot for sample in data.samples):
        raise DataError(f"No photograph of {data.name} names its lot; group by fruit, or fill the column lot of its manifest.")
    found = _lots(data.samples)
    return replace(data, samples=tuple(replace(sample, group=found[sample.name]) for sample in data.samples))


def lots_suffice(data: LabelledSet) -> bool:
    """Whether every grade is in two lots at least, so that whole lots can be held out. Lots that share a fruit count as one."""
    found = _lots(data.samples)
    named = {found[sample.name] for sample in data.samples if sample.lot}
    return all(len({found[sample.name] for sample in data.samples if sample.grade == grade} & named) > 1 for grade in data.labels)


def _lots(samples: Sequence[Sample]) -> dict[str, str]:
    """Sample's name -> the name of its group by lot: that of a lot or fruit among all that hang together (union-find)."""
    parents: dict[tuple[str, str], tuple[str, str]] = {}

    def root(node: tuple[str, str]) -> tuple[str, str]:
        parents.setdefault(node, node)
        while parents[node] != node:
            parents[node] = node = parents[parents[node]]
        return node

    for sample in samples:
        fruit, lot = root(("fruit", sample.group)), root(("lot", sample.lot) if sample.lot else ("fruit", sample.group))
        parents[min(fruit, lot)] = max(fruit, lot)  # a lot comes after any fruit and gives the name; order decides nothing
    return {sample.name: " ".join(root(("fruit", sample.group))) for sample in samples}


def _fruit_out(samples: Sequence[Sample], fraction: float, rng: np.random.Generator) -> set[int]:
    """Identities of the samples that are held out by fruit."""
    # A group is filed under its first image's grade, whatever else it holds: it must not be torn.
    groups: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        groups[sample.group].append(sample)
    by_grade: dict[str, list[list[Sample]]] = defaultdict(list)
    for members in groups.values():
        by_grade[members[0].grade].append(members)
    out: set[int] = set()
    for grade in sorted(by_grade):
        candidates = by_grade[grade]
        wanted = fraction * sum(len(group) for group in candidates)
        taken = 0
        for index in rng.permutation(len(candidates))[: len(candidates) - 1]:
            if taken and taken + len(candidates[index]) / 2 > wanted:
                break
            out.update(id(sample) for sample in candidates[index])
            taken += len(candidates[index])
    return out


def _lots_out(data: LabelledSet, samples: Sequence[Sample], fraction: float, rng: np.random.Generator) -> set[int]:
    """Identities of the samples that are held out by lot, where every grade stays behind.

    A lot holds most grades, so they cannot be filled one by one: of several random orders, the one whose lots show most grades
    and come nearest to `fraction` of each.
    """
    found = _lots(samples)
    names = sorted(set(found.values()))
    held = np.zeros((len(names), len(data.labels)), np.int64)  # images of each lot, by grade
    place = {name: index for index, name in enumerate(names)}
    for sample in samples:
        held[place[found[sample.name]], data.labels.index(sample.grade)] += 1
    whole = held.sum(0)

    def badness(taken: npt.NDArray[np.int64]) -> tuple[int, float]:
        return int((taken == 0).sum()), float(np.abs(taken - fraction * whole).sum())

    none = np.zeros_like(whole)
    best, chosen = badness(none), list[int]()
    for _ in range(_TRIES):
        taken, now, lots = none, badness(none), list[int]()
        for index in map(int, rng.permutation(len(names))):
            more = taken + held[index]
            if (more < whole).all() and (then := badness(more)) < now:
                taken, now = more, then
                lots.append(index)
        if now < best:
            best, chosen = now, lots
    held_out = {names[index] for index in chosen}
    return {id(sample) for sample in samples if found[sample.name] in held_out}
