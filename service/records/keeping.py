"""Which photographs are kept, and how long each is worth its space."""

from enum import IntEnum
from hashlib import blake2b
from typing import Final, Protocol

from service.decision import MANUAL
from service.settings import Settings

RULE_DISAGREES: Final = "rule_disagrees"
"""Reason of a decision in which a measurement contradicts the network."""


class Interest(IntEnum):
    """Why a photograph is kept. Kept in the database as a number: a larger one outlives a smaller one."""

    ORDINARY = 0
    UNSURE = 1
    DISAGREEMENT = 2
    SAMPLE = 3
    """Drawn by lot from all photographs, whatever was decided: figures about the whole can be had from these alone."""
    CORRECTED = 4
    """A person said what it is."""
    LABELLED = 5
    """A labelled batch names it: it is never deleted."""


class Decided(Protocol):
    """What of a decision or a grading tells whether its photograph is worth keeping."""

    @property
    def confidence(self) -> float | None: ...

    @property
    def lane(self) -> str: ...

    @property
    def reasons(self) -> tuple[str, ...]: ...


def interest_of(grading_id: str, decision: Decided, settings: Settings) -> Interest | None:
    """Why the photograph of this decision is kept; None: it is not kept.

    A member of the audit sample is marked as that even where it is unsure as well: a sample without its unsure photographs
    would tell of a better service than there is.
    """
    if settings.keep == "none":
        return None
    if in_sample(grading_id, settings.keep_share):
        return Interest.SAMPLE
    if RULE_DISAGREES in decision.reasons:
        return Interest.DISAGREEMENT
    if decision.lane == MANUAL or decision.confidence is None or decision.confidence < settings.keep_below:
        return Interest.UNSURE
    return Interest.ORDINARY if settings.keep == "all" else None


def in_sample(grading_id: str, share: float) -> bool:
    """Whether the lot falls on a grading, at `share` (0 to 1) of all. The same id always draws the same lot.

    Not the id's own random bits: whoever makes ids decides those.
    """
    drawn = int.from_bytes(blake2b(grading_id.encode(), digest_size=8).digest())
    return drawn < share * 2**64
