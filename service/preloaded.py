"""Imported by the workers' fork server alone: what is slow to load is loaded once, and every worker is a fork of it.

It follows who it serves: it ends when the supervisor does, however that ends, and its workers stop in order when it is gone.
"""

import ctypes
import gc
import os
import signal
import sys
from typing import Final

import service.app  # noqa: F401 - for what it loads

PR_SET_PDEATHSIG: Final = 1
PR_SET_NAME: Final = 15
_STOPS: Final = (signal.SIGTERM, signal.SIGHUP)
"""Some managers send these to every process of a service. The fork server alone knows how a worker ended: it stays last."""


def _control(option: int, value: int | bytes) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _hold_stops() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOPS)


def _release_stops() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPS)


def _become_worker() -> None:
    for number in _STOPS:
        signal.signal(number, signal.SIG_DFL)
    _control(PR_SET_PDEATHSIG, signal.SIGTERM)
    _control(PR_SET_NAME, b"senka-worker")
    _release_stops()  # one that came between the fork and now is acted on, not lost


_control(PR_SET_PDEATHSIG, signal.SIGKILL)
_control(PR_SET_NAME, b"senka-fork")
for number in _STOPS:
    signal.signal(number, signal.SIG_IGN)
os.register_at_fork(before=_hold_stops, after_in_parent=_release_stops, after_in_child=_become_worker)
gc.freeze()  # looking through what was loaded for garbage would copy its pages into every worker
