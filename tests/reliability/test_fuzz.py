"""The fuzzer notices whatever may go wrong with a reader, and keeps the input."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from tests.fuzz.target import Target
from tests.reliability.fuzz import Tally, fuzz, shares

GOOD = b"\0\0\0\0 good"


def fuzzed(feed: Callable[[bytes], None], corpus: Path, cpu_s: float = 30.0) -> Tally:
    target = Target("one", feed, (ValueError,), (GOOD,))

    @contextmanager
    def only() -> Iterator[dict[str, Target]]:
        yield {"one": target}

    opener: Callable[[], AbstractContextManager[dict[str, Target]]] = only
    return fuzz("one", 200, 1, corpus, opener, cpu_s)


def kept(corpus: Path) -> list[bytes]:
    return [path.read_bytes() for path in corpus.glob("one/*.bin")]


def _refuse(data: bytes) -> None:
    if b"good" not in data:
        raise ValueError("not good")


def test_a_reader_that_keeps_its_word_has_no_findings(tmp_path: Path) -> None:
    tally = fuzzed(_refuse, tmp_path)
    assert (tally.inputs, tally.findings, kept(tmp_path)) == (200, [], [])
    assert tally.taken
    assert tally.refused
    assert tally.taken + tally.refused == 200


def test_an_undocumented_exception_is_found_and_its_input_made_small(tmp_path: Path) -> None:
    def feed(data: bytes) -> None:
        if b"\xff" in data:
            raise KeyError("no such thing")

    tally = fuzzed(feed, tmp_path)
    [finding] = tally.findings
    assert finding.startswith("KeyError at tests/reliability/test_fuzz.py:")
    assert kept(tmp_path) == [b"\xff"]
    assert tally.failed == 200 - tally.taken


def test_a_crash_of_the_interpreter_is_found_and_the_rest_still_tried(tmp_path: Path) -> None:
    def feed(data: bytes) -> None:
        if data[:1] != b"\0":
            os.kill(os.getpid(), signal.SIGKILL)

    tally = fuzzed(feed, tmp_path)
    assert tally.findings == ["SIGKILL"]
    assert tally.inputs == 200
    assert tally.failed == len(kept(tmp_path)) > 1
    assert all(data[:1] != b"\0" for data in kept(tmp_path))


@pytest.mark.parametrize(("what", "expected"), [("hang", "TooSlow"), ("memory", "MemoryError")])
def test_hanging_and_filling_the_memory_are_found(tmp_path: Path, what: str, expected: str) -> None:
    calls = 0

    def feed(data: bytes) -> None:
        nonlocal calls
        calls += 1
        if calls == 20:
            while what == "hang":
                pass
            bytearray(8 * 2**30)

    tally = fuzzed(feed, tmp_path, cpu_s=0.5)
    assert [finding.partition(" ")[0] for finding in tally.findings] == [expected]
    assert (tally.taken, tally.failed) == (199, 1)


def test_the_inputs_are_shared_out_without_loss() -> None:
    targets = [Target(name, _refuse, (), (GOOD,), share) for name, share in (("a", 1), ("b", 3), ("c", 3))]
    assert shares(targets, 1000) == {"a": 144, "b": 428, "c": 428}
