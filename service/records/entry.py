"""What is handed over to be put on record."""

from dataclasses import dataclass

from service.grading import Grading


@dataclass(frozen=True, slots=True)
class Entry:
    """A grading to be kept, with its photograph's bytes where those are kept too."""

    grading: Grading
    photograph: bytes | None = None
    shared: bool = False
    """The image store had the photograph already, for another grading."""
