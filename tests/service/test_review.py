"""The order of the review queue: informative, no two alike, an audit among them; and that it finds errors."""

import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from models.grades import GRADES
from service.records.keeping import in_sample
from service.records.review import Candidate
from service.review import by_lot, interleaved, spread_out


def candidate(number: int, score: float = 0.5, *, sample: bool = False) -> Candidate:
    return Candidate(number, f"grading {number}", "a.jpg", 1 - score, "M", score, sample, None)


def test_the_highest_score_comes_first_and_its_like_last() -> None:
    look = np.eye(3, dtype=np.float32)
    vectors = np.array([look[0], look[0], look[0], look[1], look[2]])
    scores = np.array([0.9, 0.89, 0.88, 0.3, 0.4], np.float32)
    assert spread_out(scores, vectors, 5) == [0, 4, 3, 1, 2]
    assert spread_out(scores, vectors, 2) == [0, 4]
    assert spread_out(scores, vectors * 7, 5) == [0, 4, 3, 1, 2]  # lengths tell nothing
    assert spread_out(scores[:0], vectors[:0], 5) == []
    assert spread_out(scores, np.zeros_like(vectors), 5) == [0, 1, 2, 4, 3]


def test_twenty_of_one_look_do_not_fill_the_queue() -> None:
    draw = np.random.default_rng(0)
    centres = draw.normal(size=(10, 16))
    looks = [0] * 60 + list(range(1, 10)) * 2  # sixty of one look, unsurer than all others
    vectors = np.array([centres[look] + draw.normal(0, 0.02, 16) for look in looks], np.float32)
    scores = np.array([0.95 if look == 0 else 0.6 for look in looks], np.float32)
    assert {looks[index] for index in np.argsort(-scores, kind="stable")[:10]} == {0}
    assert {looks[index] for index in spread_out(scores, vectors, 10)} == set(range(10))


def test_every_tenth_place_is_the_sample_s() -> None:
    ordered, sample = [candidate(n) for n in range(30)], [candidate(100 + n, sample=True) for n in range(30)]
    places = [one.seq >= 100 for one in interleaved(ordered, sample, 20)]
    assert [place for place, audit in enumerate(places) if audit] == [4, 14]
    assert [one.seq for one in interleaved(ordered[:2], sample, 5)] == [0, 1, 100, 101, 102]
    assert [one.seq for one in interleaved(ordered, [], 5)] == [0, 1, 2, 3, 4]
    both = interleaved(ordered, [ordered[0], *sample], 6)  # one that is in both takes one place
    assert len({one.id for one in both}) == len(both) == 6
    assert interleaved([], [], 5) == []


def test_the_lot_is_the_same_everywhere_and_knows_nothing_of_the_grading() -> None:
    sample = [candidate(number, score=number / 1000) for number in range(1000)]
    shuffled = random.Random(1).sample(sample, len(sample))
    drawn = by_lot(sample)
    assert drawn == by_lot(shuffled)
    first = [one.score for one in drawn[:300]]
    assert abs(sum(first) / 300 - 0.5) < 3 * (1 / 12 / 300) ** 0.5
    share = sum(in_sample(f"id {number}", 0.02) for number in range(50_000)) / 50_000
    assert abs(share - 0.02) < 3 * (0.02 * 0.98 / 50_000) ** 0.5


def graded(draw: np.random.Generator, count: int) -> Iterator[tuple[np.ndarray, bool]]:
    """Calibrated probabilities (9,), and whether the most probable grade is wrong: it is as often as they say."""
    for _ in range(count):
        probabilities = draw.dirichlet(np.full(len(GRADES), 0.03) + np.eye(len(GRADES))[draw.integers(9)] * draw.gamma(0.6))
        yield probabilities, draw.choice(len(GRADES), p=probabilities) != probabilities.argmax()


@pytest.mark.parametrize("seed", range(3))
def test_the_queue_finds_more_errors_than_a_random_order(seed: int) -> None:
    found = list(graded(np.random.default_rng(seed), 2_000))
    best = np.sort(np.array([one for one, _ in found]), axis=1)
    margins, wrong = best[:, -1] - best[:, -2], np.array([error for _, error in found])
    informative = np.argsort(margins, kind="stable")[:200]
    vectors = np.array([found[index][0] for index in informative], np.float32)
    order = spread_out((1 - margins[informative]).astype(np.float32), vectors, 100)
    in_queue: Any = wrong[informative[order]].mean()
    assert 0.02 < wrong.mean() < 0.35
    assert in_queue > 2 * wrong.mean()
