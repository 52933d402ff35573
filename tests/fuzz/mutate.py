"""Damaged versions of good input, as cut lines, bad disks and attackers make them."""

import random
import re
import struct
from collections.abc import Sequence
from typing import Final

MAX_BYTES: Final = 64 * 1024
_NUMBERS: Final = (
    0,
    1,
    2,
    7,
    8,
    127,
    128,
    255,
    256,
    32767,
    32768,
    65535,
    65536,
    2**31 - 1,
    2**31,
    2**32 - 1,
    2**63 - 1,
    2**64 - 1,
)
_WRITTEN: Final = (
    *(b"0", b"-1", b"-0", b"1e999", b"NaN", b"99999999999", b"9223372036854775808", b"170141183460469231731687303715884105728"),
    *(b"0.1", b"00", b"1" * 400, "١٢".encode()),
)
_TEXTS: Final = (
    *(b"\0", b"\n", b"\r\n", b'"', b"\\", b",", b"../", b"/", b"\xff", b"\xed\xa0\x80", b"\xf4\x8f\xbf\xbf", b"\xef\xbb\xbf"),
    *(
        "é北‮".encode(),
        b"%00",
        b"%ff",
        b"\\ud800",
        b"\\u0000",
        b"null",
        b"true",
        b"[]",
        b"{}",
        b"[" * 300,
        b'{"a":' * 300,
        b"A" * 300,
    ),
)


def mutant(chance: random.Random, pool: Sequence[bytes], tokens: Sequence[bytes] = ()) -> bytes:
    """One of `pool`, damaged in 1 to 8 places; half of the mutants keep their length."""
    data = bytearray(chance.choice(pool))
    in_place = chance.random() < 0.5
    for _ in range(1 + min(7, int(chance.expovariate(0.6)))):
        _overwrite(chance, data, tokens) if in_place and data else _reshape(chance, data, pool, tokens)
    return bytes(data[:MAX_BYTES])


def _overwrite(chance: random.Random, data: bytearray, tokens: Sequence[bytes]) -> None:
    at = chance.randrange(len(data)) if chance.random() < 0.7 else chance.randrange(min(len(data), 64))
    match chance.randrange(5):
        case 0:
            data[at] ^= 1 << chance.randrange(8)
        case 1:
            data[at] = chance.randrange(256)
        case 2:
            data[at] = chance.choice(_NUMBERS) & 0xFF
        case 3:
            width = chance.choice("HIQ")
            order = chance.choice("<>")
            number = struct.pack(order + width, chance.choice(_NUMBERS) & (2 ** (8 * struct.calcsize(width)) - 1))
            data[at : at + len(number)] = number[: len(data) - at]
        case _:
            word = chance.choice(tokens or _TEXTS)
            data[at : at + len(word)] = word[: len(data) - at]


def _reshape(chance: random.Random, data: bytearray, pool: Sequence[bytes], tokens: Sequence[bytes]) -> None:
    at = chance.randrange(len(data) + 1)
    length = min(len(data) - at, 1 + int(chance.expovariate(0.05)))
    match chance.randrange(8):
        case 0:
            data[at:at] = chance.randbytes(1 + chance.randrange(8))
        case 1:
            data[at:at] = chance.choice(_TEXTS)
        case 2:
            data[at:at] = chance.choice(tokens or _TEXTS)
        case 3:
            del data[at : at + length]
        case 4:
            data[at:at] = bytes(data[at : at + length]) * chance.choice((1, 1, 1, 2, 50))
        case 5:
            del data[at:]
        case 6:
            other = chance.choice(pool)
            cut = chance.randrange(len(other) + 1)
            data[at:] = other[cut:]
        case _:
            numbers = list(re.finditer(rb"-?\d+(?:\.\d+)?", data[:4096]))
            if numbers:
                start, end = chance.choice(numbers).span()
                data[start:end] = chance.choice(_WRITTEN)
    del data[MAX_BYTES:]
