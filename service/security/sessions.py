"""Sessions of people who logged in: a random token in a cookie, its hash in the table `sessions`.

The token changes every quarter of an hour. The one before stays good for a minute, for requests that were under way, and for
as long as the new one has not been used: an answer that never reached the browser must not log anybody out.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Final

from sqlalchemy import Engine, Row, delete, insert, or_, select, update
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from service.errors import RecordsUnavailable
from service.grading import new_id
from service.records.tables import sessions, users
from service.security.csrf import new_token
from service.security.principal import Role

ROTATE_AFTER: Final = timedelta(minutes=15)
PREVIOUS_GOOD_FOR: Final = timedelta(seconds=60)
BELIEVED_FOR_S: Final = 2.0
"""A session that was looked up is taken as it was for so long: by then every worker knows of a logout or a disabled user."""
KEPT_FOR_S: Final = 15 * 60.0
"""While the database is away, a session is good for so long after the database last confirmed it."""
MAX_CACHED: Final = 10_000


@dataclass(frozen=True, slots=True)
class Session:
    """One login. `new_token` is set where the browser has to be told a new one."""

    id: str
    user: str
    role: Role
    csrf_token: str
    expires_at: datetime
    new_token: str | None = None


class Sessions:
    """The sessions of one installation; every worker sees the same. Methods that ask the database belong in a thread."""

    def __init__(self, engine: Engine, hours: float) -> None:
        self._engine = engine
        self._lasts = timedelta(hours=hours)
        self._cache: OrderedDict[str, tuple[float, Session]] = OrderedDict()  # hash of a token -> when the database confirmed it
        self._dropped = 0  # how often sessions were dropped: what was looked up before is not kept after
        self._lock = threading.Lock()

    def open(self, user_id: str, now: datetime | None = None) -> Session:
        """A new session, always under a new token: one that stood in the browser before the login is worth nothing after it.

        Sessions that ran out are deleted on the way.
        """
        now = now or datetime.now(UTC)
        token = new_token()
        row: dict[str, Any] = {
            "id": new_id(),
            "token_hash": _hash(token),
            "csrf_token": new_token(),
            "user_id": user_id,
            "created_at": now,
            "rotated_at": now,
            "seen_at": now,
            "expires_at": now + self._lasts,
        }
        with self._engine.begin() as connection:
            connection.execute(delete(sessions).where(sessions.c.expires_at < now))
            connection.execute(insert(sessions), row)
            user = connection.execute(select(users.c.name, users.c.role).where(users.c.id == user_id)).one()
        return Session(row["id"], user.name, Role(user.role), row["csrf_token"], row["expires_at"], token)

    def known(self, token: str) -> Session | None:
        """The session of a token that was looked up a moment ago, without asking the database."""
        found = self._cache.get(_hash(token))
        return found[1] if found and time.monotonic() - found[0] < BELIEVED_FOR_S else None

    def find(self, token: str, now: datetime | None = None) -> Session | None:
        """The session behind a token; None for one that ran out, was ended, or never was.

        With the database away, a session that it confirmed to this process within KEPT_FOR_S stays good. Raises
        RecordsUnavailable for any other.
        """
        now = now or datetime.now(UTC)
        hashed = _hash(token)
        asked_s, dropped = time.monotonic(), self._dropped
        try:
            found = self._look_up(hashed, now)
        except (OperationalError, InterfaceError) as error:
            with self._lock:
                kept = self._cache.get(hashed)
            if kept is None or kept[1].expires_at <= now or asked_s - kept[0] >= KEPT_FOR_S:
                raise RecordsUnavailable("the database does not answer, so nobody can be recognised") from error
            return kept[1]
        with self._lock:
            if found is None:
                self._cache.pop(hashed, None)
            elif found.new_token is None and dropped == self._dropped:  # otherwise the next request comes with another token
                self._cache[hashed] = (asked_s, found)
                self._cache.move_to_end(hashed)
                if len(self._cache) > MAX_CACHED:
                    self._cache.popitem(last=False)
        return found

    def close(self, session_id: str) -> None:
        """End a session: here at once, in other workers within BELIEVED_FOR_S. Idempotent."""
        with self._engine.begin() as connection:
            connection.execute(delete(sessions).where(sessions.c.id == session_id))
        self._drop(lambda kept: kept.id == session_id)

    def forget(self, user: str) -> None:
        """Believe nothing more of a user by that name without asking the database: something about them was changed."""
        self._drop(lambda kept: kept.user == user)

    def lasts(self, session_id: str, now: datetime | None = None) -> bool:
        """Whether the database still has this session, under whatever token. Raises RecordsUnavailable while that is away."""
        asked = (
            select(sessions.c.id)
            .join(users, users.c.id == sessions.c.user_id)
            .where(sessions.c.id == session_id, sessions.c.expires_at > (now or datetime.now(UTC)), users.c.disabled_at.is_(None))
        )
        try:
            with self._engine.connect() as connection:
                return connection.execute(asked).first() is not None
        except (OperationalError, InterfaceError, PoolTimeout) as error:
            raise RecordsUnavailable("the database does not answer, so nobody can be recognised") from error

    def _drop(self, which: Callable[[Session], bool]) -> None:
        with self._lock:
            self._dropped += 1
            for hashed in [hashed for hashed, (_, kept) in self._cache.items() if which(kept)]:
                del self._cache[hashed]

    def _look_up(self, hashed: str, now: datetime) -> Session | None:
        asked = (
            select(sessions, users.c.name, users.c.role)
            .join(users, users.c.id == sessions.c.user_id)
            .where(or_(sessions.c.token_hash == hashed, sessions.c.previous_token_hash == hashed))
            .where(sessions.c.expires_at > now, users.c.disabled_at.is_(None))
        )
        with self._engine.connect() as connection:
            row = connection.execute(asked).first()
        if row is None:
            return None
        if row.token_hash == hashed:
            if row.seen_at <= row.rotated_at < now:
                self._mark_used(row, now)
            return self._rotated(row, now) if now - row.rotated_at >= ROTATE_AFTER else _session(row)
        if now - row.rotated_at < PREVIOUS_GOOD_FOR:
            return _session(row)
        # Whoever comes with the token before, later: either the new one never arrived, or it is used by somebody else.
        return self._rotated(row, now, keeping=hashed) if row.seen_at <= row.rotated_at else None

    def _mark_used(self, row: Row[Any], now: datetime) -> None:
        with self._engine.begin() as connection:
            connection.execute(update(sessions).where(sessions.c.token_hash == row.token_hash).values(seen_at=now))

    def _rotated(self, row: Row[Any], now: datetime, keeping: str | None = None) -> Session:
        """The session under a new token. Of requests that come at the same moment one gets it, the others go on with theirs."""
        token = new_token()
        values = {
            "token_hash": _hash(token),
            "previous_token_hash": keeping or row.token_hash,
            "rotated_at": now,
            "seen_at": now,
        }
        with self._engine.begin() as connection:
            won = connection.execute(update(sessions).where(sessions.c.token_hash == row.token_hash).values(values)).rowcount == 1
        return _session(row, token if won else None)


def _session(row: Row[Any], token: str | None = None) -> Session:
    return Session(row.id, row.name, Role(row.role), row.csrf_token, row.expires_at, token)


def _hash(token: str) -> str:
    """The token has 256 random bits, so a fast hash keeps it as safe as a slow one."""
    return sha256(token.encode()).hexdigest()
