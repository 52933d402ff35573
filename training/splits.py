"""Which images are held out. Images of one fruit stay on one side, and every grade is on both where it can be."""

from collections import defaultdict

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from models.errors import DataError
from training.sources import LabelledSet, Sample


def require_grades(data: LabelledSet) -> None:
    """Raise DataError for fewer than two grades."""
    if len(data.labels) < 2:
        raise DataError(f"{data.name} holds {len(data)} images of {len(data.labels)} grade; a grader needs at least two grades.")


def hold_out(data: LabelledSet, fraction: float, seed: int) -> tuple[list[Sample], list[Sample]]:
    """Split into (kept, held out), stratified by grade and grouped by `Sample.group`; the same seed, the same split.

    Each grade gives whole groups until `fraction` of its images are out, at least one group where it has two or more.
    Raises DataError when there is nothing to hold out or only one grade.
    """
    require_grades(data)
    # A group is filed under its first image's grade, whatever else it holds: it must not be torn.
    groups: dict[str, list[Sample]] = defaultdict(list)
    samples = sorted(data.samples, key=lambda sample: sample.name)  # the order of a manifest's lines decides nothing
    for sample in samples:
        groups[sample.group].append(sample)
    by_grade: dict[str, list[list[Sample]]] = defaultdict(list)
    for members in groups.values():
        by_grade[members[0].grade].append(members)

    rng = np.random.default_rng(seed)
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
    if not out:
        raise DataError(f"{data.name} is too small to hold anything out: every grade has a single fruit. Add images.")
    kept = [sample for sample in samples if id(sample) not in out]
    return kept, [sample for sample in samples if id(sample) in out]


def folds(data: LabelledSet, k: int, seed: int) -> list[tuple[list[Sample], list[Sample]]]:
    """k pairs (training part, test part): each sample is tested once, each grade spread evenly, each group on one side.

    The samples are sorted by name first; the seed alone shuffles them. Raises DataError for fewer than two folds or grades, and
    where a grade has too few groups for every part to hold it.
    """
    if k < 2:
        raise DataError(f"{k} fold leaves nothing to train on; use two folds or more.")
    require_grades(data)
    samples = sorted(data.samples, key=lambda sample: sample.name)
    grades = np.array([sample.grade for sample in samples])
    groups = np.array([sample.group for sample in samples])
    for grade in data.labels:
        distinct = len(set(groups[grades == grade]))
        if distinct < k:
            raise DataError(
                f"{data.name} holds {distinct} fruit (or kinds of light) of grade {grade}, too few for {k} folds. Add some, or "
                "lower --folds.",
                grade=grade,
                fruit=distinct,
            )
    single = len(set(groups)) == len(groups)
    splitter = (StratifiedKFold if single else StratifiedGroupKFold)(k, shuffle=True, random_state=seed)
    pairs = []
    for kept, tested in splitter.split(np.zeros(len(samples)), grades, None if single else groups):
        missing = set(data.labels).difference(grades[kept])
        if missing:  # groups of several grades can make it so
            raise DataError(
                f"{data.name}: its groups cannot be spread so that each of {k} training parts holds {' '.join(sorted(missing))}. "
                "Lower --folds, or use another --seed.",
                missing=sorted(missing),
            )
        pairs.append(([samples[i] for i in kept], [samples[i] for i in tested]))
    return pairs
