"""What a method gives: raw numbers and what they mean. Loads no torch."""

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from models.explain.catalogue import Kind

Floats = npt.NDArray[np.float32]

WEAK_LOGITS: Final = 0.05
"""Evidence for a grade below this is no reason for it: it moves a probability by about one hundredth at most."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """`values` of the shape that `kind` names (`catalogue.Kind`), raw: nothing is stretched, clipped or normalised."""

    values: Floats
    kind: Kind
    signed: bool
    """Whether 0 is the middle of the scale: drawn in two colours, else in one."""
    layer: str | None = None
    target: int | None = None
    """Index of the logit explained."""
    evidence: float | None = None
    """Logits that the positive part of the map accounts for; None where values are no evidence for a grade."""
    facts: dict[str, Any] = field(default_factory=dict)
    """What a method adds: `delta`, `steps`, `objective` (one value a step), `frames` (PNG, base64), `channel`, ..."""

    @property
    def weak(self) -> bool:
        """Whether the map accounts for so little that a picture of it would be of noise."""
        return self.evidence is not None and self.evidence < WEAK_LOGITS
