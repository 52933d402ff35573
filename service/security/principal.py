"""Who is asking: put into the request's state by the guard, read by the routes."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

from starlette.requests import HTTPConnection


class Role(StrEnum):
    """What somebody may do: a viewer looks, an operator also corrects and enters, an admin does everything. `camera` is no rank:
    such a credential posts photographs and nothing else."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"
    CAMERA = "camera"


_RANK: Final = {Role.CAMERA: 0, Role.VIEWER: 1, Role.OPERATOR: 2, Role.ADMIN: 3}


@dataclass(frozen=True, slots=True)
class Principal:
    """Whoever sent a request.

    `kind` says how that is known: `local` sits at this machine, `user` logged in, `key` showed a camera key, and of `nobody`
    nothing is known. `camera` is the only one that a key may speak for, where it was made for one. `address` is the peer's,
    or what a trusted proxy says it is.
    """

    kind: Literal["local", "user", "key", "nobody"]
    name: str
    role: Role | None
    key_id: str | None = None
    camera: str | None = None
    address: str = ""

    def at_least(self, role: Role) -> bool:
        """Whether this one is a viewer, operator or admin of that rank or above."""
        return self.role is not None and _RANK[self.role] >= _RANK[role]


def principal(request: HTTPConnection) -> Principal:
    """Who sent this request. Raises AttributeError where no guard stands before the route."""
    found: Principal = request.state.principal
    return found


def actor(request: HTTPConnection) -> str:
    """The name that corrections and the audit are signed with: `local` for whoever sits at this machine."""
    return principal(request).name
