"""A database with the schema in it, and gradings put straight into it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy import Engine, insert

from service.grading import Grading
from service.records.database import migrate, open_database
from service.records.rows import to_row
from service.records.tables import gradings
from service.records.tallies import tally


@contextmanager
def opened_database(url: str) -> Iterator[Engine]:
    """A migrated database at a URL; its connections are closed afterwards."""
    engine = open_database(url)
    try:
        migrate(engine)
        yield engine
    finally:
        engine.dispose()


def put_gradings(engine: Engine, made: Sequence[Grading]) -> None:
    """On record and counted, in one transaction."""
    with engine.begin() as connection:
        connection.execute(insert(gradings), [to_row(one) for one in made])
        tally(connection, made)
