"""What training asks of a network beyond logits."""

from typing import Protocol, runtime_checkable

from torch import Tensor


@runtime_checkable
class WithAuxiliaries(Protocol):
    """A network with further heads that only training uses, such as GoogLeNet's."""

    def weighted_logits(self, x: Tensor) -> tuple[tuple[float, Tensor], ...]:
        """(B, C, H, W) float32, normalised -> pairs of weight and (B, grades) logits; the first is (1.0, the main head's)."""
        ...
