"""Every revision up and down on both databases, with data in them; and an audit trail that cannot be changed."""

from collections.abc import Iterator

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Engine, func, insert, inspect, select, text
from sqlalchemy.exc import DBAPIError

from service.records import tables
from service.records.audit import note
from service.records.database import MIGRATIONS, migrate, open_database
from service.records.photographs import PhotographStore
from service.records.rows import from_row, to_row
from tests.service.gradings import grading
from tests.service.records.filled import everything, fill

DERIVED = {"tallies", "confidence_tallies", "tally_marks"}


@pytest.fixture
def engine(any_database: str) -> Iterator[Engine]:
    opened = open_database(any_database)
    try:
        yield opened
    finally:
        opened.dispose()


def downgrade(engine: Engine, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, revision)


def differences(engine: Engine) -> list[object]:
    with engine.connect() as connection:
        return list(compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), tables.metadata))


def columns(engine: Engine) -> set[str]:
    return {column["name"] for column in inspect(engine).get_columns("gradings")}


def test_the_migrations_make_the_tables_of_the_code(engine: Engine) -> None:
    migrate(engine)
    assert differences(engine) == []


def test_what_the_first_revision_had_survives_up_down_and_up(engine: Engine) -> None:
    migrate(engine, "0001")
    made = [grading(number, line="1", lot=f"lot {number % 2}", captured_at=grading().received_at) for number in range(30)]
    made += [grading(number, confidence=0.1, photograph="ab" * 32 + ".jpg") for number in range(30, 40)]
    made += [grading(number, grade=None) for number in range(40, 45)]
    first = columns(engine)
    with engine.begin() as connection:
        rows = [{name: value for name, value in to_row(one).items() if name in first} for one in made]
        connection.execute(insert(tables.gradings), rows)

    def kept() -> list[object]:
        there = [column for column in tables.gradings.columns if column.name in first]
        with engine.connect() as connection:
            return [tuple(row) for row in connection.execute(select(*there).order_by(tables.gradings.c.seq))]

    before = kept()
    assert len(before) == 45
    for _ in range(2):
        migrate(engine)
        assert differences(engine) == []
        assert kept() == before
        with engine.connect() as connection:
            found = connection.execute(select(tables.gradings).order_by(tables.gradings.c.seq)).all()
            assert [from_row(row) for row in found] == made
            of_grades = select(tables.tallies.c.grade, func.sum(tables.tallies.c.count)).group_by(tables.tallies.c.grade)
            by_grade = {row[0]: row[1] for row in connection.execute(of_grades)}
            sure = connection.execute(select(func.sum(tables.tallies.c.confidence_sum))).scalar_one()
            bands = connection.execute(select(func.sum(tables.confidence_tallies.c.count))).scalar_one()
        assert by_grade == {"M": 40, "": 5}
        assert sure == pytest.approx(30 * 0.75 + 10 * 0.1)
        assert bands == 40
        downgrade(engine, "0001")
        assert kept() == before
        assert columns(engine) == first
        assert set(inspect(engine).get_table_names()) == {"gradings", "alembic_version"}


def test_a_season_on_record_survives_the_shadows_up_down_and_up(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> None:
    migrate(engine)
    store = PhotographStore(tmp_path_factory.mktemp("photographs"))
    fill(engine, store)
    store.close()
    before = everything(engine)
    later = ("shadow_gradings", "farm_settings")
    assert [len(before.pop(name)) for name in later] == [1, 1]
    for _ in range(2):
        downgrade(engine, "0002")
        assert not set(later) & set(inspect(engine).get_table_names())
        assert "gradings" in inspect(engine).get_table_names()
        migrate(engine)
        assert differences(engine) == []
        assert everything(engine) == before | {name: [] for name in later}


def test_what_the_farm_said_goes_with_its_table_and_nothing_else_does(
    engine: Engine, tmp_path_factory: pytest.TempPathFactory
) -> None:
    migrate(engine)
    store = PhotographStore(tmp_path_factory.mktemp("photographs"))
    fill(engine, store)
    store.close()
    before = everything(engine)
    downgrade(engine, "0003")
    assert "farm_settings" not in inspect(engine).get_table_names()
    migrate(engine)
    assert differences(engine) == []
    assert everything(engine) == before | {"farm_settings": []}


def test_down_to_nothing_leaves_nothing(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> None:
    migrate(engine)
    store = PhotographStore(tmp_path_factory.mktemp("photographs"))
    fill(engine, store)
    store.close()
    downgrade(engine, "base")
    assert set(inspect(engine).get_table_names()) <= {"alembic_version"}
    if engine.dialect.name == "postgresql":
        with engine.connect() as connection:
            left = connection.execute(text("SELECT proname FROM pg_proc WHERE proname LIKE 'senka%'")).all()
        assert left == []
    migrate(engine)
    assert differences(engine) == []


def test_a_full_database_is_left_as_it_is_by_a_second_start(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> None:
    migrate(engine)
    store = PhotographStore(tmp_path_factory.mktemp("photographs"))
    fill(engine, store)
    store.close()
    before = everything(engine)
    migrate(engine)
    assert everything(engine) == before


@pytest.mark.parametrize("statement", ["UPDATE audit SET actor = 'somebody else'", "DELETE FROM audit", "TRUNCATE audit"])
def test_the_audit_trail_only_grows(engine: Engine, statement: str) -> None:
    if engine.dialect.name == "sqlite" and statement.startswith("TRUNCATE"):
        pytest.skip("SQLite has no TRUNCATE")
    migrate(engine)
    with engine.begin() as connection:
        note(connection, "boss", "lot.changed", "lot 1", {})
    with pytest.raises(DBAPIError, match="append-only"), engine.begin() as connection:
        connection.execute(text(statement))
    with engine.begin() as connection:
        note(connection, "boss", "lot.changed", "lot 2", {})
        assert connection.execute(select(tables.audit.c.actor)).scalars().all() == ["boss", "boss"]
