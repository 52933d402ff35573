"""What is fuzzed: a reader of bytes, good input to begin with, and the exceptions it documents."""

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

CORPUS: Final = Path(__file__).parent / "corpus"
"""Inputs that once broke a target, in a folder of its name; each is tried again with the tests."""
_ROOT: Final = Path(__file__).parents[2]


class BrokenPromise(Exception):
    """Something was read from hostile input that its reader promises never to give."""


@dataclass(frozen=True, slots=True)
class Target:
    """`feed` reads one input and may raise nothing but `documented`."""

    name: str
    feed: Callable[[bytes], None]
    documented: tuple[type[Exception], ...]
    seeds: tuple[bytes, ...]
    """Good input: `feed` takes each without an exception."""
    share: int = 10
    """How many of the inputs it gets, beside the other targets; the quick ones get more."""
    tokens: tuple[bytes, ...] = ()
    """Words of the format, for mutants that are nearly right."""
    mend: Callable[[bytes], bytes] | None = None
    """Sets checksums right again, so that mutants come past them."""

    def try_input(self, data: bytes) -> bool:
        """Whether it was taken; False where a documented exception refused it. Anything else comes out."""
        try:
            self.feed(data)
        except self.documented:
            return False
        return True


def where(error: BaseException) -> str:
    """The exception's type and the deepest line of this project that it came through: what tells findings apart."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).is_relative_to(_ROOT)]
    ours = [frame for frame in frames if ".venv" not in frame.filename]
    last = ours[-1] if ours else None
    place = f"{Path(last.filename).relative_to(_ROOT)}:{last.lineno}" if last else "?"
    return f"{type(error).__name__} at {place}"
