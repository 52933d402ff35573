"""What the commands share that look after an installation: its settings and its database."""

import getpass
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine

from service.settings import Settings


@contextmanager
def records(settings: Settings) -> Iterator[Engine]:
    """The database of this installation, its schema up to date. Raises DatabaseUnavailable."""
    from service.records.database import migrate, open_database

    engine = open_database(settings.records_url)
    try:
        migrate(engine)
        yield engine
    finally:
        engine.dispose()


def whoever() -> str:
    """The name that the audit trail gets for a command: `cli:` and the account of the operating system."""
    try:
        return f"cli:{getpass.getuser()}"[:100]
    except (OSError, KeyError):  # a container's account without a name
        return "cli"
