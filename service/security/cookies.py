"""The cookies of a session: one that only the service reads, one that its pages read for the token against forgery."""

from datetime import UTC, datetime
from http.cookies import SimpleCookie
from typing import Final

from starlette.requests import cookie_parser

from service.security.sessions import Session

SESSION: Final = "senka_session"
CSRF: Final = "senka_csrf"
LOGIN: Final = "senka_login"
"""The token of the login form, before there is a session."""


def named(name: str, https: bool) -> str:
    """Under https a cookie has a name that browsers take from this host alone, and never over http."""
    return f"__Host-{name}" if https else name


def read(header: bytes | None, name: str, https: bool) -> str | None:
    """One cookie of a request's Cookie header."""
    if header is None:
        return None
    return cookie_parser(header.decode("latin-1")).get(named(name, https)) or None


def session_token(header: bytes | None, https: bool) -> str | None:
    return read(header, SESSION, https)


def line(name: str, value: str, https: bool, *, http_only: bool, same_site: str, max_age_s: int | None = None) -> str:
    """A Set-Cookie header. Without `max_age_s` the cookie goes when the browser closes."""
    key = named(name, https)
    jar: SimpleCookie = SimpleCookie()
    jar[key] = value
    jar[key]["path"] = "/"
    jar[key]["samesite"] = same_site
    jar[key]["httponly"] = http_only
    jar[key]["secure"] = https
    if max_age_s is not None:
        jar[key]["max-age"] = max_age_s
    return jar[key].OutputString()


def of_session(session: Session, https: bool) -> list[str]:
    """What tells the browser a session's new token, for as long as the session lasts. `session.new_token` must be set."""
    left_s = max(0, int((session.expires_at - datetime.now(UTC)).total_seconds()))
    return [
        line(SESSION, session.new_token or "", https, http_only=True, same_site="Lax", max_age_s=left_s),
        line(CSRF, session.csrf_token, https, http_only=False, same_site="Strict", max_age_s=left_s),
    ]


def forget_session(https: bool) -> list[str]:
    return [line(name, "", https, http_only=name == SESSION, same_site="Lax", max_age_s=0) for name in (SESSION, CSRF)]
