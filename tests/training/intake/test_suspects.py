"""Confident learning by hand on a few numbers, and wrong labels found among rendered and real photographs."""

from dataclasses import replace

import numpy as np
import pytest

from tests.data import require_data
from tests.training.intake.pictures import fruit
from tests.training.recipes import quick
from training.intake.suspects import confident_joint, find_suspects, left_out_probabilities
from training.recipe import Recipe, find_recipe
from training.sources import LabelledSet, load
from training.synth import synthesize

PROBABILITIES = np.array(
    [
        [0.9, 0.1, 0.0],  # an L, and surely so
        [0.7, 0.2, 0.1],
        [0.1, 0.8, 0.1],  # labelled L, and surely an M
        [0.2, 0.8, 0.0],
        [0.3, 0.4, 0.3],  # an M without confidence
        [0.4, 0.1, 0.5],
    ]
)
GIVEN = np.array([0, 0, 0, 1, 1, 2])


def test_the_confident_joint_of_a_few():
    joint = confident_joint(PROBABILITIES, GIVEN)
    assert joint.thresholds == pytest.approx([(0.9 + 0.7 + 0.1) / 3, 0.6, 0.5])
    assert joint.likely.tolist() == [0, 0, 1, 1, -1, 2]
    assert joint.counts.tolist() == [[2, 1, 0], [0, 1, 0], [0, 0, 1]]
    assert joint.estimated_errors == pytest.approx(1 / 3 * 3 / 6)


def test_the_more_suspicious_come_first():
    found = find_suspects(list("abcdef"), GIVEN, PROBABILITIES, ("L", "M", "S"))
    assert [(s.name, s.given, s.suggested, s.margin, s.confident) for s in found] == [("c", "L", "M", 0.7, True)]
    changed = GIVEN.copy()
    changed[5] = 0
    found = find_suspects(list("abcdef"), changed, PROBABILITIES, ("L", "M", "S"))
    assert [(s.name, s.suggested) for s in found] == [("c", "M"), ("f", "S")]
    assert [s.confident for s in found] == [True, False]  # nobody is labelled S any more, so nobody can surely be one


def flipped(data: LabelledSet, share: float, seed: int) -> tuple[LabelledSet, set[str]]:
    """A share of the labels changed to another grade at random, and whose."""
    rng = np.random.default_rng(seed)
    wrong = set(rng.choice(len(data), round(share * len(data)), replace=False).tolist())
    samples = tuple(
        replace(s, grade=str(rng.choice([grade for grade in data.labels if grade != s.grade]))) if i in wrong else s
        for i, s in enumerate(data.samples)
    )
    return replace(data, samples=samples), {samples[i].name for i in wrong}


def share_found(data: LabelledSet, recipe: Recipe, times: float) -> float:
    changed, wrong = flipped(data, 0.1, 0)
    found = left_out_probabilities(changed, recipe=recipe)
    listed = find_suspects([s.name for s in found.samples], found.given, found.probabilities, found.grades)
    return len({s.name for s in listed[: round(times * len(wrong))]} & wrong) / len(wrong)


def test_a_fruit_is_judged_without_its_own_photographs():
    """Twelve photographs of each fruit with one wrong label on all of them: none may vouch for the others."""
    data = fruit(54, 3, (32, 32))
    copies = tuple(
        replace(s, name=f"{s.name} {i}", group=s.name, grade="C" if s.name == "fruit3-000" else s.grade)
        for s in data.samples
        for i in range(12 if s.name == "fruit3-000" else 1)
    )
    found = left_out_probabilities(replace(data, samples=copies), recipe=quick())
    mine = [i for i, s in enumerate(found.samples) if s.group == "fruit3-000"]
    together = found.probabilities[mine, found.grades.index("C")].max()
    apart = left_out_probabilities(replace(data, samples=tuple(replace(s, group=s.name) for s in copies)), recipe=quick())
    assert together < 0.5 < apart.probabilities[mine, apart.grades.index("C")].min()


def test_earlier_photographs_teach_and_are_not_listed():
    data = fruit(18, 3, (32, 32))
    few = LabelledSet("few", tuple(s for s in data.samples if s.name.endswith(("0", "1", "2"))))
    found = left_out_probabilities(few, fruit(54, 4, (32, 32)).samples, quick())
    assert {s.name for s in found.samples} == {s.name for s in few.samples}
    assert found.probabilities.shape == (len(few), 9)
    assert found.probabilities.sum(axis=1) == pytest.approx(np.ones(len(few)))


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_half_of_the_wrong_labels_of_real_photographs_are_in_three_times_their_number():
    assert share_found(load(require_data() / "cucumber-9"), find_recipe("best"), 3.0) >= 0.5


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_nearly_all_wrong_labels_of_rendered_fruit_are_in_one_and_a_half_times_their_number(tmp_path):
    synthesize(tmp_path / "rendered", 600, seed=5)
    assert share_found(load(tmp_path / "rendered"), find_recipe("best"), 1.5) >= 0.9
