"""Names and addresses: who sits at this machine, and by what names the service may be called."""

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

MAX_NAME: Final = 255


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
    pairs = [pair.partition("=") for entry in value.split(",") for pair in entry.split(";")]
    return [host_of(said) if key.strip().lower() in ("for", "by", "host") else "" for key, _, said in pairs if not _is_proto(key)]


def _is_proto(key: str) -> bool:
    return key.strip().lower() == "proto"


@lru_cache(maxsize=1024)
def network_of(address: str) -> str:
    """What throttling counts as one sender: an IPv4 address, or the /64 that one IPv6 subscriber has."""
    found = _address(address)
    if isinstance(found, IPv6Address):
        return f"{IPv6Address(int(found) >> 64 << 64)}/64"
    return str(found) if found else address[:64]


class Hosts:
    """The names that this service is called by. Without any, it takes every name."""

    def __init__(self, trusted: Iterable[str]) -> None:
        self._exact = frozenset(name.lower().rstrip(".") for name in trusted if not name.startswith("*."))
        self._below = tuple(name[1:].lower() for name in trusted if name.startswith("*."))
        self.any = not self._exact and not self._below

    def trusts(self, host: str) -> bool:
        """Whether a name without its port is one of ours; `*.example.org` in the setting covers what lies below it."""
        return self.any or host in self._exact or (bool(self._below) and host.endswith(self._below))


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        found = ip_address(host)
    except ValueError:
        return None
    return (found.ipv4_mapped or found) if isinstance(found, IPv6Address) else found
