"""Reading and writing what people keep on record: a database that is away is one error, whatever it says about it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from service.errors import RecordsUnavailable
from service.records.database import lift_deadline, reason

LONG_MS: Final = 120_000


class RecordsAway(RecordsUnavailable):
    """The same for the client as a grading that cannot be put on record, in other words."""

    def __init__(self, why: str) -> None:
        super(RecordsUnavailable, self).__init__(f"The records do not answer ({why}). Try again later.")


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A connection to read with. Raises RecordsUnavailable when the database is away."""
    with _away_is_one_error(), engine.connect() as connection:
        yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """One transaction, committed at the end unless an error leaves it. Raises RecordsUnavailable when the database is away.

    On SQLite it waits for its turn to write before anything is read: a transaction that reads first and finds that somebody
    has written meanwhile is refused there at once, however long it would wait.
    """
    with _away_is_one_error(), engine.begin() as connection:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("UPDATE profiles SET version = version WHERE 0")  # of no row: the lock is what counts
        yield connection


def take_time(connection: Connection) -> None:
    """What moves a season of gradings takes longer than the database lets others take, until this transaction ends."""
    if connection.dialect.name == "postgresql":
        lift_deadline(connection, LONG_MS / 1000 + 2)
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = {LONG_MS}")


@contextmanager
def _away_is_one_error() -> Iterator[None]:
    try:
        yield
    except (OperationalError, InterfaceError) as error:
        raise RecordsAway(reason(error)) from error
    except PoolTimeout as error:
        raise RecordsAway("every connection is in use") from error
