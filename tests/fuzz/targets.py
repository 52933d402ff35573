"""All targets, open for as long as they are needed."""

import asyncio
import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.fuzz.files import file_targets
from tests.fuzz.requests import request_targets
from tests.fuzz.target import Target

_IN_MEMORY: Final = Path("/dev/shm")  # a million small files need not reach a disk


@contextmanager
def open_targets() -> Iterator[dict[str, Target]]:
    """By name. What the readers log about damage is not shown meanwhile."""
    place = _IN_MEMORY if _IN_MEMORY.is_dir() else None
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with tempfile.TemporaryDirectory(dir=place, prefix="senka-fuzz-") as folder, asyncio.Runner() as runner:
            yield {target.name: target for target in (*file_targets(Path(folder)), *request_targets(Path(folder), runner))}
    finally:
        logging.disable(before)
