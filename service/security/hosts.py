"""Names and addresses: who sits at this machine, and by what names the service may be called."""

import socket
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

MAX_NAME: Final = 255
_LOOPBACK: Final = tuple(ip_network(text) for text in ("127.0.0.0/8", "::1/128", "::ffff:127.0.0.0/104"))


@lru_cache(maxsize=1024)
def is_loopback(host: str) -> bool:
    """Whether a name or address, without a port, is this machine for certain: `localhost`, 127.0.0.0/8 or ::1."""
    if host.lower() == "localhost":
        return True
    address = _address(host)
    return address is not None and address.is_loopback


@lru_cache(maxsize=1024)
def host_of(header: str) -> str:
    """The name in a Host header or in an entry of X-Forwarded-For, without its port: `[::1]:8000` -> `::1`.

    Empty for what is no name at all.
    """
    value = header.strip().strip('"')
    if value.startswith("["):
        name, closed, rest = value[1:].partition("]")
        return name.lower() if closed and (not rest or (rest[0] == ":" and rest[1:].isdecimal())) else ""
    if value.count(":") > 1:  # an IPv6 address without brackets, as forwarding headers write it
        return value.lower() if _address(value) else ""
    name, colon, port = value.partition(":")
    fine = name and len(name) <= MAX_NAME and not set(name) & set("/\\@?# \t,") and (not colon or port.isdecimal())
    return name.lower().rstrip(".") if fine else ""


def forwarded_hosts(name: bytes, value: str) -> list[str]:
    """Every address or name that a forwarding header holds; what cannot be read is there as an empty one."""
    if name != b"forwarded":
        return [host_of(entry) for entry in value.split(",")]
    found = []
    for entry in value.split(","):
        pairs = [(key.strip().lower(), said) for key, _, said in (pair.partition("=") for pair in entry.split(";"))]
        named = [host_of(said) if key in ("for", "by", "host") else "" for key, said in pairs if key != "proto"]
        found += named or [""]  # of an entry that says no more than the protocol nothing is known
    return found


def holds_loopback(proxy: str) -> bool:
    """Whether an address, a name or a network, as SENKA_TRUSTED_PROXIES has them, is or contains this machine."""
    if is_loopback(proxy):
        return True
    try:
        network = ip_network(proxy.strip(), strict=False)
    except ValueError:
        return False
    return any(network.version == ours.version and network.overlaps(ours) for ours in _LOOPBACK)


@lru_cache(maxsize=1024)
def network_of(address: str) -> str:
    """What throttling counts as one sender: an IPv4 address, or the /64 that one IPv6 subscriber has."""
    found = _address(address)
    if isinstance(found, IPv6Address):
        return f"{IPv6Address(int(found) >> 64 << 64)}/64"
    return str(found) if found else address[:64]


class Hosts:
    """The names that this service is called by. Without any, it takes every name."""

    @classmethod
    def of_this_machine(cls) -> "Hosts":
        """`localhost`, the machine's own name, with and without `.local`, and every address: no stranger's name can be one."""
        own = socket.gethostname().lower().rstrip(".").removesuffix(".local")
        return cls(("localhost", own, f"{own}.local"), addresses=True)

    def __init__(self, trusted: Iterable[str], *, addresses: bool = False) -> None:
        self._addresses = addresses
        self._exact = frozenset(name.lower().rstrip(".") for name in trusted if not name.startswith("*."))
        self._below = tuple(name[1:].lower() for name in trusted if name.startswith("*."))
        self.any = not self._exact and not self._below

    def trusts(self, host: str) -> bool:
        """Whether a name without its port is one of ours; `*.example.org` in the setting covers what lies below it."""
        if self.any or host in self._exact or (bool(self._below) and host.endswith(self._below)):
            return True
        return self._addresses and _address(host) is not None


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        found = ip_address(host)
    except ValueError:
        return None
    return (found.ipv4_mapped or found) if isinstance(found, IPv6Address) else found
