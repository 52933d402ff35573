"""Bootstrap intervals against SciPy's, and what groups do to them."""

import numpy as np
import pytest
from scipy import stats

from training.intervals import intervals


def test_an_interval_is_as_scipy_computes_it():
    values = np.random.default_rng(5).exponential(3.0, 200)
    found = intervals(lambda picked: {"mean": float(values[picked].mean())}, len(values), resamples=5000)["mean"]
    reference = stats.bootstrap((values,), np.mean, n_resamples=5000, method="percentile", rng=np.random.default_rng(1))
    assert found.low == pytest.approx(reference.confidence_interval.low, abs=0.03)
    assert found.high == pytest.approx(reference.confidence_interval.high, abs=0.03)
    assert found.standard_error == pytest.approx(reference.standard_error, rel=0.05)
    assert found.standard_error == pytest.approx(values.std() / np.sqrt(200), rel=0.05)


def test_the_same_seed_repeats_and_another_does_not():
    values = np.arange(30.0)

    def drawn(seed):
        return intervals(lambda picked: {"mean": float(values[picked].mean())}, 30, resamples=50, seed=seed)

    assert drawn(3) == drawn(3)
    assert drawn(3) != drawn(4)


def test_groups_are_drawn_whole():
    seen = []

    def figures(picked):
        seen.append(np.bincount(picked, minlength=6))
        return {"n": float(len(picked))}

    intervals(figures, 6, groups=["b", "a", "b", "a", "a", "c"], resamples=40)
    for counts in seen:
        assert counts[0] == counts[2]
        assert counts[1] == counts[3] == counts[4]
        assert counts[0] + counts[1] + counts[5] == 3  # as many groups as there are
    assert len({tuple(counts) for counts in seen}) > 5


def test_views_of_one_fruit_widen_the_interval():
    # 40 fruit of 5 views that are all right or all wrong: as uncertain as 40 images, not as 200
    right = np.repeat(np.random.default_rng(0).random(40) < 0.7, 5)
    groups = [f"fruit{i // 5}" for i in range(200)]

    def figures(picked):
        return {"accuracy": float(right[picked].mean())}

    alone, together = (intervals(figures, 200, names)["accuracy"].standard_error for names in (None, groups))
    assert together == pytest.approx(alone * np.sqrt(5), rel=0.1)


def test_groups_of_one_are_images():
    def figures(picked):
        return {"mean": float(picked.mean())}

    assert intervals(figures, 9, [str(i) for i in range(9)], 30) == intervals(figures, 9, None, 30)
    with pytest.raises(ValueError, match="2 groups for 9 images"):
        intervals(figures, 9, ["a", "b"])
