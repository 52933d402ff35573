"""Checks of the database and of what is in it."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, func, select, text
from sqlalchemy.exc import DBAPIError

from service.doctor.finding import Finding, failure, ok, warning
from service.records.backup import revision_of, snapshot
from service.records.database import MIGRATIONS, place, reason
from service.records.tables import gradings, keys, tallies, users
from service.security.hosts import is_loopback
from service.settings import Settings

THOROUGH_BELOW_BYTES: Final = 2 * 2**30
"""A larger SQLite file is only checked page by page, without comparing its indices: minutes are too long to wait."""
MAY_BE_AHEAD: Final = timedelta(minutes=5)


def reachable(settings: Settings, engine: Engine) -> Iterator[Finding]:
    """That it answers, and that its schema is the one this version writes."""
    where = place(engine)
    try:
        with engine.connect() as connection:
            found = revision_of(connection)
    except DBAPIError as error:
        yield failure("database", f"{where} does not answer: {reason(error)}.", "Start the database, or mend SENKA_DATABASE_URL.")
        return
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    script = ScriptDirectory.from_config(config)
    head = script.get_current_head()
    if found is None:
        yield failure("database", f"{where} has no records of Senka yet.", "Start the service once: senka serve.")
    elif found == head:
        yield ok("database", f"{where} answers, schema {found}.")
    elif found in {one.revision for one in script.walk_revisions()}:
        yield failure("database", f"{where} has schema {found}, and this version writes {head}.", "Start the service once.")
    else:
        yield failure("database", f"{where} has schema {found}, of a newer Senka.", "Install that version, or restore a backup.")


def integrity(settings: Settings, engine: Engine) -> Iterator[Finding]:
    """SQLite: what the file itself says. PostgreSQL: that its rows can be read."""
    with engine.connect() as connection:
        if engine.dialect.name != "sqlite":
            count = connection.execute(select(func.count()).select_from(gradings)).scalar_one()
            yield ok("integrity", f"{count:,} gradings can be read.")
            return
        size = Path(str(engine.url.database)).stat().st_size
        pragma = "integrity_check(3)" if size < THOROUGH_BELOW_BYTES else "quick_check(3)"
        found = [str(line) for line in connection.execute(text(f"PRAGMA {pragma}")).scalars()]
    if found == ["ok"]:
        yield ok("integrity", f"{pragma.partition('(')[0]} finds no damage in {size:,} bytes.")
    else:
        mend = "Stop the service, keep a copy of the file, and restore the last backup: senka restore FILE --force."
        yield failure("integrity", f"The database is damaged: {found[0].splitlines()[-1]}", mend)


def commits(settings: Settings, engine: Engine) -> Iterator[Finding]:
    """That a commit is on disk when it was acknowledged."""
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            journal = connection.execute(text("PRAGMA journal_mode")).scalar()
            level = connection.execute(text("PRAGMA synchronous")).scalar()
            safe = journal == "wal" and (level == 2 or settings.durability == "async")
            says = f"SQLite: journal_mode {journal}, synchronous {level}."
            mend = "Keep SENKA_HOME on a local disk that allows WAL."
        else:
            on = {name: connection.execute(text(f"SHOW {name}")).scalar() for name in ("synchronous_commit", "fsync")}
            safe = on["fsync"] == "on" and on["synchronous_commit"] != "off"
            says = f"PostgreSQL: synchronous_commit {on['synchronous_commit']}, fsync {on['fsync']}."
            mend = "Set synchronous_commit and fsync to on in postgresql.conf: a power cut loses gradings that were answered."
    yield ok("commits", says) if safe else warning("commits", says, mend)


def tallied(settings: Settings, engine: Engine) -> Iterator[Finding]:
    """That the figures by hour count what is on record."""
    with snapshot(engine) as connection:
        count = connection.execute(select(func.count()).select_from(gradings)).scalar_one()
        counted = connection.execute(select(func.coalesce(func.sum(tallies.c.count), 0))).scalar_one()
    if count == counted:
        yield ok("tallies", f"Figures count all {count:,} gradings.")
    else:
        says = f"There are {count:,} gradings, and the figures by hour count {int(counted):,}."
        yield failure(
            "tallies", says, "Figures are wrong, gradings are not: make a backup and restore the last one that was whole."
        )


def clock(settings: Settings, engine: Engine) -> Iterator[Finding]:
    """A newest record in the future: this clock, or the one it was recorded by, is wrong."""
    with engine.connect() as connection:
        newest = connection.execute(select(func.max(gradings.c.received_at))).scalar()
    now = datetime.now(UTC)
    if newest is not None and newest > now + MAY_BE_AHEAD:
        says = f"The newest grading is of {newest:%Y-%m-%d %H:%M} UTC, and this clock says {now:%Y-%m-%d %H:%M}."
        yield failure("clock", says, "Set the clock, and let it be set by itself: timedatectl set-ntp true.")
    elif now.year < 2026:
        yield failure("clock", f"This clock says {now:%Y-%m-%d}.", "Set the clock: timedatectl set-ntp true.")
    else:
        yield ok("clock", f"{now:%Y-%m-%d %H:%M} UTC, after the newest grading.")


def door(settings: Settings, engine: Engine) -> Iterator[Finding]:
    """Who gets in: people and keys against the address that is listened on."""
    with engine.connect() as connection:
        people = connection.execute(select(func.count()).select_from(users).where(users.c.disabled_at.is_(None))).scalar_one()
        good = connection.execute(select(func.count()).select_from(keys).where(keys.c.revoked_at.is_(None))).scalar_one()
    says = f"listening on {settings.host}, SENKA_AUTH={settings.auth}, {people} users, {good} keys"
    outside = not is_loopback(settings.host)
    if outside and settings.auth == "off":
        yield failure("door", f"Open to everybody: {says}.", "Unset SENKA_AUTH, then: senka users add NAME --role admin.")
    elif outside and settings.auth == "auto" and not (people or good):
        yield failure("door", f"Nobody could enter: {says}.", "senka users add NAME --role admin; senka keys add NAME.")
    elif outside and settings.tls_certificate is None and not settings.trusted_proxies:
        mend = "Set SENKA_TLS_CERTIFICATE and SENKA_TLS_KEY, or put a proxy with https in front (SENKA_TRUSTED_PROXIES)."
        yield warning("door", f"Passwords and keys cross the network in plain http: {says}.", mend)
    else:
        yield ok("door", f"{says[0].upper()}{says[1:]}.")


CHECKS: Final[dict[str, Callable[[Settings, Engine], Iterator[Finding]]]] = {
    "integrity": integrity,
    "commits": commits,
    "tallies": tallied,
    "clock": clock,
    "door": door,
}
