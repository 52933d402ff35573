"""The engine, and the schema brought up to date."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import orjson
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, StatementError

from models.durable import locked
from models.errors import SenkaError

BUSY_TIMEOUT_S: Final = 5.0
MIGRATIONS: Final = Path(__file__).parent / "migrations"

RECORDING_LOCK: Final = 0x5E9CA
"""Advisory lock of PostgreSQL, held by whoever puts gradings on record until they are committed."""
_MIGRATION_LOCK: Final = 0x5E9CB

_POSTGRESQL: Final[dict[str, str | int]] = {
    # A line waits for its gradings, so a server that does not answer must be found out within seconds.
    "connect_timeout": 3,
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 5000,  # milliseconds: its host is gone, and nothing it was sent is acknowledged
    "application_name": "senka",
}
_SERVER_SETTINGS: Final = "-c statement_timeout=10000 -c lock_timeout=5000 -c idle_in_transaction_session_timeout=30000"


class DatabaseUnavailable(SenkaError):
    code = "database_unavailable"


def open_database(url: str, *, durable: bool = True) -> Engine:
    """An engine for an SQLAlchemy URL of SQLite or PostgreSQL; nothing is connected yet.

    A SQLite file gets its folder and WAL. A commit survives a power cut unless `durable` is False: then it survives the process,
    and a power cut may undo the last moments. Raises DatabaseUnavailable when the URL names no database that can be opened here.
    """
    try:
        parsed = make_url(url)
    except ValueError:  # its words quote what stands where a port should: in an URL that lacks its host, the password
        raise DatabaseUnavailable(
            "SENKA_DATABASE_URL or SENKA_HOME cannot be used: the URL's port is no number, or its host is missing."
        ) from None
    except ArgumentError as error:
        raise DatabaseUnavailable(f"SENKA_DATABASE_URL or SENKA_HOME cannot be used: {error}") from None
    try:
        return _open(parsed, durable)
    except (ArgumentError, ImportError, OSError) as error:
        raise DatabaseUnavailable(f"SENKA_DATABASE_URL or SENKA_HOME cannot be used: {error}") from error


def _open(parsed: URL, durable: bool) -> Engine:
    kind = parsed.get_backend_name()
    if kind == "postgresql":
        return _open_postgresql(parsed, durable)
    if kind != "sqlite":
        raise DatabaseUnavailable(
            f"SENKA_DATABASE_URL or SENKA_HOME cannot be used: records live in SQLite or PostgreSQL, not {kind}."
        )
    pool: dict[str, Any] = {}
    if parsed.database and parsed.database != ":memory:":
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        if parsed.query.get("mode") != "memory":
            pool = {"pool_timeout": 3, "max_overflow": 40}
    # Several workers commit to one file, and SQLite lets one of them write at a time
    arguments = {"timeout": BUSY_TIMEOUT_S, "check_same_thread": False}
    engine = create_engine(parsed, connect_args=arguments, json_serializer=_dumps, json_deserializer=orjson.loads, **pool)
    event.listen(engine, "connect", _configure_sqlite if durable else _configure_sqlite_async)
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    return engine


def _open_postgresql(parsed: URL, durable: bool) -> Engine:
    arguments: dict[str, str | int] = {name: value for name, value in _POSTGRESQL.items() if name not in parsed.query}
    if "options" not in parsed.query:
        arguments["options"] = _SERVER_SETTINGS + ("" if durable else " -c synchronous_commit=off")
    try:
        engine = create_engine(
            parsed.set(drivername="postgresql+psycopg"),
            connect_args=arguments,
            pool_pre_ping=True,  # a connection that the server has closed is replaced without anybody noticing
            pool_timeout=3,
            max_overflow=20,
            hide_parameters=True,  # errors are logged, and a password's hash may be among the parameters
            json_serializer=_dumps,
            json_deserializer=orjson.loads,
        )
        from service.records import deadline  # here: it needs the driver
    except ImportError as error:
        raise DatabaseUnavailable(
            f"Records in PostgreSQL need a package that is not installed ({error}); in the checkout: pip install -e '.[postgres]'"
        ) from error
    if "statement_timeout" not in str(parsed.query.get("options", "")):  # who gives the server more time waits for it
        event.listen(engine, "do_connect", deadline.connect)
        event.listen(engine, "checkin", deadline.forget)
    return engine


def migrate(engine: Engine, revision: str = "head") -> None:
    """Bring the schema to a revision; one that is there already costs a query. Raises DatabaseUnavailable."""
    if revision == "head" and _is_newest(engine):
        return
    from alembic import command  # here: every worker that starts again would load it for nothing
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    try:
        with _alone(engine), engine.begin() as connection:
            if engine.dialect.name == "postgresql":
                _take_time(connection)
                # until the end of the transaction, so that a process that dies in the middle lets go of it
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
            config.attributes["connection"] = connection
            command.upgrade(config, revision)
    except DBAPIError as error:
        raise DatabaseUnavailable(f"The records at {place(engine)} cannot be opened: {reason(error)}.") from error
    except CommandError as error:
        raise DatabaseUnavailable(f"The records were written by another version of Senka: {error}.") from error


def _is_newest(engine: Engine) -> bool:
    """Whether the schema is that of the newest migration, whose number its file's name begins with."""
    newest = max(file.name.partition("_")[0] for file in (MIGRATIONS / "versions").glob("[0-9]*_*.py"))
    try:
        with engine.connect() as connection:
            return connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all() == [newest]
    except DBAPIError:  # an empty database, or one that is away: the migration finds out which
        return False


def place(engine: Engine) -> str:
    """Where a database is, for people; never its password, however the URL carries it."""
    url = engine.url
    if url.get_backend_name() == "sqlite":
        return f"sqlite:///{url.database}"
    return url.set(query={}, drivername=url.get_backend_name()).render_as_string(hide_password=True)


def reason(error: StatementError) -> str:
    """What a database's driver says is wrong, in one line."""
    lines = [line.strip() for line in str(error.orig).splitlines() if line.strip()]
    return lines[0].rstrip(".") if lines else type(error.orig).__name__


def lift_deadline(connection: Connection, limit_s: float | None = None) -> None:
    """A server of PostgreSQL is waited for so long, None: for ever; until the connection is given back."""
    connection.connection.driver_connection.limit_s = limit_s  # type: ignore[union-attr]


def _take_time(connection: Connection) -> None:
    """A migration of a season's records takes longer than any request may."""
    lift_deadline(connection)
    for name in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"):
        connection.execute(text(f"SET LOCAL {name} = 0"))


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


def _configure_sqlite_async(connection: Any, _: Any) -> None:
    _configure_sqlite(connection, _)
    connection.execute("PRAGMA synchronous=NORMAL").close()  # the disk is waited for at checkpoints alone


def _dumps(value: Any) -> str:
    return orjson.dumps(value).decode()
