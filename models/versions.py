"""What the model repository notes about its versions."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

CHECKPOINT_FILE: Final = "checkpoint.pt"


class Aliases(BaseModel):
    """Who grades, who waits, and who graded before (oldest first)."""

    model_config = ConfigDict(extra="forbid")

    champion: int | None = None
    challenger: int | None = None
    history: list[int] = []
    withdrawn: list[int] = []
    """Champions that were rolled back, and that nobody has promoted since: no retraining makes them champion again."""


class Facts(BaseModel):
    """What `version.json` says."""

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    published_at: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Version:
    """One published model."""

    name: str
    number: int
    path: Path
    sha256: str
    published_at: str
    """RFC 3339, UTC."""
    note: str = ""

    @property
    def checkpoint(self) -> Path:
        """Where the weights stand that a training may go on from, if they were published too."""
        return self.path.with_name(CHECKPOINT_FILE)


@dataclass(frozen=True, slots=True)
class Exchange:
    """One champion took the place of another; `before` is the number of the one that left, None where there was none."""

    before: int | None
    now: Version


def promoted(aliases: Aliases, number: int) -> Aliases:
    """The aliases after `number` became the champion."""
    if aliases.champion == number:
        return aliases
    history = [*aliases.history, aliases.champion] if aliases.champion is not None else aliases.history
    challenger = None if aliases.challenger == number else aliases.challenger
    withdrawn = [other for other in aliases.withdrawn if other != number]
    return Aliases(champion=number, challenger=challenger, history=history, withdrawn=withdrawn)
