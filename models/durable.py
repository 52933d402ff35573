"""Files that are whole after a crash or a power cut: the old content or the new, nothing between."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from models.errors import RepositoryUnreadable

_File = TypeVar("_File", bound=BaseModel)


def write_durably(path: Path, data: bytes) -> None:
    """Write a file that nobody reads yet; its name is durable once its folder is (`sync_folder`)."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def replace(path: Path, data: bytes, aside: Path) -> None:
    """Write `aside`, on the same file system, and rename it to `path` in one step; nothing stays behind when that fails."""
    try:
        write_durably(aside, data)
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """A rename is durable once its folder is."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file: one process, and one thread of it, at a time. A process that dies lets go of it."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def read_json(path: Path, shape: type[_File], mend: str) -> _File:
    """A JSON file of ours. Raises FileNotFoundError, and RepositoryUnreadable: how to mend it, where it is the file's fault."""
    try:
        return shape.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise
    except ValidationError as error:
        raise RepositoryUnreadable(str(path), error.errors()[0]["msg"], mend) from error
    except (IsADirectoryError, NotADirectoryError) as error:
        raise RepositoryUnreadable(str(path), str(error.strerror), mend) from error
    except OSError as error:  # too many open files, no permission, a failing disk: nothing to delete
        raise RepositoryUnreadable(str(path), str(error.strerror), None) from error
