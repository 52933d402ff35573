"""What the guard and the login share: the people, keys, sessions and limits of one application."""

from dataclasses import dataclass
from typing import Final, Literal

import anyio
from sqlalchemy import Engine

from models.errors import SenkaError
from service.security.hosts import Hosts, holds_loopback, is_loopback
from service.security.keys import Keys
from service.security.rate import Rate
from service.security.sessions import Sessions
from service.security.throttle import Throttle
from service.security.users import Users
from service.settings import Settings

HASHES_AT_ONCE: Final = 2
"""Each takes 64 MiB and a core for a tenth of a second, which grading would miss."""


class NobodyCouldEnter(SenkaError):
    code = "nobody_could_enter"

    def __init__(self, host: str) -> None:
        super().__init__(
            f"Listening on {host} lets other machines in, and there are no credentials yet: add some with `senka keys add NAME` "
            "or `senka users add NAME`, or ask nobody for any with SENKA_AUTH=off.",
            host=host,
        )


class AnyProxy(SenkaError):
    code = "any_proxy"

    def __init__(self) -> None:
        super().__init__(
            "SENKA_TRUSTED_PROXIES is *, which lets everybody claim any address: name the addresses or networks of your proxies."
        )


@dataclass(frozen=True, slots=True)
class Credentials:
    """What is on record about who may enter."""

    engine: Engine
    users: Users
    keys: Keys
    sessions: Sessions
    throttle: Throttle


@dataclass(frozen=True, slots=True)
class Door:
    """`credentials` is None with SENKA_RECORDS=off: there is no place to keep any, so only this machine gets in."""

    auth: Literal["auto", "required", "off"]
    hosts: Hosts
    behind_proxy: bool
    trusts_this_machine: bool
    rate: Rate
    credentials: Credentials | None
    hashing: anyio.CapacityLimiter

    @classmethod
    def open(cls, settings: Settings, engine: Engine | None) -> "Door":
        """The door of a service. Starts a thread that follows the keys; `close` ends it. Needs a running event loop."""
        _require_named_proxies(settings)
        credentials = None
        if engine is not None:
            keys = Keys(engine)
            keys.start()
            sessions = Sessions(engine, settings.session_hours)
            credentials = Credentials(engine, Users(engine, changed=sessions.forget), keys, sessions, Throttle(engine))
        # With a proxy on this machine everybody comes from this machine.
        local_proxy = any(holds_loopback(proxy) for proxy in settings.trusted_proxies)
        return cls(
            auth=settings.auth,
            # Where nobody needs credentials, a name that a page elsewhere made point here would be enough
            hosts=Hosts.of_this_machine()
            if settings.auth == "off" and not settings.trusted_hosts
            else Hosts(settings.trusted_hosts),
            behind_proxy=bool(settings.trusted_proxies),
            trusts_this_machine=settings.auth == "auto" and not local_proxy,
            rate=Rate(settings.rate_per_s),
            credentials=credentials,
            hashing=anyio.CapacityLimiter(HASHES_AT_ONCE),
        )

    def close(self) -> None:
        """End the thread, and write when keys were used last."""
        if self.credentials:
            self.credentials.keys.stop()


def require_somebody(settings: Settings, engine: Engine | None) -> None:
    """Raise NobodyCouldEnter for a service that listens to other machines while none of them could show credentials, and
    AnyProxy for one that believes every proxy."""
    _require_named_proxies(settings)
    if settings.auth != "auto" or is_loopback(settings.host):
        return
    if engine is None or not (Users(engine).any_enabled() or Keys(engine).any_good()):
        raise NobodyCouldEnter(settings.host)


def _require_named_proxies(settings: Settings) -> None:
    if any(proxy.strip() == "*" for proxy in settings.trusted_proxies):
        raise AnyProxy
