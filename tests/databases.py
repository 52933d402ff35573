"""Fresh databases of both kinds. A conftest imports the fixtures: `from tests.databases import any_database, postgresql`."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

DATABASES = ["sqlite", "postgresql"]
SERVER = os.environ.get("TEST_POSTGRES", "postgresql://postgres@127.0.0.1:5432")


@contextmanager
def fresh_postgresql() -> Iterator[str]:
    """URL of a database of our own, dropped afterwards; skips, with the reason, where there is no server.

    With "postgres" in SENKA_REQUIRE (comma-separated) its absence fails the test.
    """
    name = sql.Identifier(f"senka_test_{uuid.uuid4().hex[:12]}")
    try:
        server = psycopg.connect(f"{SERVER}/postgres", autocommit=True, connect_timeout=5)
    except psycopg.OperationalError as error:
        reason = f"no PostgreSQL at {SERVER.rpartition('@')[2]}: {error}"
        if "postgres" in os.environ.get("SENKA_REQUIRE", "").split(","):
            pytest.fail(reason)
        pytest.skip(reason)
    with server:
        server.execute(sql.SQL("CREATE DATABASE {}").format(name))
    try:
        yield f"{SERVER}/{name.as_string().strip(chr(34))}"
    finally:
        with psycopg.connect(f"{SERVER}/postgres", autocommit=True) as server:
            server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))


@contextmanager
def database_url(kind: str, folder: Path) -> Iterator[str]:
    """URL of a fresh database of a kind of DATABASES."""
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'senka.db'}"
        return
    with fresh_postgresql() as url:
        yield url


@pytest.fixture(params=DATABASES)
def any_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """URL of a fresh database, once for each kind."""
    with database_url(request.param, tmp_path) as url:
        yield url


@pytest.fixture
def postgresql() -> Iterator[str]:
    """URL of a fresh PostgreSQL database."""
    with fresh_postgresql() as url:
        yield url
