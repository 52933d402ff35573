"""Wrong passwords slow the next try down, for the name and for the address, in all workers together.

An attempt is put down as a failure before the password is looked at and taken back when it was right: a hundred at once would
otherwise all find a clean slate.
"""

import math
import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Final

from sqlalchemy import Connection, Engine, delete, func, insert, select, text

from service.errors import LoginThrottled
from service.records.tables import login_failures
from service.security.hosts import network_of

FREE_BY_NAME: Final = 5
FREE_BY_ADDRESS: Final = 20
"""Several people share a tablet, and a whole office an address."""
REMEMBERED_FOR: Final = timedelta(hours=24)
LONGEST_WAIT_S: Final = 15 * 60
PIN_FAILURES: Final = 50
"""So many failures of one name, remembered at once, and no PIN is taken for it: four digits are soon guessed."""
_LOCK: Final = 7_365_611
"""Of PostgreSQL's advisory locks, the one under which failures are counted."""


class PinRefused(LoginThrottled):
    """The same for the client as having to wait, in words that say what works meanwhile."""

    def __init__(self, wait_s: int) -> None:
        super(LoginThrottled, self).__init__(
            f"Too many wrong tries for this name, so no PIN is taken for {wait_s} s. Its password works; an admin may set a new "
            "PIN.",
            wait_s=wait_s,
        )


@dataclass(frozen=True, slots=True)
class Attempt:
    seq: int
    name: str
    address: str


class Throttle:
    """Failures in the table `login_failures`. Every method asks the database: call it in a thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def begin(self, name: str, address: str, now: datetime | None = None, *, pin: bool = False) -> Attempt:
        """Put an attempt down, with a PIN or not. Raises LoginThrottled while this name or address has to wait, PinRefused while
        no PIN is taken for it; that costs it nothing more."""
        now = now or datetime.now(UTC)
        name, address = fingerprint(name), network_of(address)
        with self._engine.begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _LOCK})
            # A write first: SQLite then has this transaction alone, and what is counted below stays so until the commit
            connection.execute(delete(login_failures).where(login_failures.c.at < now - REMEMBERED_FOR))
            if pin and (wait_s := _pin_wait_s(connection, name, now)):
                raise PinRefused(wait_s)
            waits = (
                _wait_s(connection, "name", name, FREE_BY_NAME, now),
                _wait_s(connection, "address", address, FREE_BY_ADDRESS, now),
            )
            if max(waits) > 0:
                raise LoginThrottled(max(waits))
            added = insert(login_failures).values(name=name, address=address, at=now).returning(login_failures.c.seq)
            return Attempt(connection.execute(added).scalar_one(), name, address)

    def succeeded(self, attempt: Attempt) -> None:
        """Forget what this name got wrong from this address. What came from elsewhere still counts: it was somebody else."""
        table = login_failures.c
        with self._engine.begin() as connection:
            connection.execute(
                delete(login_failures).where(
                    (table.seq == attempt.seq) | ((table.name == attempt.name) & (table.address == attempt.address))
                )
            )


def _wait_s(connection: Connection, column: str, value: str, free: int, now: datetime) -> int:
    """Whole seconds to wait: none for the first `free` failures, then 1, 2, 4 and so on after the last one."""
    table = login_failures.c
    asked = select(func.count(), func.max(table.at)).where(table[column] == value, table.at <= now)
    count, last = connection.execute(asked).one()
    if count < free:
        return 0
    wait_s = min(2 ** min(count - free, 20), LONGEST_WAIT_S)
    passed_s = (now - last).total_seconds()
    return 0 if passed_s >= wait_s else max(1, math.ceil(wait_s - passed_s))


def _pin_wait_s(connection: Connection, name: str, now: datetime) -> int:
    """Whole seconds until fewer than PIN_FAILURES of the name are remembered."""
    table = login_failures.c
    latest = select(table.at).where(table.name == name, table.at <= now).order_by(table.at.desc())
    oldest = connection.execute(latest.offset(PIN_FAILURES - 1).limit(1)).scalar()
    return 0 if oldest is None else max(1, math.ceil((oldest + REMEMBERED_FOR - now).total_seconds()))


def fingerprint(name: str) -> str:
    """What is kept of a name: not the name, for sooner or later somebody types the password where the name belongs."""
    return sha256(unicodedata.normalize("NFKC", name[:1000]).strip().casefold().encode()).hexdigest()
