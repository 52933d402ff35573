"""The schema, up and down, and what SQLite promises about a commit."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, inspect, text

from service.records import database
from service.records.database import MIGRATIONS, DatabaseUnavailable, migrate, open_database
from service.records.tables import metadata


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
