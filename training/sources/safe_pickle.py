"""Pickles that hold numpy arrays, bytes, text, numbers, lists and dicts, read without running what they ask for.

A pickle is a program; `pickle.load` runs it. Here the standard library's `pickletools` only splits it into instructions, and the
few that plain data needs are carried out by hand: nothing is imported, no function of numpy's is called with the file's
arguments, and every other instruction or name is refused. Covers protocols 2 to 5, of Python 2 with numpy 1 (CUCUMBER-9 as it is
distributed) up to Python 3 with numpy 2. Text of Python 2 comes out as str, decoded as latin-1.
"""

import pickletools
from typing import Any, Final

import numpy as np

from models.errors import DataError, UnsafeFile
from training.sources.pickled_arrays import LONGEST_NAME, ArrayMaker, PendingArray, find

MAX_INSTRUCTIONS: Final = 2_000_000
"""An instruction of one byte can cost 64 bytes of memory (an empty dict); a batch of 10,000 photographs needs 50,000."""
_INTEGERS: Final = frozenset(("BININT", "BININT1", "BININT2", "LONG1", "LONG4"))
_TEXTS: Final = frozenset(("BINSTRING", "SHORT_BINSTRING", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"))
_BYTES: Final = frozenset(("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"))
_CONSTANTS: Final = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_TUPLES: Final = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_DATA: Final = frozenset((int, bool, float, str, bytes, type(None), list, dict, tuple, np.ndarray))
_KEYS: Final = frozenset((int, bool, str, bytes, type(None)))  # no tuples: hashing a deeply nested one overruns the C stack


class _Arguments(tuple[object, ...]):
    """A tuple that holds more than data: arguments of a call, never part of a result."""

    __slots__ = ()


def load(data: bytes) -> object:
    """The data in a pickle; arrays are read-only and share one copy of the file's bytes.

    Raises UnsafeFile where it asks for anything but data, naming what, and DataError where it is cut short or broken.
    """
    machine = _Machine(ArrayMaker(text_budget=len(data)))
    try:
        for number, (instruction, argument, _) in enumerate(pickletools.genops(data)):
            if number >= MAX_INSTRUCTIONS:
                raise UnsafeFile(
                    f"The pickle has more than {MAX_INSTRUCTIONS:,} instructions; data of this size belongs in arrays."
                )
            machine.step(instruction.name, argument)
    except (IndexError, KeyError) as error:  # it takes from an empty stack, or from the memo what was never put there
        raise DataError("Not a readable pickle: an instruction lacks its operands. Fetch the file again.") from error
    except (ValueError, Warning) as error:  # Warning: a broken escape in text, where warnings are errors
        reason = str(error)[:LONGEST_NAME]
        raise DataError(f"Not a readable pickle: {reason}. Fetch the file again.") from error
    return machine.result()


class _Machine:
    """The stack, the marks and the memo of a pickle (PEP 3154)."""

    def __init__(self, maker: ArrayMaker) -> None:
        self.maker = maker
        self.stack: list[object] = []
        self.marked: list[list[object]] = []
        # A dict: a list would have to grow to the index, which the file chooses
        self.memo: dict[int, object] = {}

    def result(self) -> object:
        if len(self.stack) != 1 or self.marked:
            raise DataError(f"Not a readable pickle: it leaves {len(self.stack)} objects where one is due. Fetch the file again.")
        return _data(self.stack[0])

    def step(self, name: str, argument: Any) -> None:
        match name:
            case "FRAME" | "STOP":
                pass
            case "PROTO":
                if argument > 5:
                    raise UnsafeFile(f"The pickle has protocol {argument}; protocols 2 to 5 are read.", protocol=argument)
            case _ if name in _CONSTANTS:
                self.stack.append(_CONSTANTS[name])
            case _ if name in _INTEGERS:
                if not -(2**63) <= argument < 2**64:
                    raise UnsafeFile("The pickle holds an integer of more than 64 bits.")
                self.stack.append(argument)
            case "BINFLOAT":
                self.stack.append(argument)
            case _ if name in _TEXTS:
                self.stack.append(argument)
            case _ if name in _BYTES:
                self.stack.append(bytes(argument))  # of a bytearray too: nothing may change under an array
            case "MEMOIZE":
                self.memo[len(self.memo)] = self.stack[-1]
            case "BINPUT" | "LONG_BINPUT":
                self.memo[argument] = self.stack[-1]
            case "BINGET" | "LONG_BINGET":
                known = self.memo[argument]
                self.stack.append(known.value if isinstance(known, PendingArray) and known.value is not None else known)
            case "GLOBAL" | "INST":  # INST would also call what it names; here that only gets it named in the refusal
                self.stack.append(find(argument))
            case "STACK_GLOBAL":
                attribute, module = self.stack.pop(), self.stack.pop()
                if type(module) is not str or type(attribute) is not str:
                    raise UnsafeFile("The pickle asks for something by a name that is no text.")
                self.stack.append(find(f"{module} {attribute}"))
            case "REDUCE":
                arguments, function = self.stack.pop(), self.stack.pop()
                self.stack.append(self.maker.call(function, arguments))
            case "BUILD":
                state = self.stack.pop()
                self.stack[-1] = self.maker.build(self.stack[-1], state)
            case _:
                self._container(name)

    def _container(self, name: str) -> None:
        match name:
            case "MARK":
                self.marked.append(self.stack)
                self.stack = []
            case "EMPTY_LIST":
                self.stack.append([])
            case "EMPTY_DICT":
                self.stack.append({})
            case "TUPLE":
                items = self._since_mark()
                self.stack.append(_tuple(items))
            case _ if name in _TUPLES:
                items = [self.stack.pop() for _ in range(_TUPLES[name])][::-1]
                self.stack.append(_tuple(items))
            case "APPEND" | "APPENDS":
                items = self._since_mark() if name == "APPENDS" else [self.stack.pop()]
                target = self.stack[-1]
                if type(target) is not list:
                    raise UnsafeFile(f"The pickle appends to a {type(target).__name__}; only lists grow.")
                target.extend(map(_data, items))
            case "SETITEM" | "SETITEMS":
                items = self._since_mark() if name == "SETITEMS" else [self.stack.pop(), self.stack.pop()][::-1]
                self._fill(items)
            case _:
                raise UnsafeFile(f"The pickle uses the instruction {name}, which plain data does not need.", instruction=name)

    def _fill(self, items: list[object]) -> None:
        target = self.stack[-1]
        if type(target) is not dict:
            raise UnsafeFile(f"The pickle sets items of a {type(target).__name__}; only dicts have them.")
        for key, value in zip(items[::2], items[1::2], strict=True):
            if type(key) not in _KEYS:
                raise UnsafeFile(f"The pickle has a {type(key).__name__} as a key; only text, bytes and integers may be.")
            target[key] = _data(value)

    def _since_mark(self) -> list[object]:
        items, self.stack = self.stack, self.marked.pop()
        return items


def _data(value: object) -> object:
    if type(value) not in _DATA:
        raise UnsafeFile("The pickle holds a function, type or unfinished array where data is due.")
    return value


def _tuple(items: list[object]) -> tuple[object, ...]:
    return tuple(items) if all(type(item) in _DATA for item in items) else _Arguments(items)
