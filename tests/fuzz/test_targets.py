"""Damaged input of every kind is taken or refused as documented; what once broke a reader stays mended."""

import random

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.fuzz.mutate import MAX_BYTES, mutant
from tests.fuzz.target import CORPUS, Target

NAMES = (
    *("images", "containers", "pickles", "cucumber9", "mnist", "tars", "zips", "manifests", "cards", "onnx", "repository"),
    *("journal", "cursors", "moments", "queries", "bodies", "idempotency", "bearers", "headers", "multipart"),
)
FOUND = sorted(path.relative_to(CORPUS).as_posix() for path in CORPUS.glob("*/*.bin"))


def test_every_target_is_tested(targets: dict[str, Target]) -> None:
    assert sorted(targets) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_good_input_is_taken(targets: dict[str, Target], name: str) -> None:
    target = targets[name]
    for seed in target.seeds:
        target.feed(seed)
        if target.mend and name != "cursors":
            assert target.mend(seed) == seed  # it finds the checksums where the format has them


@pytest.mark.parametrize("name", NAMES)
def test_mutants_raise_only_what_is_documented(targets: dict[str, Target], name: str) -> None:
    target = targets[name]

    @given(st.integers(0, 2**32), st.booleans())
    @hypothesis_settings(max_examples=100, deadline=None)
    def check(seed: int, mended: bool) -> None:
        data = mutant(random.Random(seed), target.seeds, target.tokens)
        target.try_input(target.mend(data) if target.mend and mended else data)

    check()


@pytest.mark.parametrize("name", NAMES)
def test_noise_raises_only_what_is_documented(targets: dict[str, Target], name: str) -> None:
    target = targets[name]

    @given(st.binary(max_size=300))
    @hypothesis_settings(max_examples=50, deadline=None)
    def check(data: bytes) -> None:
        target.try_input(data)

    check()


@pytest.mark.parametrize("found", FOUND)
def test_what_was_found_stays_mended(targets: dict[str, Target], found: str) -> None:
    targets[found.partition("/")[0]].try_input((CORPUS / found).read_bytes())


def test_the_corpus_has_inputs_of_known_targets_only() -> None:
    assert {folder.name for folder in CORPUS.iterdir()} <= set(NAMES)
    assert FOUND


def test_mutants_differ_and_stay_small() -> None:
    chance = random.Random(0)
    made = {mutant(chance, (b"0123456789" * 20, b"a" * MAX_BYTES), (b"word",)) for _ in range(300)}
    assert len(made) > 250
    assert max(map(len, made)) <= MAX_BYTES
    assert any(b"word" in data for data in made)
