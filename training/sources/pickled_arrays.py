"""The few names that a pickle of numpy arrays asks for, and what is done in their place.

None of them is looked up in numpy: an array is made here, from a shape, the code of a plain number and bytes, once these agree.
"""

import math
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from models.errors import UnsafeFile

LONGEST_NAME: Final = 120
"""So many characters of a name out of the file are repeated in a message."""
_MAX_AXES: Final = 8
_SIZES: Final = {"b": "1", "u": "1248", "i": "1248", "f": "248"}
_NUMBERS: Final = frozenset(f"{kind}{size}" for kind, sizes in _SIZES.items() for size in sizes)


class Global(Enum):
    """What a pickle may ask for by name."""

    RECONSTRUCT = auto()
    FROMBUFFER = auto()
    NDARRAY = auto()
    DTYPE = auto()
    ENCODE = auto()
    BYTES = auto()


_GLOBALS: Final = {
    "numpy.core.multiarray _reconstruct": Global.RECONSTRUCT,
    "numpy._core.multiarray _reconstruct": Global.RECONSTRUCT,
    "numpy.core.numeric _frombuffer": Global.FROMBUFFER,
    "numpy._core.numeric _frombuffer": Global.FROMBUFFER,
    "numpy ndarray": Global.NDARRAY,
    "numpy dtype": Global.DTYPE,
    "_codecs encode": Global.ENCODE,  # bytes, as Python 3 writes them for protocol 2
    "__builtin__ bytes": Global.BYTES,  # the same for b""
}


@dataclass(slots=True)
class Dtype:
    """A dtype that the pickle announced; its byte order comes after it."""

    code: str
    order: str = ""


@dataclass(slots=True)
class PendingArray:
    """An array that the pickle announced; `value` once its contents came."""

    value: npt.NDArray[Any] | None = None


def find(wanted: str) -> Global:
    """The meaning of "module name". Raises UnsafeFile naming any other than those of arrays."""
    if wanted not in _GLOBALS:
        named = ascii(wanted[:LONGEST_NAME].replace(" ", ".", 1))[1:-1]
        raise UnsafeFile(
            f"The pickle asks for {named}; only arrays, bytes, text, numbers, lists and dicts are read. Do not trust it.",
            wanted=named,
        )
    return _GLOBALS[wanted]


class ArrayMaker:
    """Carries out the two instructions that make something: a call, and setting the state of what a call returned.

    `text_budget` limits the characters turned into bytes: a pickle may ask for the same text a million times over.
    """

    def __init__(self, text_budget: int) -> None:
        self._text_budget = text_budget

    def call(self, function: object, arguments: object) -> object:
        """What `function(*arguments)` stands for. Raises UnsafeFile where no array needs it."""
        if isinstance(arguments, tuple):
            match function, tuple(arguments):
                case Global.RECONSTRUCT, (Global.NDARRAY, _, _):
                    return PendingArray()
                case Global.DTYPE, (str(code), _, _):
                    return Dtype(code)
                case Global.ENCODE, (str(text), "latin1" | "latin-1"):
                    return self._encoded(text)
                case Global.BYTES, ():
                    return b""
                case Global.FROMBUFFER, (bytes(raw), Dtype() as dtype, tuple(shape), "C" | "F" as order):
                    return _array(raw, dtype, shape, order)
                case Global.FROMBUFFER, (bytes(raw), Dtype() as dtype, tuple(shape), "K", tuple(axes)):
                    return _transposed(_array(raw, dtype, shape, "C"), axes)
        named = function.name.lower() if isinstance(function, Global) else type(function).__name__
        raise UnsafeFile(f"The pickle calls {named} in a way that no array needs.", wanted=named)

    def build(self, target: object, state: object) -> object:
        """`target` in the given state. Raises UnsafeFile for anything but a dtype or array of plain numbers."""
        if isinstance(state, tuple):
            match target, tuple(state):
                # version, byte order, and None for subarray, names and fields
                case Dtype(), (3 | 4, "<" | ">" | "|" | "=" as order, None, None, None, _, _, _):
                    target.order = order
                    return target
                # version, shape, dtype, whether columns come first, contents
                case PendingArray(), (1, tuple(shape), Dtype() as dtype, 0 | 1 as fortran, bytes() | str() as raw):
                    # Python 2 wrote the bytes as a string, which came here as latin-1: one character for each byte
                    exact = self._encoded(raw) if isinstance(raw, str) else raw
                    target.value = _array(exact, dtype, shape, "F" if fortran else "C")
                    return target.value
        raise UnsafeFile("The pickle sets the state of something other than an array of plain numbers.")

    def _encoded(self, text: str) -> bytes:
        self._text_budget -= len(text)
        if self._text_budget < 0:
            raise UnsafeFile("The pickle makes more bytes than it holds; no array needs that.")
        return text.encode("latin-1")


def _array(raw: bytes, dtype: Dtype, shape: tuple[object, ...], order: Literal["C", "F"]) -> npt.NDArray[Any]:
    """The array, read-only, once the bytes are found to be as many as the shape needs: nothing is allocated for a lie."""
    if dtype.code not in _NUMBERS:
        named = dtype.code[:LONGEST_NAME]
        raise UnsafeFile(f"The pickle holds an array of dtype {named!r}; only plain numbers are read.", dtype=named)
    sides = [side for side in shape if type(side) is int and 0 <= side < 2**31]
    if len(sides) != len(shape) or len(sides) > _MAX_AXES:
        raise UnsafeFile("The pickle holds an array of an impossible shape.")
    number = np.dtype(dtype.order + dtype.code)
    due = math.prod(sides) * number.itemsize
    if due != len(raw):
        raise UnsafeFile(f"The pickle declares an array of {due} bytes and carries {len(raw)}.", declared=due, carried=len(raw))
    return np.ndarray(sides, number, raw, order=order)


def _transposed(array: npt.NDArray[Any], axes: tuple[object, ...]) -> npt.NDArray[Any]:
    numbers = [axis for axis in axes if type(axis) is int]
    if len(numbers) != len(axes) or sorted(numbers) != list(range(array.ndim)):
        raise UnsafeFile("The pickle transposes an array by something other than its axes.")
    return array.transpose(numbers)
