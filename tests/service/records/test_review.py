"""Which gradings a person could look at next, from both databases."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, insert, text, update

from service.grading import Grading
from service.records import review
from service.records.corrections import correct, undo
from service.records.filters import Filters
from service.records.keeping import Interest
from service.records.photographs import PhotographStore
from service.records.repository import Records
from service.records.review import candidates, candidates_query, probabilities
from service.records.tables import gradings, shadow_gradings
from tests.databases import any_database  # noqa: F401
from tests.service.gradings import NOON, grading
from tests.service.records.opened import opened_database, put_gradings
from tests.service.records.test_queries import plan_of
from tests.service.season import Season, fill

LOOKED_AT = 2_000
KEY = f"{'a' * 64}.jpg"


@pytest.fixture
def records(any_database: str, tmp_path: Path) -> Iterator[Records]:  # noqa: F811
    with opened_database(any_database) as engine:
        yield Records(engine, PhotographStore(tmp_path / "photographs"))


def kept(number: int, confidence: float = 0.95, **changes: Any) -> Grading:
    return grading(number, confidence=confidence, **{"photograph": KEY, "interest": int(Interest.ORDINARY), **changes})


def put_shadow(engine: Engine, one: Grading, grade: str, confidence: float = 0.9, version: int = 4, **changes: Any) -> None:
    row = {
        "grading_id": one.id, "model_version": version, "model_sha256": "cd" * 32, "grade": grade, "confidence": confidence,
        "lane": grade, "at": one.received_at + timedelta(seconds=1), "champion_version": one.model.version,
        "champion_grade": one.grade, "champion_confidence": one.confidence, "champion_lane": one.lane,
    }  # fmt: skip
    with engine.begin() as connection:
        connection.execute(insert(shadow_gradings).values(row | changes))


def test_unsure_ones_and_contradicted_ones_by_what_a_label_would_tell(records: Records) -> None:
    sure, close, manual, closest, contradicted, agreed = made = [
        kept(0),
        kept(1, 0.58),
        kept(2, 0.7, lane="manual"),
        kept(3, 0.51),
        kept(4, 0.9),
        kept(5, 0.9),
    ]
    put_gradings(records.engine, made)
    put_shadow(records.engine, contradicted, "L", 0.8)
    put_shadow(records.engine, agreed, "M", 0.8)
    found = candidates(records, Filters())
    assert found.considered == 6
    assert [(one.id, one.why) for one in found.informative] == [
        (closest.id, ("unsure",)),
        (contradicted.id, ("disagreement",)),
        (close.id, ("unsure",)),
        (manual.id, ("unsure",)),
    ]
    assert [one.score for one in found.informative] == pytest.approx([0.98, 0.85, 0.84, 0.6])
    assert found.sample == []
    said = found.informative[1].shadow
    assert said is not None
    assert (said.version, said.grade, said.confidence) == (4, "L", 0.8)
    for why, expected in (("unsure", [closest, close, manual]), ("disagreement", [contradicted])):
        chosen = candidates(records, Filters(), why).informative  # type: ignore[arg-type]
        assert [one.id for one in chosen] == [one.id for one in expected]
    assert sure.id not in probabilities(records, found.informative)
    assert probabilities(records, found.informative[:1]) == {4: [0, 0, pytest.approx(0.51), pytest.approx(0.49), 0, 0, 0, 0, 0]}


def test_of_two_challengers_the_newer_one_counts(records: Records) -> None:
    one = kept(0)
    put_gradings(records.engine, [one])
    for version, grade in ((5, "S"), (6, "L"), (4, "2L")):
        put_shadow(records.engine, one, grade, version=version)
    (found,) = candidates(records, Filters()).informative
    assert (found.shadow and found.shadow.version, found.shadow and found.shadow.grade) == (6, "L")


def test_the_sample_is_what_was_drawn_when_it_was_graded(records: Records) -> None:
    drawn, unsure = kept(0, interest=int(Interest.SAMPLE)), kept(1, 0.51, interest=int(Interest.SAMPLE))
    put_gradings(records.engine, [drawn, unsure, kept(2), kept(3, 0.51, interest=int(Interest.UNSURE))])
    found = candidates(records, Filters())
    assert [(one.id, one.why) for one in found.sample] == [(unsure.id, ("unsure", "audit")), (drawn.id, ("audit",))]
    assert [one.in_sample for one in found.informative] == [False, True]


def test_what_is_labelled_or_cannot_be_seen_is_left_out(records: Records) -> None:
    corrected, undone, not_kept, deleted, labelled = made = [kept(number, 0.55) for number in range(5)]
    missed = grading(6, grade=None, photograph=KEY)
    made[2] = not_kept = kept(2, 0.55, photograph=None, interest=None)
    made[4] = labelled = kept(4, 0.55, interest=int(Interest.LABELLED))
    put_gradings(records.engine, [*made, missed])
    with records.engine.begin() as connection:
        gone = update(gradings).where(gradings.c.id == deleted.id).values(photograph_deleted_at=NOON)
        connection.execute(gone)
    correct(records.engine, corrected.id, "M", None, by="hanako")  # as the model said: a confirmation is a label too
    undo(records.engine, correct(records.engine, undone.id, "L", None, by="hanako").id, by="hanako")
    found = candidates(records, Filters())
    assert [one.id for one in found.informative] == [undone.id]
    assert found.considered == 6
    assert not {not_kept.id, labelled.id} & {one.id for one in found.informative}


def test_filters(records: Records) -> None:
    made = [kept(number, 0.55, line=str(number % 2), lot="A" if number < 4 else "B") for number in range(8)]
    put_gradings(records.engine, made)
    for filters, expected in (
        (Filters(line="0"), {0, 2, 4, 6}),
        (Filters(lot="B"), {4, 5, 6, 7}),
        (Filters(line="1", lot="A"), {1, 3}),
        (Filters(line="9", lot="A"), set()),
        (Filters(since=made[3].received_at, until=made[6].received_at), {3, 4, 5}),
        (Filters(until=NOON), set()),
    ):
        found = candidates(records, filters)
        assert {one.id for one in found.informative} == {made[number].id for number in expected}, filters
        assert found.considered == len(expected)


def test_a_season_is_asked_no_more_than_its_newest_of_it(records: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(review, "LOOKED_AT", LOOKED_AT)
    season = Season(4_000)
    fill(records.engine, season)
    if records.engine.dialect.name == "postgresql":
        with records.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE"))
    found = candidates(records, Filters())
    assert found.considered == LOOKED_AT
    newest: list[datetime] = sorted(one.received_at for one in season.gradings())[-LOOKED_AT:]
    oldest = records.get(min(found.informative, key=lambda one: one.seq).id)
    assert oldest is not None
    assert oldest.received_at >= newest[0]
    assert 10 < len(found.informative) <= 200
    with records.engine.connect() as connection:
        _, query = candidates_query(connection, Filters(since=season.end - timedelta(days=2)))
        assert not [
            step
            for step in plan_of(connection, query)
            if step.startswith(("Seq Scan gradings", "SCAN gradings")) and "INDEX" not in step
        ]
