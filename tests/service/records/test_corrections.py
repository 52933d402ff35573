"""Corrections: the newest counts, none is lost, and what was corrected is kept longer."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy import Engine, insert, select, update

from service.errors import GradingNotFound, NotFound, RecordsUnavailable
from service.records import corrections
from service.records.audit import AuditFilters
from service.records.audit import page as audit_page
from service.records.corrections import CORRECT_GRADES, CorrectionFilters, correct, undo
from service.records.database import open_database
from service.records.keeping import Interest
from service.records.tables import grading_aliases, gradings
from tests.service.gradings import grading
from tests.service.records.opened import opened_database, put_gradings


@pytest.fixture
def engine(any_database: str) -> Iterator[Engine]:
    with opened_database(any_database) as engine:
        yield engine


def put(engine: Engine, number: int = 0, interest: int | None = None, photograph: str | None = None) -> str:
    made = grading(number, photograph=photograph)
    put_gradings(engine, [made])
    with engine.begin() as connection:
        connection.execute(update(gradings).where(gradings.c.id == made.id).values(photograph_interest=interest))
    return made.id


def interest(engine: Engine, grading_id: str) -> int | None:
    with engine.connect() as connection:
        found: int | None = connection.execute(
            select(gradings.c.photograph_interest).where(gradings.c.id == grading_id)
        ).scalar_one()
        return found


def counts(engine: Engine, grading_id: str) -> str | None:
    """The grade of the correction in effect."""
    made = corrections.page(engine, CorrectionFilters(grading_id=grading_id), 99)
    return next((one.grade for one in made if one.undone_at is None), None)


def test_the_newest_that_was_not_undone_counts(engine: Engine) -> None:
    one = put(engine)
    first = correct(engine, one, "L", "bent tip", by="hanako", address="10.0.0.7")
    second = correct(engine, one, "not_a_cucumber", None, by="local")
    assert counts(engine, one) == "not_a_cucumber"
    undone = undo(engine, second.id, by="hanako")
    assert (undone.undone_by, undone.grade) == ("hanako", "not_a_cucumber")
    assert counts(engine, one) == "L"
    undo(engine, first.id, by="local")
    assert counts(engine, one) is None
    assert corrections.get(engine, first.id) == replace(
        first, undone_by="local", undone_at=corrections.get(engine, first.id).undone_at
    )


def test_undoing_twice_changes_nothing_and_is_in_the_trail_once(engine: Engine) -> None:
    made = correct(engine, put(engine), "L", None, by="hanako")
    once = undo(engine, made.id, by="hanako")
    assert undo(engine, made.id, by="taro") == once
    trail = [(line.action, line.actor, line.subject) for line in audit_page(engine, AuditFilters(), 10)]
    assert trail == [("correction.undone", "hanako", made.grading_id), ("correction.made", "hanako", made.grading_id)]


def test_the_photograph_of_what_was_corrected_is_kept_longer(engine: Engine) -> None:
    kept = {
        before: put(engine, number, before, f"{number:064x}.jpg")
        for number, before in enumerate((None, Interest.ORDINARY, Interest.SAMPLE, Interest.LABELLED))
    }
    without = put(engine, 9)
    for one in (*kept.values(), without):
        correct(engine, one, "S", None, by="local")
    assert [interest(engine, one) for one in kept.values()] == [Interest.CORRECTED] * 3 + [Interest.LABELLED]
    assert interest(engine, without) is None


def test_a_repeated_post_s_id_leads_to_the_grading_that_counts(engine: Engine) -> None:
    one = put(engine)
    with engine.begin() as connection:
        connection.execute(insert(grading_aliases).values(id="second answer", grading_id=one))
    made = correct(engine, "second answer", "C", None, by="local")
    assert made.grading_id == one
    assert corrections.page(engine, CorrectionFilters(grading_id="second answer"), 5) == [made]


def test_what_is_not_there_is_said_and_leaves_nothing(engine: Engine) -> None:
    with pytest.raises(GradingNotFound):
        correct(engine, "none such", "L", None, by="local")
    for act in (lambda: undo(engine, "none such", by="local"), lambda: corrections.get(engine, "none such")):
        with pytest.raises(NotFound):
            act()
    assert not audit_page(engine, AuditFilters(), 10)
    assert not corrections.page(engine, CorrectionFilters(), 10)


def test_they_are_read_in_pages(engine: Engine) -> None:
    ids = [put(engine, number) for number in range(3)]
    made = [correct(engine, one, grade, None, by="local") for one in ids for grade in CORRECT_GRADES[:3]]
    newest = made[::-1]
    first = corrections.page(engine, CorrectionFilters(), 4)
    assert first == newest[:4]
    assert corrections.page(engine, CorrectionFilters(), 99, (first[-1].at, first[-1].id)) == newest[4:]
    assert corrections.page(engine, CorrectionFilters(grading_id=ids[1]), 99) == newest[3:6]
    assert corrections.page(engine, CorrectionFilters(since=made[4].at, until=made[6].at), 99) == [made[5], made[4]]


def test_a_database_that_is_away_is_one_error(tmp_path: object) -> None:
    engine = open_database("postgresql://senka:secret@127.0.0.1:1/none")
    for act in (
        lambda: correct(engine, "x", "L", None, by="local"),
        lambda: corrections.page(engine, CorrectionFilters(), 5),
    ):
        with pytest.raises(RecordsUnavailable) as caught:
            act()
        assert "secret" not in str(caught.value)
    engine.dispose()
