"""People who log in: kept in the table `users`, every change in the audit trail, no secret ever given out.

A changed password, PIN or role, and a disabled user, end that user's sessions in the same transaction.
"""

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Final, Literal

from argon2 import PasswordHasher
from sqlalchemy import Connection, Engine, Row, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from service.errors import AlreadyExists, InvalidRequest, LastAdmin, NotFound
from service.grading import new_id, rfc3339
from service.records.audit import note
from service.records.tables import login_failures, sessions, users
from service.records.transactions import reading, writing
from service.security.names import proper_name
from service.security.passwords import HASHER, hashed, matches, proper_password, proper_pin
from service.security.principal import Role
from service.security.throttle import fingerprint

USER_ROLES: Final = (Role.VIEWER, Role.OPERATOR, Role.ADMIN)
PIN_ROLES: Final = (Role.VIEWER, Role.OPERATOR)
"""A PIN has few digits: whoever can let others in needs a password."""
LONGEST: Final = 1024
"""Characters of a stranger's text that are looked at."""


class Keep(Enum):
    """Says that something is not to be changed, where None means that it is to go."""

    AS_IT_IS = "as it is"


@dataclass(frozen=True, slots=True)
class User:
    """One person, without secrets."""

    id: str
    name: str
    role: Role
    has_password: bool
    has_pin: bool
    created_at: datetime
    disabled_at: datetime | None

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "role": self.role.value,
            "has_password": self.has_password,
            "has_pin": self.has_pin,
            "created_at": rfc3339(self.created_at),
            "disabled_at": self.disabled_at and rfc3339(self.disabled_at),
        }


class Users:
    """The people of one installation. Every method asks the database; hashing makes some of them slow: call them in a thread.

    All raise RecordsUnavailable while the database is away.

    `by` and `address` say who changes something and from where, for the audit trail. `changed` is told the name of whoever
    was changed, once that is on record.
    """

    def __init__(
        self, engine: Engine, hasher: PasswordHasher = HASHER, changed: Callable[[str], None] = lambda name: None
    ) -> None:
        self._engine = engine
        self._changed = changed
        self._hasher = hasher

    def add(
        self, name: str, role: Role, *, password: str | None = None, pin: str | None = None, by: str, address: str | None = None
    ) -> User:
        """A new user with a password, a PIN or both. Raises AlreadyExists, InvalidRequest."""
        name = proper_name(name, "user")
        role = _user_role(role)
        row = {
            "id": new_id(),
            "name": name,
            "role": role.value,
            "password_hash": None if password is None else hashed(proper_password(password), self._hasher),
            "pin_hash": None if pin is None else hashed(proper_pin(pin), self._hasher),
            "created_at": datetime.now(UTC),
        }
        try:
            with writing(self._engine) as connection:
                added = _user(connection.execute(insert(users).values(row).returning(users)).one())
                _require_a_way_in(added)
                detail = {"role": role.value, "password": password is not None, "pin": pin is not None}
                note(connection, by, "user.added", name, detail, address)
        except IntegrityError as error:
            raise AlreadyExists("user", name) from error
        return added

    def change(
        self,
        name: str,
        *,
        role: Role | None = None,
        password: str | None = None,
        pin: str | Literal[Keep.AS_IT_IS] | None = Keep.AS_IT_IS,
        disabled: bool | None = None,
        by: str,
        address: str | None = None,
        keep_an_admin: bool = True,
    ) -> User:
        """Change what is given, all of it or nothing; a `pin` of None takes the PIN away, as does becoming an admin.

        What a disabled user did stays on record. With a new password or PIN, wrong ones of before count no more.

        Raises NotFound; InvalidRequest where the user could not log in afterwards, or an admin would have a PIN; with
        `keep_an_admin` LastAdmin.
        """
        values: dict[str, Any] = {}
        actions: dict[str, dict[str, Any]] = {}
        if password is not None:
            values["password_hash"] = hashed(proper_password(password), self._hasher)
            actions["user.password_set"] = {}
        if pin is not Keep.AS_IT_IS:
            values["pin_hash"] = None if pin is None else hashed(proper_pin(pin), self._hasher)
            actions["user.pin_removed" if pin is None else "user.pin_set"] = {}
        with writing(self._engine) as connection:
            before = _locked(connection, name)
            if role is not None and _user_role(role) is not before.role:
                values["role"] = role.value
                actions["user.role_changed"] = {"from": before.role.value, "to": role.value}
                if role is Role.ADMIN:
                    values.setdefault("pin_hash", None)
            if disabled is not None and disabled != (before.disabled_at is not None):
                values["disabled_at"] = datetime.now(UTC) if disabled else None
                actions["user.disabled" if disabled else "user.enabled"] = {}
            if not values:
                return before
            after = _user(connection.execute(update(users).where(users.c.id == before.id).values(values).returning(users)).one())
            _require_a_way_in(after)
            if keep_an_admin and _lets_in(before) and not _lets_in(after):
                _require_an_admin(connection, after.name)
            connection.execute(delete(sessions).where(sessions.c.user_id == after.id))
            if password is not None or pin is not Keep.AS_IT_IS:
                connection.execute(delete(login_failures).where(login_failures.c.name == fingerprint(after.name)))
            for action, detail in actions.items():
                note(connection, by, action, after.name, detail, address)
        self._changed(after.name)
        return after

    def set_password(self, name: str, password: str, *, by: str) -> User:
        """`change` of the password alone."""
        return self.change(name, password=password, by=by)

    def set_pin(self, name: str, pin: str | None, *, by: str) -> User:
        """`change` of the PIN alone."""
        return self.change(name, pin=pin, by=by)

    def disable(self, name: str, *, by: str, keep_an_admin: bool = True) -> User:
        """Let a user in no more. Raises NotFound; with `keep_an_admin` LastAdmin."""
        return self.change(name, disabled=True, by=by, keep_an_admin=keep_an_admin)

    def enable(self, name: str, *, by: str) -> User:
        """Let a disabled user in again. Raises NotFound."""
        return self.change(name, disabled=False, by=by)

    def list(self) -> Sequence[User]:
        """Everybody, by name."""
        with reading(self._engine) as connection:
            return [_user(row) for row in connection.execute(select(users).order_by(users.c.name))]

    def get(self, name: str) -> User:
        """Raises NotFound."""
        with reading(self._engine) as connection:
            row = connection.execute(select(users).where(users.c.name == _spelled(name))).first()
        if row is None:
            raise NotFound("user", name)
        return _user(row)

    def by_id(self, user_id: str) -> User | None:
        with reading(self._engine) as connection:
            row = connection.execute(select(users).where(users.c.id == user_id)).first()
        return _user(row) if row else None

    def any_enabled(self) -> bool:
        """Whether anybody could log in at all."""
        with reading(self._engine) as connection:
            return connection.execute(select(users.c.id).where(users.c.disabled_at.is_(None)).limit(1)).first() is not None

    def verify(self, name: str, *, password: str | None = None, pin: str | None = None) -> User | None:
        """The user whose password or PIN this is; None for a wrong one, a disabled user and an unknown name, in the same time.

        A hash made with other parameters than today's is made again.
        """
        with reading(self._engine) as connection:
            row = connection.execute(select(users).where(users.c.name == _spelled(name))).first()
        if password is not None:
            column, secret = users.c.password_hash, unicodedata.normalize("NFC", password[:LONGEST])
        else:
            column, secret = users.c.pin_hash, unicodedata.normalize("NFKC", (pin or "")[:LONGEST])
        kept: str | None = row._mapping[column] if row is not None and row.disabled_at is None else None
        if not matches(kept, secret, self._hasher) or row is None or kept is None:
            return None
        if self._hasher.check_needs_rehash(kept):
            with writing(self._engine) as connection:
                unchanged = users.c.id == row.id, column == kept
                connection.execute(update(users).where(*unchanged).values({column: hashed(secret, self._hasher)}))
        return _user(row)


def _spelled(name: str) -> str:
    """The name as it would be kept; what no database can look for becomes a question mark."""
    name = name.encode("utf-8", "replace").decode().replace("\x00", "?")
    return unicodedata.normalize("NFKC", name[:LONGEST]).strip()


def _user_role(role: Role) -> Role:
    if role not in USER_ROLES:
        raise InvalidRequest("A user is a viewer, an operator or an admin.", valid=[str(known) for known in USER_ROLES])
    return role


def _locked(connection: Connection, name: str) -> User:
    """The user, while nobody else can change people: two admins who disable each other at once must wait for each other.

    SQLite has one writer at a time anyway, and knows no `FOR UPDATE`.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(select(users.c.id).where(users.c.role == Role.ADMIN.value).order_by(users.c.id).with_for_update())
    row = connection.execute(select(users).where(users.c.name == _spelled(name)).with_for_update()).first()
    if row is None:
        raise NotFound("user", name)
    return _user(row)


def _require_a_way_in(user: User) -> None:
    if user.role not in PIN_ROLES and user.has_pin:
        raise InvalidRequest("An admin logs in with a password, not with a PIN.")
    if user.role not in PIN_ROLES and not user.has_password:
        raise InvalidRequest("An admin needs a password: set it first.")
    if not (user.has_password or user.has_pin):
        raise InvalidRequest("A user needs a password or a PIN to log in with.")


def _lets_in(user: User) -> bool:
    return user.role is Role.ADMIN and user.disabled_at is None


def _require_an_admin(connection: Connection, name: str) -> None:
    """Raises LastAdmin, which undoes the transaction, when nobody is left who may let others in."""
    admin = users.c.role == Role.ADMIN.value, users.c.disabled_at.is_(None)
    if connection.execute(select(users.c.id).where(*admin).limit(1)).first() is None:
        raise LastAdmin(name)


def _user(row: Row[Any]) -> User:
    return User(
        id=row.id,
        name=row.name,
        role=Role(row.role),
        has_password=row.password_hash is not None,
        has_pin=row.pin_hash is not None,
        created_at=row.created_at,
        disabled_at=row.disabled_at,
    )
