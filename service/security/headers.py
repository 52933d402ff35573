"""What every answer tells a browser, whoever made it."""

from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

Header = tuple[bytes, bytes]

ALWAYS: Final[tuple[Header, ...]] = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=(), payment=(), usb=()"),
    # of everything but our pages, which bring a policy of their own
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)
UNDER_HTTPS: Final[Header] = (b"strict-transport-security", b"max-age=31536000")
NO_STORE: Final[Header] = (b"cache-control", b"no-store")
_NAMES: Final = frozenset(name for name, _ in (*ALWAYS, UNDER_HTTPS))
_JSON: Final = (b"application/json", b"application/problem+json")


def add_safety(headers: list[Header], https: bool) -> None:
    """Add to the headers of an answer what it does not say itself. JSON is kept by no cache unless the answer allows it."""
    json = kept = False
    bare = True
    for name, value in headers:
        if name in _NAMES:
            bare = False
        elif name == b"content-type":
            json = value.startswith(_JSON)
        elif name == b"cache-control":
            kept = True
    if bare:
        headers.extend(ALWAYS)
    else:
        said = {name for name, _ in headers}
        headers.extend(header for header in ALWAYS if header[0] not in said)
    if json and not kept:
        headers.append(NO_STORE)
    if https:
        headers.append(UNDER_HTTPS)


class SafetyHeaders:
    """ASGI middleware, outside of all others, so that a refusal has the headers too."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        https = scope["scheme"] == "https"

        async def safe(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = message["headers"] = list(message.get("headers", ()))
                add_safety(headers, https)
            await send(message)

        await self.app(scope, receive, safe)
