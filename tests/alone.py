"""Tests marked `alone` among several processes of pytest-xdist: the other processes wait between two tests until it is over."""

import fcntl
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def turn(folder: Path, alone: bool) -> Iterator[None]:
    """Wait until this test may run: one that is alone for all others to end, any other for one that is alone.

    Who waits stands in the door, so that those who come later wait behind it.
    """
    with (folder / "door.lock").open("w") as door, (folder / "room.lock").open("w") as room:
        fcntl.flock(door, fcntl.LOCK_EX)
        fcntl.flock(room, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        fcntl.flock(door, fcntl.LOCK_UN)
        yield


@pytest.hookimpl(wrapper=True, tryfirst=True)  # around the time limit of a test: waiting does not count
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    if not hasattr(item.config, "workerinput"):  # the only process
        return (yield)
    ours = Path(item.config.option.basetemp)  # a folder in that of all processes
    with turn(ours.parent, item.get_closest_marker("alone") is not None):
        return (yield)
