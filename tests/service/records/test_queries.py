"""Every query of the API over a season: it takes an index, sorts nothing, and answers as counting by hand does."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from sqlalchemy import Connection, text, union_all

from models.grades import GRADES
from service import decision
from service.grading import Grading, rfc3339
from service.records.database import migrate, open_database
from service.records.export import export, export_query
from service.records.figures import figures, parts
from service.records.filters import Filters, Reason
from service.records.photographs import PhotographStore
from service.records.repository import Position, Records, bounded, page_query
from tests.databases import DATABASES, database_url
from tests.service.season import Season, fill

OLDEST = 400


class TwoModels(Season):
    """Version 2 graded the OLDEST, version 3 the others."""

    def gradings(self) -> Iterator[Grading]:
        for number, one in enumerate(super().gradings()):
            yield one if number >= OLDEST else replace(one, model=replace(one.model, version=2))


SEASON = TwoModels(20_000)
ALL = list(SEASON.gradings())
MIDDLE = ALL[10_000].received_at
HOUR = MIDDLE.replace(minute=0, second=0, microsecond=0)
LOT = ALL[10_000].origin.lot
FILTERS = [
    Filters(),
    Filters(since=MIDDLE),
    Filters(until=MIDDLE),
    Filters(since=HOUR - timedelta(days=9), until=HOUR),
    Filters(since=MIDDLE - timedelta(minutes=20), until=MIDDLE),
    Filters(line="1"),
    Filters(lot=LOT),
    Filters(camera="line2-top"),
    Filters(grade="C"),
    Filters(lane="manual"),
    Filters(lane="2L"),
    Filters(max_confidence=0.8),
    Filters(max_confidence=0.4321),
    Filters(max_confidence=0.0),
    Filters(max_confidence=1.0),
    Filters(line="1", lot=LOT),
    Filters(line="2", grade="BS", lane="manual"),
    Filters(lot=LOT, grade="M", max_confidence=0.9),
    Filters(grade="M", lane="2L"),
    Filters(lot="no such lot"),
    Filters(line=""),
    Filters(since=MIDDLE, lane="manual", max_confidence=0.45),
    Filters(since=MIDDLE - timedelta(days=20), until=MIDDLE, camera="line1-top", max_confidence=0.555),
    Filters(since=MIDDLE, until=MIDDLE - timedelta(days=1)),
    Filters(model_version=2),
    Filters(model_version=3),
    Filters(model_version=4),
    Filters(model_version=2, line="1"),
    Filters(model_version=2, lot=LOT),
    Filters(model_version=3, since=MIDDLE, grade="C", lane="manual"),
    Filters(reason="low_confidence"),
    Filters(reason="deadline_missed"),
    Filters(reason="low_confidence", line="1", max_confidence=0.8),
    Filters(reason="deadline_missed", lot=LOT),
    Filters(reason="deadline_missed", grade="M"),
]
OF_PAGES = [*FILTERS, Filters(model_version=2, max_confidence=0.8), Filters(model_version=3, max_confidence=0.3)]
"""Figures are not counted by model and confidence at once: the API refuses it."""


@pytest.fixture(scope="module", params=DATABASES)
def records(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Records]:
    """A season on record, and the statistics that a database gathers of it by itself."""
    folder: Path = tmp_path_factory.mktemp("season")
    with ExitStack() as stack:
        engine = open_database(stack.enter_context(database_url(request.param, folder)))
        stack.callback(engine.dispose)
        migrate(engine)
        fill(engine, SEASON)
        if request.param == "postgresql":
            with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.execute(text("VACUUM ANALYZE"))
        yield Records(engine, PhotographStore(folder / "photographs"))


def fits(one: Grading, filters: Filters) -> bool:
    limit = filters.max_confidence
    return (
        (filters.since is None or one.received_at >= filters.since)
        and (filters.until is None or one.received_at < filters.until)
        and (filters.line is None or one.origin.line == filters.line)
        and (filters.lot is None or one.origin.lot == filters.lot)
        and (filters.camera is None or one.origin.camera == filters.camera)
        and (filters.grade is None or one.grade == filters.grade)
        and (filters.lane is None or one.lane == filters.lane)
        and (filters.model_version is None or one.model.version == filters.model_version)
        and (filters.reason is None or filters.reason in one.reasons)
        and (limit is None or (one.confidence is not None and one.confidence <= limit))
    )


NEWEST_FIRST = sorted(
    ((one.received_at, number + 1, one) for number, one in enumerate(ALL)), key=lambda row: row[:2], reverse=True
)


@pytest.mark.parametrize("filters", OF_PAGES, ids=str)
def test_pages_hold_what_fits_newest_first(records: Records, filters: Filters) -> None:
    expected = [one.id for _, _, one in NEWEST_FIRST if fits(one, filters)]
    found: list[str] = []
    before: Position | None = None
    for limit in (1, 50, 500, 3):
        page = records.page(filters, limit, before)
        assert [one.grading.id for one in page] == expected[len(found) : len(found) + limit]
        found += [one.grading.id for one in page]
        before = page[-1].position if page else before
    middle = Position(NEWEST_FIRST[9_000][0], NEWEST_FIRST[9_000][1])
    older = [one.id for _, _, one in NEWEST_FIRST[9_001:] if fits(one, filters)]
    assert [one.grading.id for one in records.page(filters, 200, middle)] == older[:200]


@pytest.mark.parametrize("filters", FILTERS, ids=str)
def test_figures_are_the_counts(records: Records, filters: Filters) -> None:
    now = MIDDLE + timedelta(seconds=30)
    chosen = [one for one in ALL if fits(one, filters)]
    found = records.stats(filters, now)
    graded = [one.confidence for one in chosen if one.confidence is not None]
    assert found["total"] == len(chosen)
    assert found["manual"] == sum(one.lane == "manual" for one in chosen)
    assert found["mean_confidence"] == (pytest.approx(sum(graded) / len(graded)) if graded else None)
    assert found["per_minute"] == sum(one.received_at >= now - timedelta(minutes=1) for one in chosen)
    assert found["first_received_at"] == (rfc3339(min(one.received_at for one in chosen)) if chosen else None)
    assert found["last_received_at"] == (rfc3339(max(one.received_at for one in chosen)) if chosen else None)
    assert {grade: row["count"] for grade, row in found["grades"].items()} == {
        grade: sum(one.grade == grade for one in chosen) for grade in GRADES
    }


def plan_of(connection: Connection, query: Any) -> list[str]:
    """The steps of the database's plan."""
    sql = str(query.compile(connection.engine, compile_kwargs={"literal_binds": True}))
    if connection.dialect.name == "sqlite":
        return [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}")]
    plan = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {sql}".replace("%", "%%")).scalar_one()
    steps, waiting = [], [plan[0]["Plan"] if isinstance(plan, list) else json.loads(plan)[0]["Plan"]]
    while waiting:
        step = waiting.pop()
        steps.append(f"{step['Node Type']} {step.get('Relation Name', '')} {step.get('Index Name', '')}".strip())
        waiting += step.get("Plans", [])
    return steps


def without_index(steps: list[str]) -> list[str]:
    """Steps that read all of the gradings, or sort them."""
    bad = ("Seq Scan gradings", "Sort", "Incremental Sort", "Bitmap Heap Scan gradings")
    return [
        step
        for step in steps
        if step.startswith(bad) or ("SCAN gradings" in step and "INDEX" not in step) or "TEMP B-TREE FOR ORDER BY" in step
    ]


@pytest.mark.parametrize("filters", OF_PAGES, ids=str)
def test_a_page_is_the_range_of_an_index(records: Records, filters: Filters) -> None:
    before = Position(NEWEST_FIRST[9_000][0], NEWEST_FIRST[9_000][1])
    for position in (None, before):
        with records.engine.connect() as connection:
            query = page_query(connection, filters, 50, position)
            if query is not None:
                steps = plan_of(connection, query)
                assert without_index(steps) == []
                assert any("ix_gradings" in step or "Result" in step for step in steps)


@pytest.mark.parametrize("filters", FILTERS, ids=str)
def test_figures_read_no_row_that_an_index_does_not_lead_to(records: Records, filters: Filters) -> None:
    with records.engine.connect() as connection:
        steps = plan_of(connection, union_all(*parts(filters, SEASON.end)))
    reads = [step for step in steps if "gradings" in step]
    assert not [
        step for step in reads if "Seq Scan gradings" in step or (step.startswith("SCAN gradings") and "INDEX" not in step)
    ]


def test_one_grading_and_what_came_after_a_number_are_found_by_an_index(records: Records) -> None:
    with records.engine.connect() as connection:
        seen: list[str] = []
        for sql in ("SELECT * FROM gradings WHERE id = 'x'", "SELECT * FROM gradings WHERE seq > 19000 ORDER BY seq LIMIT 200"):
            seen += plan_of(connection, text(sql))
        assert without_index(seen) == []


def test_the_reasons_that_can_be_asked_for_are_all_that_the_service_gives() -> None:
    """A third one would make those of lane and grade wrong: see Filters._because."""
    given = {name: value for name, value in vars(decision).items() if name.isupper() and isinstance(value, str)}
    assert set(get_args(Reason)) == set(given.values()) - {decision.MANUAL}
    unsure = decision.decide(np.full(9, 1 / 9, np.float32), 0.5)
    assert (unsure.lane, unsure.grade is None, unsure.reasons) == ("manual", False, (decision.LOW_CONFIDENCE,))
    missed = decision.MISSED
    assert (missed.lane, missed.grade is None, missed.reasons) == ("manual", True, (decision.DEADLINE_MISSED,))


def test_an_export_of_a_model_reads_the_hours_in_which_it_graded(records: Records) -> None:
    with records.engine.connect() as connection:
        narrowed = bounded(connection, Filters(model_version=2))
        assert narrowed is not None
        assert narrowed.until is not None
        assert ALL[OLDEST - 1].received_at < narrowed.until <= ALL[OLDEST].received_at + timedelta(hours=1)
        assert bounded(connection, Filters(model_version=4)) is None
        assert bounded(connection, Filters(since=MIDDLE)) == Filters(since=MIDDLE)
    lines = b"".join(export(records.engine, Filters(model_version=2), "csv")).splitlines()
    assert len(lines) == OLDEST + 1
    assert len(b"".join(export(records.engine, Filters(model_version=4), "csv")).splitlines()) == 1


def test_an_export_sorts_nothing(records: Records) -> None:
    if records.engine.dialect.name != "sqlite":
        pytest.skip("PostgreSQL may well sort what it reads as a whole")
    with records.engine.connect() as connection:
        for filters in FILTERS:
            assert without_index(plan_of(connection, export_query(filters))) == []


def test_figures_of_the_calendar_s_last_hour(records: Records) -> None:
    last = datetime.fromisoformat("9999-12-31T23:30:00+00:00")
    with records.engine.connect() as connection:
        assert figures(connection, Filters(since=last), SEASON.end)["total"] == 0
        assert figures(connection, replace(Filters(since=last), max_confidence=0.5), SEASON.end)["total"] == 0


def test_nothing_is_read_where_the_tallies_say_that_nothing_fits(records: Records) -> None:
    with records.engine.connect() as connection:
        assert page_query(connection, Filters(grade="M", lane="2L"), 50) is None
