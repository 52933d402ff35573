"""The worker processes of `senka serve`: forks of one process that has the service loaded.

A worker is then ready in a fraction of a second, also the one that takes the place of a killed one, and they share what they
loaded. uvicorn spawns: each worker would load the service anew, at the same time as the others.
"""

import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import forkserver
from typing import Final

PRELOAD: Final = "service.preloaded"


@contextmanager
def forked_workers() -> Iterator[None]:
    """Start the fork server, which loads the service meanwhile, and have uvicorn fork its workers from it; stop it at the end.

    To be entered once in a process, from its main thread: the fork server ends with the thread that started it.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([PRELOAD])
    forkserver.ensure_running()
    from uvicorn import _subprocess  # it takes its time too: now both load at once

    spawned = _subprocess.spawn
    _subprocess.spawn = context  # type: ignore[assignment]  # uvicorn has no setting for it
    try:
        yield
    finally:
        _subprocess.spawn = spawned
        forkserver._forkserver._stop()  # type: ignore[attr-defined]
