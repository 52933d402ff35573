"""A database with the schema in it, of each kind, and a hasher that costs a test nothing."""

from collections.abc import Iterator
from typing import Final

import pytest
from argon2 import PasswordHasher
from sqlalchemy import Engine

from service.records.database import migrate, open_database

QUICK: Final = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


@pytest.fixture
def engine(any_database: str) -> Iterator[Engine]:
    opened = open_database(any_database)
    migrate(opened)
    yield opened
    opened.dispose()
