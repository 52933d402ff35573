"""The schema, up and down, and what SQLite promises about a commit."""

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, QueuePool, inspect, make_url, text
from sqlalchemy.exc import OperationalError

from service.records import database
from service.records.database import MIGRATIONS, DatabaseUnavailable, migrate, open_database
from service.records.deadline import Bounded
from service.records.tables import metadata
from service.records.transactions import take_time


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    opened = open_database(f"sqlite:///{tmp_path / 'some' / 'folder' / 'senka.db'}")
    try:
        yield opened
    finally:
        opened.dispose()


def config_for(engine: Engine) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config


def downgrade(engine: Engine, revision: str) -> None:
    config = config_for(engine)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, revision)


def differences(engine: Engine) -> list[object]:
    with engine.connect() as connection:
        return list(compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), metadata))


def test_the_migrations_make_the_tables(engine: Engine) -> None:
    migrate(engine)
    assert differences(engine) == []


def test_every_migration_goes_up_and_down_and_up(engine: Engine) -> None:
    script = ScriptDirectory.from_config(config_for(engine))
    revisions = [revision.revision for revision in script.walk_revisions()][::-1]
    assert len(script.get_heads()) == 1
    for revision in revisions:
        migrate(engine, revision)
    for revision in [*revisions[:-1][::-1], "base"]:
        downgrade(engine, revision)
    assert set(inspect(engine).get_table_names()) <= {"alembic_version"}
    migrate(engine)
    assert differences(engine) == []


def test_migrating_twice_changes_nothing(engine: Engine) -> None:
    migrate(engine)
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO lots (name, created_at) VALUES ('A', '2026-11-24')"))
    migrate(engine)
    assert differences(engine) == []
    with engine.connect() as connection:
        assert connection.execute(text("SELECT name FROM lots")).scalars().all() == ["A"]


def test_a_schema_that_is_the_newest_is_known_without_alembic(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    migrate(engine)
    with engine.connect() as connection:
        head = ScriptDirectory.from_config(config_for(engine)).get_current_head()
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all() == [head]
    monkeypatch.setattr(command, "upgrade", lambda *_: pytest.fail("a migration was run"))
    migrate(engine)
    monkeypatch.undo()
    downgrade(engine, "0001")
    migrate(engine)
    assert differences(engine) == []


def test_a_commit_survives_a_power_cut_and_readers_do_not_wait(engine: Engine) -> None:
    with engine.connect() as first, engine.connect() as second:
        for connection in (first, second):
            assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
            assert connection.execute(text("PRAGMA synchronous")).scalar() == 2  # FULL
            assert connection.execute(text("PRAGMA foreign_keys")).scalar() == 1


def test_sequence_numbers_are_not_used_again(engine: Engine) -> None:
    migrate(engine)
    with engine.connect() as connection:
        made = connection.execute(text("SELECT sql FROM sqlite_master WHERE name = 'gradings'")).scalar()
    assert "AUTOINCREMENT" in str(made)  # an event's number must never mean another grading


@pytest.mark.parametrize("url", ["not a url", "nosuchdatabase://here/senka", "sqlite:////proc/no/such/place/senka.db"])
def test_a_database_that_cannot_be_opened_is_one_clear_line(url: str) -> None:
    with pytest.raises(DatabaseUnavailable) as refusal:
        migrate(open_database(url))
    assert "\n" not in str(refusal.value)
    assert str(refusal.value).startswith("SENKA_DATABASE_URL or SENKA_HOME cannot be used")


def test_a_file_that_is_no_database_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "senka.db").write_bytes(b"this was a text file all along, and rather a long one" * 50)
    engine = open_database(f"sqlite:///{tmp_path / 'senka.db'}")
    with pytest.raises(DatabaseUnavailable, match="file is not a database"):
        migrate(engine)
    engine.dispose()


def test_records_of_a_newer_senka_are_left_alone(engine: Engine) -> None:
    migrate(engine)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(DatabaseUnavailable, match="another version of Senka"):
        migrate(engine)


def test_a_password_is_not_shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "senka.db").write_bytes(b"no database" * 200)
    engine = open_database(f"sqlite:///{tmp_path / 'senka.db'}")
    monkeypatch.setattr(engine, "url", database.make_url("postgresql://senka:secret@db/senka"))
    with pytest.raises(DatabaseUnavailable) as refusal:
        migrate(engine)
    assert "secret" not in str(refusal.value)
    engine.dispose()


@pytest.mark.parametrize(
    "url", ["postgresql://senka:secret@127.0.0.1:1/senka", "postgresql://senka@127.0.0.1:1/senka?password=secret"]
)
def test_a_server_that_is_away_at_the_start_is_one_clear_line_without_its_password(url: str) -> None:
    engine = open_database(url)
    with pytest.raises(DatabaseUnavailable) as refusal:
        migrate(engine)
    assert "127.0.0.1:1/senka cannot be opened" in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert "secret" not in str(refusal.value)
    engine.dispose()


def test_only_sqlite_and_postgresql() -> None:
    with pytest.raises(DatabaseUnavailable, match="records live in SQLite or PostgreSQL, not mysql"):
        open_database("mysql://senka@here/senka")


def test_a_server_is_given_little_time(postgresql: str) -> None:
    engine = open_database(postgresql)
    with engine.connect() as connection:
        shown = {name: connection.execute(text(f"SHOW {name}")).scalar() for name in ("statement_timeout", "lock_timeout")}
        assert shown == {"statement_timeout": "10s", "lock_timeout": "5s"}
        assert connection.execute(text("SHOW synchronous_commit")).scalar() == "on"
        parameters = connection.connection.driver_connection.info.get_parameters()  # type: ignore[union-attr]
    assert {name: parameters[name] for name in ("connect_timeout", "tcp_user_timeout", "keepalives_idle")} == {
        "connect_timeout": "3",
        "tcp_user_timeout": "5000",
        "keepalives_idle": "5",
    }
    engine.dispose()
    quick = open_database(postgresql, durable=False)
    with quick.connect() as connection:
        assert connection.execute(text("SHOW synchronous_commit")).scalar() == "off"
    quick.dispose()


def test_what_the_url_says_of_timeouts_counts(postgresql: str) -> None:
    engine = open_database(f"{postgresql}?connect_timeout=9&options=-c%20lock_timeout%3D1234")
    with engine.connect() as connection:
        assert connection.execute(text("SHOW lock_timeout")).scalar() == "1234ms"
        parameters = connection.connection.driver_connection.info.get_parameters()  # type: ignore[union-attr]
        assert parameters["connect_timeout"] == "9"
    engine.dispose()


def test_connections_that_the_server_closed_are_replaced(postgresql: str) -> None:
    engine, other = open_database(postgresql), open_database(postgresql)
    with engine.connect() as connection:
        number = connection.execute(text("SELECT pg_backend_pid()")).scalar()
    with other.begin() as connection:
        connection.execute(text("SELECT pg_terminate_backend(:number, 5000)"), {"number": number})
    with engine.connect() as connection:
        assert connection.execute(text("SELECT pg_backend_pid()")).scalar() != number
    engine.dispose()
    other.dispose()


def test_servers_that_start_together_migrate_once(postgresql: str) -> None:
    engines = [open_database(postgresql) for _ in range(4)]
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(migrate, engines))
    assert differences(engines[0]) == []
    for engine in engines:
        engine.dispose()


class Wire:
    """Between us and a server; one that is cut takes all that is sent and passes nothing on."""

    def __init__(self, host: str, port: int) -> None:
        self._server, self._to = socket.create_server(("127.0.0.1", 0)), (host, port)
        self.port = self._server.getsockname()[1]
        self.whole = threading.Event()
        self.whole.set()
        self._ends: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self.whole.set()
        self._server.shutdown(socket.SHUT_RDWR)
        for end in (self._server, *self._ends):
            end.close()

    def _accept(self) -> None:
        try:
            while True:
                near = self._server.accept()[0]
                far = socket.create_connection(self._to)
                self._ends += near, far
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=self._pump, args=pair, daemon=True).start()
        except OSError:
            return

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                self.whole.wait()
                target.sendall(data)
        except OSError:
            return


def test_a_server_that_says_nothing_any_more_is_hung_up_on(postgresql: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Bounded, "limit_s", 0.5)
    url = make_url(postgresql)
    wire = Wire(url.host or "127.0.0.1", url.port or 5432)
    engine = open_database(url.set(host="127.0.0.1", port=wire.port).render_as_string(hide_password=False))
    with engine.connect() as connection:
        assert connection.execute(text("SELECT 1")).scalar() == 1
        wire.whole.clear()
        began = time.monotonic()
        with pytest.raises(OperationalError, match="the server does not answer"):
            connection.execute(text("SELECT 1"))
        assert 0.4 < time.monotonic() - began < 3
        assert connection.invalidated
    wire.whole.set()
    with engine.begin() as connection:
        take_time(connection)
        assert connection.execute(text("SELECT pg_sleep(0.8)")).rowcount == 1  # who was given time has it
    with engine.connect() as connection, pytest.raises(OperationalError, match="the server does not answer"):
        connection.execute(text("SELECT pg_sleep(0.8)"))  # and the next one on that connection has not
    engine.dispose()
    wire.close()


def test_who_gives_the_server_more_time_waits_for_it(postgresql: str) -> None:
    engine = open_database(f"{postgresql}?options=-c%20statement_timeout%3D60000")
    with engine.begin() as connection:
        assert not isinstance(connection.connection.driver_connection, Bounded)
        take_time(connection)
    engine.dispose()


def test_a_file_has_connections_for_all_threads(engine: Engine) -> None:
    assert isinstance(engine.pool, QueuePool)
    assert (engine.pool.timeout(), engine.pool._max_overflow) == (3, 40)
    open_database("sqlite://").dispose()
