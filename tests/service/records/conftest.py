"""A fresh database with our schema."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from service.records.database import migrate, open_database
from service.records.photographs import PhotographStore
from service.records.repository import Records


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Records]:
    engine = open_database(f"sqlite:///{tmp_path / 'senka.db'}")
    migrate(engine)
    try:
        yield Records(engine, PhotographStore(tmp_path / "photographs"))
    finally:
        engine.dispose()
