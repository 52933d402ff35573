"""Tallies equal the gradings they count, whatever comes in whatever order."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, create_engine, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from models.grades import GRADES
from service.grading import Grading, ModelRef
from service.records import tallies as counting
from service.records.database import migrate, open_database
from service.records.rows import to_row
from service.records.tables import confidence_tallies, gradings, metadata, tallies, tally_marks
from service.records.tallies import band_of, fold, hour_of, rebuild, tally
from tests.databases import database_url
from tests.service.gradings import NOON, grading

CONFIDENCES = st.one_of(st.floats(0, 1), st.integers(0, 100).map(lambda hundredth: hundredth / 100))
GRADINGS = st.builds(
    lambda second, grade, confidence, line, lot, camera, version: grading(
        second, grade, confidence, line=line, lot=lot, camera=camera, model=ModelRef("cucumber", version, "ab" * 32)
    ),
    st.integers(-(10**6), 10**6),
    st.sampled_from([*GRADES[:3], None]),
    CONFIDENCES,
    st.sampled_from(["1", "2", None]),
    st.sampled_from(["A", None]),
    st.sampled_from(["top", None]),
    st.sampled_from([3, 4]),
)


@pytest.fixture
def engine(any_database: str) -> Iterator[Engine]:
    made = open_database(any_database)
    migrate(made)
    yield made
    made.dispose()


def keep(connection: Connection, made: list[Grading]) -> None:
    connection.execute(insert(gradings), [to_row(one) for one in made])
    tally(connection, made)


def counts(connection: Connection, table: Any) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    keys = len(table.primary_key.columns)
    return {
        tuple(row[:keys]): (row.count, pytest.approx(row.confidence_sum), row.first_received_at, row.last_received_at)
        for row in connection.execute(select(*table.primary_key.columns, *[c for c in table.c if not c.primary_key]))
    }


def expected(made: list[Grading]) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    found: dict[tuple[Any, ...], list[Grading]] = {}
    for one in made:
        origin = one.origin
        places = (origin.line or "", origin.lot or "", origin.camera or "")
        key = (hour_of(one.received_at), *places, one.grade or "", one.lane, one.model.version)
        found.setdefault(key, []).append(one)
    return {
        key: (
            len(group),
            sum(one.confidence or 0.0 for one in group),
            min(one.received_at for one in group),
            max(one.received_at for one in group),
        )
        for key, group in found.items()
    }


def by_confidence(made: list[Grading]) -> Counter[tuple[str | None, int]]:
    return Counter((one.grade, band_of(one.confidence)) for one in made if one.confidence is not None)


def folded(connection: Connection) -> Counter[tuple[str, int]]:
    c = confidence_tallies.c
    query = select(c.grade, c.band, func.sum(c.count)).group_by(c.grade, c.band)
    return Counter({(row[0], row[1]): int(row[2]) for row in connection.execute(query)})


@settings(max_examples=25, deadline=None)
@given(st.lists(st.lists(GRADINGS, min_size=1, max_size=8), max_size=6))
def test_tallies_are_the_counts(batches: list[list[Grading]]) -> None:
    memory = create_engine("sqlite://")
    metadata.create_all(memory)
    with memory.begin() as connection, pytest.MonkeyPatch.context() as patch:
        patch.setattr(counting, "FOLD", 1)
        for batch in batches:
            keep(connection, batch)
        made = [one for batch in batches for one in batch]
        assert counts(connection, tallies) == expected(made)
        assert folded(connection) == by_confidence(made)
        before = counts(connection, tallies), counts(connection, confidence_tallies)
        rebuild(connection)
        assert (counts(connection, tallies), counts(connection, confidence_tallies)) == before
    memory.dispose()


@given(CONFIDENCES)
def test_a_band_is_the_smallest_that_is_not_below(confidence: float) -> None:
    band = band_of(confidence)
    assert (band - 1) / 100 < confidence <= band / 100


def test_both_databases_count_alike(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "FOLD", 7)
    made = [
        grading(n * 1000, GRADES[n % 9] if n % 13 else None, n % 101 / 100, line=str(n % 2) if n % 3 else None)
        for n in range(300)
    ]
    for start in range(0, 300, 20):
        with engine.begin() as connection:
            keep(connection, made[start : start + 20])
    with engine.connect() as connection:
        assert counts(connection, tallies) == expected(made)
        assert folded(connection) == by_confidence(made)
        assert connection.execute(select(tally_marks.c.seq)).scalar() == 300


def test_what_was_refused_is_not_counted(engine: Engine) -> None:
    first, second = grading(1), grading(2)
    for sent in ([first], [first, second]):
        with engine.begin() as connection:
            dialect: Any = sqlite if engine.dialect.name == "sqlite" else postgresql
            statement = dialect.insert(gradings).on_conflict_do_nothing(index_elements=["id"]).returning(gradings.c.id)
            kept = {connection.execute(statement, to_row(one)).scalar() for one in sent}
            tally(connection, [one for one in sent if one.id in kept])
    with engine.connect() as connection:
        assert connection.execute(select(func.sum(tallies.c.count))).scalar() == 2


def test_a_commit_that_fails_counts_nothing(engine: Engine) -> None:
    with engine.connect() as connection:
        keep(connection, [grading(1)])
        connection.rollback()
        assert connection.execute(select(func.count()).select_from(tallies)).scalar() == 0


def test_a_commit_folds_so_many_at_most_and_the_next_goes_on(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "FOLD", 10)
    monkeypatch.setattr(counting, "FOLD_AT_MOST", 25)
    with engine.begin() as connection:
        connection.execute(insert(gradings), [to_row(grading(n)) for n in range(60)])
    for marked in (25, 50, 60, 60):
        with engine.begin() as connection:
            fold(connection)
            assert connection.execute(select(tally_marks.c.seq)).scalar() == marked
            assert folded(connection).total() == marked


def test_a_lot_that_was_wrong_is_counted_anew_for_its_days_alone(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "FOLD", 1)
    made = [grading(day * 86_400 + n * 3_600, lot="wrong") for day in range(3) for n in range(5)]
    with engine.begin() as connection:
        keep(connection, made)
        since, until = NOON + timedelta(days=1), NOON + timedelta(days=1, hours=3)
        c = gradings.c
        connection.execute(update(gradings).where(c.received_at >= since, c.received_at < until).values(lot="right"))
        rebuild(connection, since, until)
        for table in (tallies, confidence_tallies):
            by_lot = select(table.c.lot, func.sum(table.c.count)).group_by(table.c.lot)
            assert {row[0]: int(row[1]) for row in connection.execute(by_lot)} == {"wrong": 12, "right": 3}


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_the_migration_counts_what_is_there(kind: str, tmp_path: Path) -> None:
    with database_url(kind, tmp_path) as url:
        engine = open_database(url)
        migrate(engine, "0001")
        made = [grading(n * 700, GRADES[n % 9] if n % 5 else None, n % 97 / 97, line="1" if n % 2 else None) for n in range(200)]
        first = {"profile_version", "photograph_bytes", "photograph_interest", "idempotency_key", "body_sha256", "key_id"}
        rows = [{name: value for name, value in to_row(one).items() if name not in first} for one in made]
        with engine.begin() as connection:
            names = list(rows[0])
            older = gradings.to_metadata(type(metadata)())
            for column in [column for column in older.c if column.name not in names]:
                older._columns.remove(column)  # the table of the revision before
            connection.execute(older.insert(), rows)
        migrate(engine)
        with engine.connect() as connection:
            assert counts(connection, tallies) == expected(made)
            assert folded(connection) == by_confidence(made)
            assert connection.execute(select(tally_marks.c.seq)).scalar() == 200
        engine.dispose()


def test_an_hour_begins_on_the_hour_of_utc() -> None:
    assert hour_of(datetime.fromisoformat("2026-11-24T03:20:00.5+05:45")) == datetime(2026, 11, 23, 21, tzinfo=UTC)
