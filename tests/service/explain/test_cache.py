"""What is kept, for how long, and under which key."""

from dataclasses import replace

import numpy as np

from models.explain.result import Explanation
from service.explain.cache import ExplanationCache, key_of
from service.explain.jobs import Explained, Model
from tests.service.explain.published import job_for


def explained(values: int, frames: int = 0) -> Explained:
    return Explained(Explanation(np.zeros(values, np.float32), "map", True, facts={"frames": ["x" * frames]}))


def test_the_least_recently_used_goes_first() -> None:
    cache = ExplanationCache(3 * explained(1000).size_bytes)
    for key in "abc":
        cache.put(key, explained(1000))
    assert cache.get("a") is not None
    cache.put("d", explained(1000))
    assert [key for key in "abcd" if cache.get(key)] == ["a", "c", "d"]
    assert cache.held_bytes == 3 * explained(1000).size_bytes


def test_frames_count_and_what_is_larger_than_all_is_not_kept() -> None:
    cache = ExplanationCache(20_000)
    cache.put("frames", explained(10, frames=30_000))
    assert cache.get("frames") is None
    cache.put("same", explained(10))
    cache.put("same", explained(20))
    assert cache.held_bytes == explained(20).size_bytes


def test_nothing_is_kept_of_nothing() -> None:
    cache = ExplanationCache(0)
    cache.put("a", explained(1))
    assert cache.get("a") is None
    assert cache.held_bytes == 0


def test_every_part_of_a_question_is_in_its_key(model: Model) -> None:
    job = job_for(model, "smooth_grad", seed=1)
    other_model = replace(model, version=replace(model.version, sha256="0" * 64))
    subject = job.subject
    assert subject is not None
    others = [
        job_for(model, "smooth_grad", 1, seed=1),
        job_for(model, "smooth_grad", seed=2),
        job_for(other_model, "smooth_grad", seed=1),
        job_for(model, "saliency"),
        replace(job, target="M"),
        replace(job, layer="conv1"),
        replace(job, subject=replace(subject, enlarged=subject.pixels)),
        job_for(model, "filters", None),
    ]
    keys = [key_of(one) for one in (job, *others)]
    assert len(set(keys)) == len(keys)
    assert key_of(job_for(model, "smooth_grad", sigma=0.15, seed=1)) == key_of(job)  # a default that was written out
