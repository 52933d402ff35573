"""Keys of cameras: who may post photographs without a person logging in. Kept in the table `keys`.

A key reads `senka_<8 hexadecimal digits>_<43 characters>`. The first part names it and may be shown; of the second, 256 random
bits, only the SHA-256 is kept. Every process holds all good keys in memory, so that a photograph costs a look-up and one
hash: a thread reads the table again each second, by which a revocation is seen everywhere. While the database is away the keys
known last stay good, and one that is not known may be new: it is neither let in nor refused for good.
"""

import hmac
import logging
import re
import secrets
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final

from sqlalchemy import Engine, Row, insert, or_, select, update
from sqlalchemy.exc import SQLAlchemyError

from service.errors import InvalidRequest, NotFound, RecordsUnavailable
from service.grading import new_id, rfc3339
from service.records.audit import note
from service.records.tables import keys
from service.records.transactions import reading, writing
from service.security.names import MAX_CHARACTERS, proper_name

log = logging.getLogger(__name__)

BEARER: Final = re.compile(r"senka_([0-9a-f]{8})_([A-Za-z0-9_-]{43})")
PREFIX: Final = re.compile(r"[0-9a-f]{8}")
SCOPE_GRADE: Final = "grade"
REFRESH_S: Final = 1.0
"""How old the keys in memory may be."""
REFRESH_ON_MISS_S: Final = 0.1
"""A key that is not known yet is looked for in the database, but strangers must not make that a habit of ours."""
AWAY_S: Final = 2.0
"""After the database failed, it is not asked for unknown keys again for so long."""
USED_EVERY_S: Final = 60.0
"""`last_used_at` is written this seldom for each key, by each process."""


class KeyNotChecked(RecordsUnavailable):
    """A key that is not known, while nobody can look whether it is a new one: a camera keeps its photograph and comes again."""

    def __init__(self) -> None:
        super(RecordsUnavailable, self).__init__(
            "This key is not known yet, and the records, which may know it, do not answer. Send the photograph again later."
        )


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """One key, without its secret."""

    id: str
    name: str
    prefix: str
    scope: str
    camera: str | None
    created_by: str
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "prefix": self.prefix,
            "scope": self.scope,
            "camera": self.camera,
            "created_by": self.created_by,
            "created_at": rfc3339(self.created_at),
            "last_used_at": self.last_used_at and rfc3339(self.last_used_at),
            "revoked_at": self.revoked_at and rfc3339(self.revoked_at),
        }


class Keys:
    """All keys of one installation. Thread-safe. `known` never waits; every other method asks the database, and raises
    RecordsUnavailable while that is away; `verify` does so for keys that it does not know."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._good: dict[str, tuple[str, KeyRecord]] = {}  # by prefix: the hash of the secret, the key; replaced as a whole
        self._refreshing = threading.Lock()
        self._refreshed_s = self._failed_s = float("-inf")
        self._used: dict[str, datetime] = {}  # by id, not written yet
        self._written_s: dict[str, float] = {}
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Read the keys, and keep them fresh on a thread until `stop`. Raises SQLAlchemyError when the database is away now."""
        with self._refreshing:
            self._read()
        self._thread = threading.Thread(target=self._keep_fresh, name="keys", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread, and write when keys were used last."""
        self._stopping.set()
        if self._thread:
            self._thread.join()
            self._write_used(everything=True)

    def known(self, bearer: str) -> KeyRecord | None:
        """The key behind `Authorization: Bearer ...`, from memory; None where it is wrong, revoked, or newer than our memory."""
        found = BEARER.fullmatch(bearer)
        if found is None or (kept := self._good.get(found[1])) is None:
            return None
        if not hmac.compare_digest(kept[0], _hash(found[2])):
            return None
        self._used[kept[1].id] = datetime.now(UTC)
        return kept[1]

    def verify(self, bearer: str) -> KeyRecord | None:
        """As `known`, but a key that is not known is looked for in the database, and without `start` each answer is fresh to a
        second. May wait for the database; while that is away, the keys known last stay good.

        Raises KeyNotChecked while it is away, for what may be a key that was made since it was read last.
        """
        if self._thread is None:
            self._refresh_if_older(REFRESH_S)
        found, shown = self.known(bearer), BEARER.fullmatch(bearer)
        if found is None and shown is not None:
            self._refresh_if_older(REFRESH_ON_MISS_S)
            found = self.known(bearer)
            if found is None and self._away and shown[1] not in self._good:
                raise KeyNotChecked
        return found

    def add(self, name: str, camera: str | None = None, *, by: str, address: str | None = None) -> tuple[KeyRecord, str]:
        """A new key and its bearer text, which cannot be had again. With `camera` it may post for that one only.

        Raises InvalidRequest for a name that cannot be.
        """
        name = proper_name(name, "key")
        if camera is not None and (not 0 < len(camera) <= MAX_CHARACTERS or "\0" in camera):
            raise InvalidRequest(f"A camera's name has 1 to {MAX_CHARACTERS} characters, none of them NUL.")
        secret = secrets.token_urlsafe(32)
        row: dict[str, Any] = {
            "id": new_id(),
            "name": name,
            "prefix": secrets.token_hex(4),
            "secret_hash": _hash(secret),
            "scope": SCOPE_GRADE,
            "camera": camera,
            "created_by": by,
            "created_at": datetime.now(UTC),
        }
        with writing(self._engine) as connection:
            while connection.execute(select(keys.c.id).where(keys.c.prefix == row["prefix"])).first():
                row["prefix"] = secrets.token_hex(4)  # one in four thousand million, for each key there is
            key = _key(connection.execute(insert(keys).values(row).returning(keys)).one())
            note(connection, by, "key.added", name, {"prefix": key.prefix, "camera": camera}, address)
        with self._refreshing:
            self._good = {**self._good, key.prefix: (row["secret_hash"], key)}
        return key, f"senka_{key.prefix}_{secret}"

    def revoke(self, prefix: str, *, by: str, address: str | None = None) -> KeyRecord:
        """Never good again, here at once and in other processes within two seconds. Idempotent. Raises NotFound."""
        with writing(self._engine) as connection:
            good = keys.c.prefix == _text(prefix), keys.c.revoked_at.is_(None)
            row = connection.execute(update(keys).where(*good).values(revoked_at=datetime.now(UTC)).returning(keys)).first()
            if row is not None:
                note(connection, by, "key.revoked", row.name, {"prefix": row.prefix, "camera": row.camera}, address)
        with self._refreshing:
            self._good = {known: key for known, key in self._good.items() if known != prefix}
        return self.get(prefix)

    def list(self) -> Sequence[KeyRecord]:
        """All that ever were, newest first."""
        with reading(self._engine) as connection:
            return [_key(row) for row in connection.execute(select(keys).order_by(keys.c.created_at.desc(), keys.c.id.desc()))]

    def get(self, prefix: str) -> KeyRecord:
        """Raises NotFound."""
        with reading(self._engine) as connection:
            row = connection.execute(select(keys).where(keys.c.prefix == _text(prefix))).first()
        if row is None:
            raise NotFound("key", prefix)
        return _key(row)

    def any_good(self) -> bool:
        """Whether any key is not revoked."""
        with reading(self._engine) as connection:
            return connection.execute(select(keys.c.id).where(keys.c.revoked_at.is_(None)).limit(1)).first() is not None

    @property
    def _away(self) -> bool:
        """Whether the database failed when it was asked last."""
        return self._failed_s > self._refreshed_s

    def _refresh_if_older(self, age_s: float) -> None:
        """Leaves things as they are while the database is away."""
        with self._refreshing:
            now_s = time.monotonic()
            if now_s - self._refreshed_s < age_s or now_s - self._failed_s < AWAY_S:
                return
            try:
                self._read()
            except SQLAlchemyError as error:  # or every connection is in use
                if not self._away:  # once for each outage
                    log.warning("keys: the database is away (%s); those known stay good", type(error).__name__)
                self._failed_s = time.monotonic()

    def _read(self) -> None:
        began_s = time.monotonic()
        with self._engine.connect() as connection:
            rows = connection.execute(select(keys).where(keys.c.revoked_at.is_(None))).all()
        self._good = {row.prefix: (row.secret_hash, _key(row)) for row in rows}
        self._refreshed_s = began_s

    def _keep_fresh(self) -> None:
        while not self._stopping.wait(REFRESH_S):
            self._refresh_if_older(REFRESH_S / 2)
            self._write_used()

    def _write_used(self, *, everything: bool = False) -> None:
        """`last_used_at` of keys for which it was not written lately; what cannot be written now is tried again."""
        now_s = time.monotonic()
        due = [id_ for id_ in tuple(self._used) if everything or now_s - self._written_s.get(id_, float("-inf")) >= USED_EVERY_S]
        if not due or now_s - self._failed_s < AWAY_S:
            return
        moments = {id_: self._used.pop(id_) for id_ in due}
        try:
            with self._engine.begin() as connection:
                for id_, moment in moments.items():
                    older = or_(keys.c.last_used_at.is_(None), keys.c.last_used_at < moment)
                    connection.execute(update(keys).where(keys.c.id == id_, older).values(last_used_at=moment))
        except SQLAlchemyError:
            for id_, moment in moments.items():
                self._used.setdefault(id_, moment)
            return
        self._written_s.update(dict.fromkeys(due, now_s))


def _text(prefix: str) -> str:
    return prefix if PREFIX.fullmatch(prefix) else ""  # there are letters that a database cannot even look for


def _hash(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()


def _key(row: Row[Any]) -> KeyRecord:
    return KeyRecord(
        id=row.id,
        name=row.name,
        prefix=row.prefix,
        scope=row.scope,
        camera=row.camera,
        created_by=row.created_by,
        created_at=row.created_at,
        last_used_at=row.last_used_at,
        revoked_at=row.revoked_at,
    )
