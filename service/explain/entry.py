"""The first code of a worker process. It finds the worker by name, so that nothing of the service imports torch."""

import ctypes
import importlib
import os
import signal
import sys
import threading
from multiprocessing import parent_process
from multiprocessing.connection import Connection
from typing import Final

NICE: Final = 19
"""Grading comes first: at this niceness a busy worker takes about a seventieth of a core that grading wants whole."""
PRELOAD: Final = "service.explain.preload"
_WORKER: Final = "service.explain.worker"
_PR_SET_NAME: Final = 15


def step_back() -> None:
    """Give way to every other process. Never undone, so only for processes that do nothing else."""
    os.setpriority(os.PRIO_PROCESS, 0, max(NICE, os.getpriority(os.PRIO_PROCESS, 0)))
    # The same bits on every run: MKL and oneDNN otherwise choose their kernels by how memory happens to be aligned.
    os.environ.setdefault("MKL_CBWR", "COMPATIBLE")
    os.environ["OPENBLAS_NUM_THREADS"] = (
        "1"  # NumPy's: it would start threads on import, and a process with threads must not fork
    )


def main(connection: Connection, threads: int) -> None:
    """Serve jobs from the connection until it ends or the service does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the service decides when workers end
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    step_back()
    _name_process(b"senka-explain")
    threading.Thread(target=_end_with_the_service, daemon=True).start()
    try:
        worker = importlib.import_module(_WORKER)
    except ModuleNotFoundError as error:
        connection.send(("missing", str(error.name)))
        return
    worker.serve(connection, threads)


def _end_with_the_service() -> None:
    """A worker in the middle of a job does not see its connection end."""
    service = parent_process()
    if service is not None:
        service.join()
        os._exit(1)


def _name_process(name: bytes) -> None:
    """What `top` shows."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_NAME, name, 0, 0, 0)
