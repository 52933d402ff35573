"""The nine grades of a cucumber, in the order in which this project lists them."""

from itertools import pairwise
from typing import Final

STRAIGHT: Final = ("2L", "L", "M", "S", "2S")  # straight fruit, longest first
BENT: Final = ("BL", "BM", "BS")  # bent or uneven fruit, longest first
MISSHAPEN: Final = "C"

GRADES: Final[tuple[str, ...]] = (*STRAIGHT, *BENT, MISSHAPEN)
"""All grades. A model card may list them in another order; nothing may rely on an index without asking the card."""

GRADE_NEIGHBOURS: Final[frozenset[frozenset[str]]] = frozenset(
    frozenset(pair)
    for pair in (
        *pairwise(STRAIGHT),
        *pairwise(BENT),
        *(("2L", "BL"), ("L", "BL"), ("M", "BM"), ("S", "BS"), ("2S", "BS")),
        *((bent, MISSHAPEN) for bent in BENT),
    )
)
"""Pairs of grades that border on each other, so that a person too may hesitate between them: the next length of the same kind,
and straight or bent at about the same length. Three bent lengths stand for five straight ones: BL is as long as 2L and L, BM as
M, BS as S and 2S. C borders on every bent grade, for a fruit that is bent or uneven enough becomes misshapen; on no straight
one. An error between any other two is a far one."""
