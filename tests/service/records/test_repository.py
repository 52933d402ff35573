"""Gradings in and out: as they were, in order, by every filter, and many in one commit."""

import asyncio
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, insert, text

from models.grades import GRADES
from service.grading import Grading
from service.inference.batcher import GreedyBatcher
from service.records.repository import Entry, Filters, Position, Records, sequence_number
from service.records.tables import grading_aliases
from service.schemas import Stats
from tests.service.gradings import NOON, grading


def keep(records: Records, *gradings: Any) -> None:
    records.add([Entry(one) for one in gradings])


def test_a_grading_comes_back_as_it_was(records: Records) -> None:
    kept = [
        grading(1, line="1", lot="A", camera="top", captured_at=NOON),
        grading(2, "BL", 0.3),
        grading(3, None),
        grading(4, measurement={"length_px": 200.5, "length_mm": None, "width_px": 30.0, "bend_ratio": 0.04, "area_px": 6e3}),
        grading(5, line="線路", lot="'; DROP TABLE gradings; --"),
    ]
    keep(records, *kept)
    for one in kept:
        found = records.get(one.id)
        assert found == one
        assert found.to_json() == one.to_json()
    assert list(records.get(kept[0].id).probabilities) == list(GRADES)  # type: ignore[union-attr]
    assert records.get("no such grading") is None


def test_times_come_back_in_utc_whatever_their_offset(records: Records) -> None:
    tokyo = timezone(timedelta(hours=9))
    one = grading(
        received_at=datetime(2026, 11, 24, 3, 4, 5, 678_901, tokyo), captured_at=datetime(2026, 11, 24, 3, 4, 5, 0, tokyo)
    )
    keep(records, one)
    found = records.get(one.id)
    assert found is not None
    assert found.received_at == one.received_at
    assert found.received_at.tzinfo is UTC
    assert found.to_json()["received_at"] == "2026-11-23T18:04:05.678Z"
    assert found.to_json()["captured_at"] == "2026-11-23T18:04:05.000Z"
    # kept in UTC, so the filters compare alike
    assert records.page(Filters(since=one.received_at), 5)
    assert not records.page(Filters(until=one.received_at), 5)


FILTERS = [
    (Filters(), "abcdef"),
    (Filters(since=NOON + timedelta(seconds=3)), "cdef"),
    (Filters(until=NOON + timedelta(seconds=3)), "ab"),
    (Filters(since=NOON + timedelta(seconds=2), until=NOON + timedelta(seconds=4)), "bc"),
    (Filters(line="1"), "ac"),
    (Filters(lot="X"), "bc"),
    (Filters(grade="L"), "bd"),
    (Filters(lane="manual"), "de"),
    (Filters(lane="L"), "b"),
    (Filters(max_confidence=0.75), "acdf"),
    (Filters(max_confidence=0.4), "d"),
    (Filters(line="1", lot="X"), "c"),
    (Filters(camera="top"), "ab"),
    (Filters(camera="top", grade="L", max_confidence=0.95), "b"),
    (Filters(line="no such line"), ""),
]


@pytest.fixture
def six(records: Records) -> dict[str, str]:
    """Six gradings, one second apart; letter by id."""
    made = {
        "a": grading(1, "M", line="1", camera="top"),
        "b": grading(2, "L", 0.9, lot="X", line="2", camera="top"),
        "c": grading(3, "M", line="1", lot="X"),
        "d": grading(4, "L", 0.4),
        "e": grading(5, None),
        "f": grading(6, "C"),
    }
    keep(records, *made.values())
    return {one.id: letter for letter, one in made.items()}


@pytest.mark.parametrize(("filters", "expected"), FILTERS)
def test_filters(records: Records, six: dict[str, str], filters: Filters, expected: str) -> None:
    found = [six[recorded.grading.id] for recorded in records.page(filters, 50)]
    assert found == list(reversed(expected))
    assert records.stats(filters)["total"] == len(expected)


def test_a_page_is_the_newest_and_the_next_one_goes_on(records: Records, six: dict[str, str]) -> None:
    first = records.page(Filters(), 4)
    assert [six[r.grading.id] for r in first] == ["f", "e", "d", "c"]
    assert [six[r.grading.id] for r in records.page(Filters(), 4, first[-1].position)] == ["b", "a"]
    assert records.page(Filters(), 4, Position(NOON, 1)) == []


def test_pages_show_everything_once_while_new_ones_arrive(records: Records) -> None:
    keep(records, *(grading(n) for n in range(25)))
    there = {r.grading.id for r in records.page(Filters(), 100)}
    seen: list[str] = []
    before = None
    while page := records.page(Filters(), 4, before):
        seen += [r.grading.id for r in page]
        before = page[-1].position
        keep(records, grading(100), grading(101))
    assert len(seen) == 25
    assert set(seen) == there


def test_an_alias_leads_to_the_grading_that_counts(records: Records) -> None:
    one = grading(1)
    keep(records, one)
    with records.engine.begin() as connection:
        connection.execute(insert(grading_aliases), {"id": "answered while away", "grading_id": one.id})
    assert records.get("answered while away") == one


def test_pages_are_in_the_order_of_reception_and_then_of_numbers(records: Records) -> None:
    made = [grading(5), grading(3), grading(5), grading(4), grading(5)]
    keep(records, *made)
    seen: list[str] = []
    before = None
    while page := records.page(Filters(), 1, before):
        seen.append(page[0].grading.id)
        before = page[0].position
    assert seen == [made[place].id for place in (4, 2, 0, 3, 1)]


def test_after_gives_what_came_since_oldest_first(records: Records, six: dict[str, str]) -> None:
    assert [six[r.grading.id] for r in records.after(2, 3)] == ["c", "d", "e"]
    assert records.after(6, 10) == []
    assert records.last_seq() == 6


def test_an_empty_record_has_no_last_number_and_blank_figures(records: Records) -> None:
    assert records.last_seq() == 0
    figures = records.stats(Filters())
    Stats.model_validate(figures)
    assert (figures["total"], figures["mean_confidence"], figures["first_received_at"]) == (0, None, None)
    assert list(figures["grades"]) == list(GRADES)


def test_figures(records: Records, six: dict[str, str]) -> None:
    figures = records.stats(Filters(), now=NOON + timedelta(seconds=63))
    Stats.model_validate(figures)
    assert (figures["total"], figures["manual"], figures["per_minute"]) == (6, 2, 4)
    assert figures["mean_confidence"] == pytest.approx((0.75 + 0.9 + 0.75 + 0.4 + 0.75) / 5)
    assert figures["first_received_at"] == "2026-11-23T12:00:01.123Z"
    assert figures["last_received_at"] == "2026-11-23T12:00:06.123Z"
    assert figures["grades"]["L"] == {"count": 2, "share": 2 / 6, "mean_confidence": pytest.approx(0.65), "per_minute": 1}
    assert figures["grades"]["2S"] == {"count": 0, "share": 0.0, "mean_confidence": None, "per_minute": 0}
    # the one without a grade is in the total, in no grade
    assert sum(row["count"] for row in figures["grades"].values()) == 5


def test_a_photograph_is_kept_before_the_row_that_names_it(records: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    key = records.photographs.key(b"jpeg", "jpeg")
    one = grading(photograph=key)
    seen: list[object] = []
    put = records.photographs.put

    def noting(name: str, data: bytes) -> None:
        seen.append(records.get(one.id))
        put(name, data)

    monkeypatch.setattr(records.photographs, "put", noting)
    records.add([Entry(one, b"jpeg")])
    assert seen == [None]
    assert records.photographs.get(key) == (b"jpeg", "image/jpeg")


def test_a_grading_that_is_on_record_is_not_kept_again(records: Records) -> None:
    twin = grading(1)
    keep(records, twin)
    second, third = grading(2), grading(3)
    keep(records, second, twin, third)
    assert [found.grading.id for found in records.page(Filters(), 10)] == [third.id, second.id, twin.id]
    assert records.stats(Filters())["total"] == 3


@pytest.mark.anyio
async def test_many_share_a_commit(records: Records) -> None:
    commits: list[int] = []
    event.listen(records.engine, "commit", lambda connection: commits.append(1))
    recorder = GreedyBatcher[Entry, Grading](records.add, 128, 1000)
    made = [grading(n) for n in range(200)]
    await asyncio.gather(*(recorder.submit(Entry(one)) for one in made))
    await recorder.close()
    assert records.last_seq() == 200
    assert len(commits) < 20
    with records.engine.connect() as connection:
        assert connection.execute(text("SELECT count(DISTINCT id) FROM gradings")).scalar() == 200


def test_two_services_write_to_one_database(records: Records, tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    from service.records.database import open_database
    from service.records.photographs import PhotographStore

    other = Records(open_database(f"sqlite:///{tmp_path / 'senka.db'}"), PhotographStore(tmp_path / "photographs"))
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda n: keep((records, other)[n % 2], grading(n)), range(60)))
    assert records.last_seq() == 60
    assert {r.grading.id for r in records.page(Filters(), 100)} == {r.grading.id for r in other.page(Filters(), 100)}
    other.engine.dispose()


@pytest.mark.parametrize(
    ("sent", "number"),
    [
        ("0", 0),
        ("17", 17),
        ("9" * 18, 10**18 - 1),
        ("9" * 19, None),
        ("", None),
        ("-1", None),
        ("²", None),
        ("1_0", None),
        (" 1", None),
    ],
)
def test_numbers_that_clients_send(sent: str, number: int | None) -> None:
    assert sequence_number(sent) == number
