"""Processes that begin with everything imported: forks of a server process, in milliseconds where a new one takes seconds."""

import multiprocessing
from collections.abc import Callable, Iterator
from multiprocessing import forkserver
from multiprocessing.process import BaseProcess

import pytest

PROCESSES = multiprocessing.get_context("forkserver")
Start = Callable[..., BaseProcess]


@pytest.fixture(scope="module")
def start(request: pytest.FixtureRequest) -> Iterator[Start]:
    """`start(function, *arguments)`: a process, of a server that has imported the test's module and the names in its PRELOAD.

    multiprocessing knows one server for the whole test run, which loads nothing once it is up: whatever served another module
    ends first, and this one with its module.
    """
    PROCESSES.set_forkserver_preload([request.module.__name__, *getattr(request.module, "PRELOAD", ())])
    server = forkserver._forkserver  # type: ignore[attr-defined]
    server._stop()

    def run(function: Callable[..., object], *arguments: object) -> BaseProcess:
        process = PROCESSES.Process(target=function, args=arguments)
        process.start()
        return process

    yield run
    server._stop()
