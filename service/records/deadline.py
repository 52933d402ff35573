"""Connections to PostgreSQL that do not wait for ever.

A server whose machine still acknowledges what it is sent, but that says nothing any more, is noticed by no setting of libpq.
"""

from typing import Any

import psycopg
from psycopg.abc import RV, PQGen
from psycopg.errors import _WaitTimeout


class Bounded(psycopg.Connection[Any]):
    """Hangs up when an answer takes longer than `limit_s`: that is longer than the server lets a statement take. None: never."""

    limit_s: float | None = 12.0

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        if timeout is not None:
            return super().wait(gen, interval, timeout)
        try:
            return super().wait(gen, interval, self.limit_s)
        except _WaitTimeout as error:
            self.pgconn.finish()  # whoever gave up in the middle of an answer cannot use the connection any more
            raise psycopg.OperationalError("the server does not answer") from error


def connect(_dialect: Any, _record: Any, arguments: Any, options: Any) -> Bounded:
    """What SQLAlchemy's `do_connect` asks for."""
    return Bounded.connect(*arguments, **options)


def forget(connection: Any, _record: Any) -> None:
    """On the way back to the pool: what one transaction was allowed is not for the next."""
    if connection is not None:
        connection.limit_s = Bounded.limit_s
