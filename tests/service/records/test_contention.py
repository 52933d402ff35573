"""Several processes and one SQLite file: migrating at once, and a file that somebody else has locked."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from service.errors import RecordsUnavailable
from service.records import database
from service.records.database import migrate, open_database
from service.records.entry import Entry
from service.records.photographs import PhotographStore
from service.records.repository import Filters, Records
from tests.service.gradings import grading

MIGRATE = "import sys; from service.records.database import *; migrate(open_database(sys.argv[1]))"


def test_processes_that_start_together_migrate_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'senka.db'}"
    started = [subprocess.Popen([sys.executable, "-c", MIGRATE, url], stderr=subprocess.PIPE, text=True) for _ in range(4)]
    for process in started:
        assert process.wait(60) == 0, process.stderr and process.stderr.read()
        process.stderr.close()  # type: ignore[union-attr]


def test_a_migration_that_fails_leaves_nothing_half_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'senka.db'}")

    def cut(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("alembic.op.create_index", cut)
        with pytest.raises(KeyboardInterrupt):
            migrate(engine)
    migrate(engine)  # a table left behind would be in the way
    engine.dispose()


def test_a_locked_file_is_said_to_be_unavailable_and_nothing_is_lost_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_TIMEOUT_S", 0.1)
    engine = open_database(f"sqlite:///{tmp_path / 'senka.db'}")
    migrate(engine)
    records = Records(engine, PhotographStore(tmp_path / "photographs"))
    other = sqlite3.connect(tmp_path / "senka.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(RecordsUnavailable, match="database is locked"):
        records.add([Entry(grading())])
    other.execute("ROLLBACK")
    other.close()
    records.add([Entry(grading())])
    assert len(records.page(Filters(), 10)) == 1
    engine.dispose()
