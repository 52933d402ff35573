"""The engine, and the schema brought up to date."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import URL, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DatabaseError

from models.durable import locked
from models.errors import SenkaError

BUSY_TIMEOUT_S: Final = 5.0
MIGRATIONS: Final = Path(__file__).parent / "migrations"


class DatabaseUnavailable(SenkaError):
    code = "database_unavailable"


def open_database(url: str) -> Engine:
    """An engine for an SQLAlchemy URL; a SQLite file gets its folder, WAL and full synchronisation.

    Raises DatabaseUnavailable when the URL names no database that can be opened here.
    """
    try:
        return _open(make_url(url))
    except (ArgumentError, ImportError, OSError) as error:
        raise DatabaseUnavailable(f"SENKA_DATABASE_URL or SENKA_HOME cannot be used: {error}") from error


def _open(parsed: URL) -> Engine:
    if parsed.get_backend_name() != "sqlite":
        kind = parsed.get_backend_name()
        raise DatabaseUnavailable(f"SENKA_DATABASE_URL or SENKA_HOME cannot be used: records live in SQLite, not {kind}.")
    if parsed.database and parsed.database != ":memory:":
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    # Several workers commit to one file, and SQLite lets one of them write at a time
    engine = create_engine(parsed, connect_args={"timeout": BUSY_TIMEOUT_S, "check_same_thread": False})
    event.listen(engine, "connect", _configure_sqlite)
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    return engine


def migrate(engine: Engine, revision: str = "head") -> None:
    """Bring the schema to a revision; one that is there already costs a query. Raises DatabaseUnavailable."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    try:
        with _alone(engine), engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, revision)
    except DatabaseError as error:
        where = engine.url.render_as_string(hide_password=True)
        raise DatabaseUnavailable(f"The records at {where} cannot be opened: {error.orig}.") from error
    except CommandError as error:
        raise DatabaseUnavailable(f"The records were written by another version of Senka: {error}.") from error


@contextmanager
def _alone(engine: Engine) -> Iterator[None]:
    """Two processes that start together must not migrate one file at the same time."""
    name = engine.url.database
    if not name or name == ":memory:" or engine.url.get_backend_name() != "sqlite":
        yield
        return
    with locked(Path(f"{name}.migrating")):
        yield


def _configure_sqlite(connection: Any, _: Any) -> None:
    connection.isolation_level = None  # the driver's own idea of transactions leaves tables and indices out
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")  # readers do not wait for the writer
    cursor.execute("PRAGMA synchronous=FULL")  # a commit that was acknowledged survives a power cut
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()
