"""The nine grades of a cucumber, in the order in which this project lists them."""

from typing import Final

STRAIGHT: Final = ("2L", "L", "M", "S", "2S")  # straight fruit, longest first
BENT: Final = ("BL", "BM", "BS")  # bent or uneven fruit, longest first
MISSHAPEN: Final = "C"

GRADES: Final[tuple[str, ...]] = (*STRAIGHT, *BENT, MISSHAPEN)
"""All grades. A model card may list them in another order; nothing may rely on an index without asking the card."""
