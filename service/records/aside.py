"""Folders made aside, to be renamed into place whole or to live as long as a command: a kill leaves nothing that looks whole."""

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from service.grading import new_id

_SUFFIX: Final = ".partial"
_ID_CHARACTERS: Final = 36
_YOUNG_S: Final = 60.0
"""A folder so new may be about to be locked by whoever made it."""


@contextmanager
def aside(root: Path, name: str) -> Iterator[Path]:
    """A new folder `.NAME.<id>.partial` in `root`, gone at the end with whatever was not renamed out of it.

    What killed processes left behind under this name is removed first: the lock that each holds on its folder ends with the
    process, however long it lived. Raises OSError.
    """
    prefix = f".{name}."
    root.mkdir(parents=True, exist_ok=True)
    for left in root.iterdir():
        if left.name.startswith(prefix) and left.name.endswith(_SUFFIX) and _is_ours(left.name, prefix):
            _remove_unless_used(left)
    folder = root / f"{prefix}{new_id()}{_SUFFIX}"
    folder.mkdir(mode=0o700)
    try:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield folder
        finally:
            os.close(descriptor)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _is_ours(name: str, prefix: str) -> bool:
    return len(name) == len(prefix) + _ID_CHARACTERS + len(_SUFFIX)


def _remove_unless_used(folder: Path) -> None:
    try:
        if abs(time.time() - folder.stat().st_mtime) < _YOUNG_S:
            return
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:  # gone meanwhile, or none of ours
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
    except BlockingIOError:
        pass  # in use
    finally:
        os.close(descriptor)
