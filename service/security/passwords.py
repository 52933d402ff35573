"""Passwords and PINs: what makes one good enough, and how it is kept. No database here.

Nothing in this module puts a secret, or a part of one, into an error.
"""

import functools
import secrets
import unicodedata
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

from service.errors import InvalidRequest

MIN_PASSWORD_CHARACTERS: Final = 8
MAX_PASSWORD_CHARACTERS: Final = 256
MIN_PIN_DIGITS: Final = 4
MAX_PIN_DIGITS: Final = 8

COMMON_PINS: Final = frozenset(
    {
        *(str(year) for year in range(1940, 2030)),
        *("2580", "0852", "8520", "1122", "2211", "1221", "2112", "1331", "1357", "2468", "1379", "1397", "7913", "1236", "1478"),
        *("1470", "3690", "1230", "3210", "0007", "5683", "112233", "123321", "147258", "159753", "456123", "789456"),
        *("246810", "102030", "121314", "1233211", "1472583", "11223344", "12344321", "14725836", "15975346"),
    }
)
"""Those tried first, besides digits repeated or in a row: years, and what lies in a line on the keys."""

HASHER: Final = PasswordHasher()
"""argon2id as RFC 9106 advises where memory is scarce: 64 MiB, three passes."""


def proper_password(password: str) -> str:
    """The password in one spelling: keyboards compose letters differently. Raises InvalidRequest when it is too short or long."""
    spelled = unicodedata.normalize("NFC", password)
    if not MIN_PASSWORD_CHARACTERS <= len(spelled) <= MAX_PASSWORD_CHARACTERS:
        raise InvalidRequest(f"A password has {MIN_PASSWORD_CHARACTERS} to {MAX_PASSWORD_CHARACTERS} characters.")
    if any(unicodedata.category(letter) in ("Cc", "Cs") for letter in spelled):
        raise InvalidRequest("A password has no control characters: not every keyboard can type them.")
    return spelled


def proper_pin(pin: str) -> str:
    """The PIN in plain digits; Japanese keyboards type full-width ones too. Raises InvalidRequest when it is no PIN."""
    spelled = unicodedata.normalize("NFKC", pin)
    if not (MIN_PIN_DIGITS <= len(spelled) <= MAX_PIN_DIGITS and spelled.isascii() and spelled.isdigit()):
        raise InvalidRequest(f"A PIN has {MIN_PIN_DIGITS} to {MAX_PIN_DIGITS} digits.")
    if _repeats(spelled) or spelled in "01234567890" or spelled in "09876543210" or spelled in COMMON_PINS:
        raise InvalidRequest("A PIN is neither digits repeated, digits in a row, a year nor a common one: those are tried first.")
    return spelled


def _repeats(pin: str) -> bool:
    """1111, 1212, 123123, 25252: nothing but its own beginning again and again, cut off somewhere."""
    return any((pin[:length] * len(pin))[: len(pin)] == pin for length in range(1, len(pin) // 2 + 1))


def hashed(secret: str, hasher: PasswordHasher = HASHER) -> str:
    """What is kept of a password or PIN; takes about a tenth of a second and 64 MiB on purpose."""
    return hasher.hash(secret)


def matches(kept: str | None, secret: str, hasher: PasswordHasher = HASHER) -> bool:
    """Whether a secret is the one behind `kept`; without one False, in the same time, so that names cannot be guessed.

    A secret that is too long to be anybody's is cut, so that nobody can make the service hash megabytes.
    """
    try:
        hasher.verify(kept or _nobodys(hasher), secret[:MAX_PASSWORD_CHARACTERS].encode("utf-8", "replace"))
    except VerifyMismatchError:
        return False
    except (InvalidHashError, VerificationError):  # a damaged row lets nobody in
        return False
    return kept is not None and len(secret) <= MAX_PASSWORD_CHARACTERS


@functools.cache
def _nobodys(hasher: PasswordHasher) -> str:
    """The hash of a secret that nobody knows, made when first needed: importing this must cost nothing."""
    return hasher.hash(secrets.token_urlsafe(32))
