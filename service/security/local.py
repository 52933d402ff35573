"""Who sits at this machine: needs no credentials with SENKA_AUTH=auto, so the proof has to be complete.

A web page elsewhere can make a browser on this machine ask us (then the browser says so), a name elsewhere can be made to
point at 127.0.0.1 (then the Host header is that name), and a proxy on this machine passes strangers on.
"""

from typing import Any, Final
from urllib.parse import urlsplit

from service.security.door import Door
from service.security.hosts import forwarded_hosts, host_of, is_loopback

_FORWARDED: Final = (b"x-forwarded-for", b"x-forwarded-host", b"x-real-ip", b"forwarded")
"""Those that may say that whoever asks a proxy on this machine sits here too."""
_PROXIES: Final = (b"x-forwarded", b"x_forwarded", b"cf-")
_PROXY: Final = frozenset({b"via", b"x-client-ip", b"true-client-ip", b"x-original-host", b"x-original-forwarded-for"})
"""Beginnings and names of headers that only a proxy sends, whatever they say."""


def why_not_local(door: Door, scope: Any, asked: dict[bytes, bytes]) -> str | None:
    """None for a request that comes from this machine for certain; otherwise what speaks against it, empty where it is plain.

    `scope` is the request's, `asked` its headers that decide something.
    """
    client = scope.get("client")
    if client is None or not is_loopback(client[0]):
        return ""
    if not door.trusts_this_machine:
        return "" if door.auth == "required" else "It came through a proxy on this machine, behind which everybody needs them."
    host = asked.get(b"host", b"").decode("latin-1")
    if not is_loopback(host_of(host)):
        return f"It came from this machine, but asked for the host {host[:100]!r}; http://127.0.0.1 needs none."
    return _why_headers(door, scope, asked) or _why_http(scope)


def _why_http(scope: Any) -> str | None:
    """Programs and browsers speak HTTP/1.1; nginx, unless told otherwise, passes strangers on in HTTP/1.0 and without a trace."""
    if scope["http_version"] == "1.0":
        return "It came from this machine, but in HTTP/1.0, as proxies ask for others."
    return None


def _why_headers(door: Door, scope: Any, asked: dict[bytes, bytes]) -> str | None:
    origin = asked.get(b"origin")
    if origin is not None and not is_loopback(_origin_host(origin.decode("latin-1"))):
        return "It came from this machine, but from a page of another site."
    if asked.get(b"sec-fetch-site", b"none") not in (b"none", b"same-origin") and not _opens_a_page(scope, asked):
        return "It came from this machine, but from a page of another site."
    if any((name.startswith(_PROXIES) and name not in _FORWARDED) or name in _PROXY for name, _ in scope["headers"]):
        return "It came through a proxy."
    for name in _FORWARDED:
        value = asked.get(name)
        if value is None:
            continue
        if door.behind_proxy or not all(is_loopback(host) for host in forwarded_hosts(name, value.decode("latin-1"))):
            return "It came through a proxy."
    return None


def _opens_a_page(scope: Any, asked: dict[bytes, bytes]) -> bool:
    """A link on another site that somebody follows: the other site sees nothing of the answer, and reading changes nothing."""
    return (
        scope["method"] == "GET" and asked.get(b"sec-fetch-mode") == b"navigate" and asked.get(b"sec-fetch-dest") == b"document"
    )


def _origin_host(origin: str) -> str:
    try:
        return urlsplit(origin).hostname or ""
    except ValueError:
        return ""
