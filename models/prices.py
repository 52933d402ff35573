"""What a fruit fetches, where nobody has said otherwise."""

from typing import Final

PRICES_YEN: Final = {"2L": 12.0, "L": 14.0, "M": 16.0, "S": 15.0, "2S": 13.0, "BL": 5.0, "BM": 5.5, "BS": 4.5, "C": 2.0}
"""A straight fruit fetches about 14 yen and a bent one about 5: the means here. How prices spread around them, and that of C, is
an assumption (middling sizes sell best); a packing house sets its own."""
