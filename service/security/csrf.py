"""Against requests that another page makes a browser send: a token that only our own pages can read.

A session has one for its life; every request of it that changes something carries it as X-CSRF-Token. Who has no session
yet posts the login form with the same random value twice, in the form and in a cookie.
"""

import hmac
import secrets
from collections.abc import Mapping
from typing import Final

HEADER: Final = b"x-csrf-token"
FIELD: Final = "csrf_token"
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


def new_token() -> str:
    """256 random bits, safe in a cookie, a header and a form."""
    return secrets.token_urlsafe(32)


def matches(expected: str | None, given: str | None) -> bool:
    """Whether the token is the expected one; nothing never matches."""
    return bool(expected) and bool(given) and hmac.compare_digest((expected or "").encode(), (given or "").encode())


def from_elsewhere(headers: Mapping[bytes, bytes]) -> bool:
    """Whether a browser says that a page of another site made it send this request."""
    site = headers.get(b"sec-fetch-site")
    if site is not None:  # over http on a network browsers leave it out
        return site not in (b"none", b"same-origin")
    origin = headers.get(b"origin")
    if origin is None:
        return False
    ours = {headers.get(b"host", b"").lower(), headers.get(b"x-forwarded-host", b"").lower()} - {b""}
    return origin.partition(b"://")[2].lower() not in ours  # `null` names no host, and is nobody we know
