"""What is on record, over HTTP."""

import base64
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import event, insert

from models.grades import GRADES
from service.grading import ModelRef, rfc3339
from service.records.repository import Entry
from service.records.tables import corrections
from service.schemas import GradingsPage, RecordedOut, Stats
from tests.service.gradings import NOON, grading
from tests.service.pictures import FORMATS, picture
from tests.service.running import Running

pytestmark = pytest.mark.anyio

Service = Callable[..., AbstractAsyncContextManager[Running]]
MEDIA = {"jpeg": "image/jpeg", "png": "image/png", "webp": "image/webp", "bmp": "image/bmp"}


@pytest.fixture
async def six(service: Service) -> AsyncIterator[tuple[Running, dict[str, str]]]:
    """A service without a model and six gradings on record; letters by id."""
    made = {
        "a": grading(1, "M", line="1", camera="top"),
        "b": grading(2, "L", 0.9, lot="X", line="2", camera="top"),
        "c": grading(3, "M", line="1", lot="X"),
        "d": grading(4, "L", 0.4, model=ModelRef("cucumber", 2, "cd" * 32)),
        "e": grading(5, None),
        "f": grading(6, "C"),
    }
    async with service() as running:
        assert running.context.records is not None
        running.context.records.add([Entry(one) for one in made.values()])
        yield running, {one.id: letter for letter, one in made.items()}


async def letters(six: tuple[Running, dict[str, str]], query: str) -> str:
    running, names = six
    response = await running.client.get(f"/v1/gradings?{query}")
    assert response.status_code == 200, response.text
    GradingsPage.model_validate(response.json())
    return "".join(names[one["id"]] for one in response.json()["gradings"])


def at(seconds: int) -> str:
    return rfc3339(NOON + timedelta(seconds=seconds))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", "fedcba"),
        (f"since={at(3)}", "fedc"),
        (f"until={at(3)}", "ba"),
        ("since=2026-11-23T21:00:03%2B09:00", "fedc"),
        ("line=1", "ca"),
        ("lot=X", "cb"),
        ("grade=L", "db"),
        ("lane=manual", "ed"),
        ("lane=M", "ca"),
        ("max_confidence=0.75", "fdca"),
        ("max_confidence=0", ""),
        ("line=1&lot=X", "c"),
        ("line=nowhere", ""),
        ("camera=top", "ba"),
        ("camera=top&grade=L", "b"),
        ("limit=2", "fe"),
        ("model=2", "d"),
        ("model=3", "fecba"),
        ("model=2&lane=manual&max_confidence=0.5", "d"),
        ("model=1", ""),
        ("reason=low_confidence", "d"),
        ("reason=deadline_missed", "e"),
        ("reason=deadline_missed&model=3", "e"),
        ("model=2147483647", ""),
    ],
)
async def test_filters(six: tuple[Running, dict[str, str]], query: str, expected: str) -> None:
    assert await letters(six, query) == expected


async def test_a_grading_is_answered_as_it_is_listed(six: tuple[Running, dict[str, str]]) -> None:
    running, names = six
    listed = (await running.client.get("/v1/gradings")).json()["gradings"]
    for one in listed:
        RecordedOut.model_validate(one)
        assert "correction" not in one
        assert (await running.client.get(f"/v1/gradings/{one['id']}")).json() == one
    assert len(listed) == len(names)


async def test_the_cursor_leads_through_everything_once_while_new_ones_arrive(six: tuple[Running, dict[str, str]]) -> None:
    running, names = six
    seen, cursor = [], ""
    while True:
        page = (await running.client.get(f"/v1/gradings?limit=2{cursor}")).json()
        seen += [names.get(one["id"], "?") for one in page["gradings"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
        running.context.records.add([Entry(grading(9))])  # type: ignore[union-attr]
    assert "".join(seen) == "fedcba"


async def test_the_cursor_goes_with_the_filters(six: tuple[Running, dict[str, str]]) -> None:
    running, _ = six
    first = (await running.client.get("/v1/gradings?grade=M&limit=1")).json()
    assert await letters(six, f"grade=M&limit=1&cursor={first['next_cursor']}") == "a"


async def test_a_last_page_that_is_full_has_no_next(six: tuple[Running, dict[str, str]]) -> None:
    running, _ = six
    assert (await running.client.get("/v1/gradings?limit=6")).json()["next_cursor"] is None
    assert (await running.client.get("/v1/gradings?limit=5")).json()["next_cursor"]


def encoded(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "!!",
        "%C3%A9",
        encoded("x"),
        encoded("-1"),
        encoded("9" * 30),
        encoded("9" * 6000),
        encoded(" 1"),
        encoded("1.-1"),
        encoded("9" * 18 + ".1"),
    ],
)
async def test_a_cursor_that_is_none_is_refused(six: tuple[Running, dict[str, str]], cursor: str) -> None:
    running, _ = six
    response = await running.client.get(f"/v1/gradings?cursor={cursor}")
    assert (response.status_code, response.json()["code"]) == (422, "invalid_request")
    assert "is not a cursor" in response.json()["detail"]
    assert len(response.content) < 500


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("limit=0", "limit"),
        ("limit=501", "limit"),
        ("limit=many", "limit"),
        ("grade=XL", "grade"),
        ("lane=2", "lane"),
        ("max_confidence=1.5", "max_confidence"),
        ("max_confidence=nan", "max_confidence"),
        ("since=yesterday", "since"),
        ("until=2026-11-23T02:11:00", "until"),
        ("since=0001-01-01T00:00:00%2B10:00", "since"),
        ("lin=1", "lin: there is no such parameter"),
        ("model=0", "model"),
        ("reason=boredom", "reason"),
        ("model=2147483648", "model"),
        ("model=champion", "model"),
    ],
)
async def test_a_wrong_filter_is_named(six: tuple[Running, dict[str, str]], query: str, named: str) -> None:
    running, _ = six
    for path in ("gradings", "stats"):
        if path == "stats" and query.startswith("limit"):
            named = "limit: there is no such parameter"
        response = await running.client.get(f"/v1/{path}?{query}")
        assert (response.status_code, response.json()["code"]) == (422, "invalid_request")
        assert named in response.json()["detail"]


async def test_figures_are_counted_by_hundredths_of_confidence(six: tuple[Running, dict[str, str]]) -> None:
    running, _ = six
    for limit, total in (("0.4", 1), ("0.41", 1), ("0.39", 0), ("1", 5), ("0.07", 0), ("0.29", 0)):
        response = await running.client.get(f"/v1/stats?max_confidence={limit}")
        assert (response.status_code, response.json()["total"]) == (200, total)
    refused = await running.client.get("/v1/stats?max_confidence=0.8125")
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_request")
    assert refused.json()["detail"].startswith("max_confidence: figures are counted by hundredths")
    assert "two decimals at most" in refused.json()["detail"]
    assert (await running.client.get("/v1/gradings?max_confidence=0.8125")).status_code == 200


async def test_figures_of_a_model(six: tuple[Running, dict[str, str]]) -> None:
    running, _ = six
    for version, total, grade in ((2, 1, "L"), (3, 5, "M"), (4, 0, "M")):
        found = (await running.client.get(f"/v1/stats?model={version}")).json()
        assert (found["total"], found["grades"][grade]["count"]) == (total, min(total, 2))
    refused = await running.client.get("/v1/stats?model=3&max_confidence=0.5")
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_request")
    assert "leave out `model` or `max_confidence`" in refused.json()["detail"]


async def test_a_correction_is_shown_until_it_is_undone(six: tuple[Running, dict[str, str]]) -> None:
    running, names = six
    ids = {letter: grading_id for grading_id, letter in names.items()}
    made = {"grading_id": ids["b"], "by": "kato", "undone_at": None}
    rows = [
        {**made, "id": "1", "grade": "S", "note": "too short", "at": NOON},
        {**made, "id": "2", "grade": "not_a_cucumber", "note": None, "at": NOON + timedelta(seconds=1)},
        {**made, "id": "3", "grade": "C", "note": None, "at": NOON + timedelta(seconds=2), "undone_at": NOON},
    ]
    engine = running.context.records.engine  # type: ignore[union-attr]
    with engine.begin() as connection:
        connection.execute(insert(corrections), rows)
    shown = {"id": "2", "grade": "not_a_cucumber", "note": None, "by": "kato", "at": "2026-11-23T12:00:01.000Z"}
    listed = (await running.client.get("/v1/gradings")).json()
    GradingsPage.model_validate(listed)
    assert {names[one["id"]]: one.get("correction") for one in listed["gradings"]} == {**dict.fromkeys("abcdef"), "b": shown}
    assert (await running.client.get(f"/v1/gradings/{ids['b']}")).json()["correction"] == shown


async def test_a_page_takes_one_query_for_all_its_corrections(six: tuple[Running, dict[str, str]]) -> None:
    running, _ = six
    engine = running.context.records.engine  # type: ignore[union-attr]
    asked: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda connection, cursor, statement, *rest: asked.append(statement))
    await running.client.get("/v1/gradings")
    assert len([statement for statement in asked if "FROM corrections" in statement]) == 1
    assert len([statement for statement in asked if "FROM gradings" in statement]) == 1


async def test_an_unknown_grade_is_told_the_valid_ones(six: tuple[Running, dict[str, str]]) -> None:
    running, _ = six
    detail = (await running.client.get("/v1/gradings?grade=XL")).json()["detail"]
    assert all(f"'{grade}'" in detail for grade in GRADES)


async def test_figures(six: tuple[Running, dict[str, str]]) -> None:
    running, _ = six
    everything = (await running.client.get("/v1/stats")).json()
    assert set(everything) == set(Stats.model_fields)
    assert Stats.model_validate(everything).total == 6
    assert set(everything["grades"]) == set(GRADES)
    assert (await running.client.get("/v1/stats?line=1")).json()["grades"]["M"]["count"] == 2


@pytest.mark.parametrize("path", ["/v1/gradings/none", "/v1/gradings/none/image", "/v1/gradings/%00", "/v1/gradings/%FF/image"])
async def test_a_grading_that_is_not_there_is_404(service: Service, path: str) -> None:
    async with service() as running:
        response = await running.client.get(path)
    assert (response.status_code, response.json()["code"]) == (404, "grading_not_found")


@pytest.mark.usefixtures("champion")
@pytest.mark.parametrize("kind", FORMATS)
async def test_the_photograph_comes_back_byte_for_byte(service: Service, kind: str) -> None:
    data = picture(7, kind) + b"<script>alert(1)</script>"
    async with service() as running:
        made = (await running.client.post("/v1/grade", content=data)).json()
        response = await running.client.get(f"/v1/gradings/{made['id']}/image")
    assert response.content == data
    assert response.headers["content-type"] == MEDIA[kind]
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "immutable" in response.headers["cache-control"]


@pytest.mark.usefixtures("champion")
async def test_a_photograph_that_was_not_kept_or_was_deleted_is_404(service: Service, home: Path) -> None:
    async with service() as running:
        made = (await running.client.post("/v1/grade", content=picture(1))).json()
        for file in (home / "photographs").rglob("*.jpg"):
            file.unlink()
        response = await running.client.get(f"/v1/gradings/{made['id']}/image")
        assert (response.status_code, response.json()["code"]) == (404, "photograph_not_kept")
    async with service(keep="none") as running:
        made = (await running.client.post("/v1/grade", content=picture(1))).json()
        response = await running.client.get(f"/v1/gradings/{made['id']}/image")
        assert (response.status_code, response.json()["code"]) == (404, "photograph_not_kept")


@pytest.mark.usefixtures("champion")
async def test_without_records_the_answers_are_empty_and_of_the_same_shape(service: Service) -> None:
    async with service(records="off") as running:
        made = (await running.client.post("/v1/grade", content=picture(1))).json()
        assert made["grade"]
        assert (await running.client.get("/v1/gradings")).json() == {"gradings": [], "next_cursor": None}
        assert (await running.client.get(f"/v1/gradings/{made['id']}")).status_code == 404
        assert (await running.client.get(f"/v1/gradings/{made['id']}/image")).status_code == 404
        empty = (await running.client.get("/v1/stats")).json()
    async with service() as running:
        assert (await running.client.get("/v1/stats")).json() == empty
