"""Retrainings over HTTP: one at a time, in a process that outlives the service; who started and stopped them is on the trail."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, get_args

import pytest
from playwright.sync_api import Page, Route
from sqlalchemy import Engine

from models.architectures import NAMES
from models.retrainings import Retraining, Retrainings, RetrainRequest
from service import retrainings
from service.api.retrainings import PAGE_HEADERS, Architecture, Recipe, RetrainingDetail, RetrainingIn, RetrainingOut
from service.errors import RecordsUnavailable
from service.schemas import Problem
from service.security.headers import ALWAYS
from tests.browser import browser as browser
from tests.browser import page as page
from tests.service.api.test_batches import good
from tests.service.running import Running, until
from tests.service.test_retrainings import stand_in
from training.recipe import RECIPES

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("champion")]

Service = Callable[..., AbstractAsyncContextManager[Running]]


@pytest.fixture
def known(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Retrainings]:
    """Those in the service's home, run by a stand-in for the command."""
    with stand_in(home, monkeypatch) as found:
        yield found


async def begun(running: Running, **body: Any) -> str:
    answer = await running.client.post("/v1/retrainings", json={"records": True, **body})
    assert answer.status_code == 202, answer.text
    RetrainingOut.model_validate(answer.json())
    one: str = answer.json()["id"]
    assert answer.headers["location"] == f"/v1/retrainings/{one}"
    return one


async def refused(running: Running, path: str, status: int, code: str, **body: Any) -> dict[str, Any]:
    answer = await running.client.post(f"/v1/retrainings{path}", **({"json": body} if body else {}))
    problem: dict[str, Any] = answer.json()
    assert (answer.status_code, problem["code"]) == (status, code), problem
    Problem.model_validate(problem)
    assert str(running.context.settings.home) not in answer.text
    return problem


async def state(running: Running, one: str) -> str:
    found: str = (await running.client.get(f"/v1/retrainings/{one}")).json()["state"]
    return found


async def trail(running: Running) -> list[tuple[str, str, str, Any]]:
    lines = (await running.client.get("/v1/audit", params={"action": "retraining."})).json()["audit"]
    return [(one["actor"], one["action"], one["subject"], one["detail"]) for one in reversed(lines)]


async def test_batches_and_corrections_become_a_retraining(service: Service, known: Retrainings, tmp_path: Path) -> None:
    async with service() as running:
        batch = (await running.client.post("/v1/batches", content=good(tmp_path))).json()
        span = {"since": "2026-11-01", "until": "2026-11-24T17:00:00+09:00"}
        one = await begun(running, batches=[batch["id"], batch["id"]], records=span, require="not_worse", seed=3, threads=1)
        sources = [batch["source"], "records:2026-11-01..2026-11-24T08:00:00.000Z"]
        asked = known.request(one)
        assert asked.data == (str(running.context.settings.home / batch["source"]), sources[1])
        assert (asked.require, asked.seed, asked.threads, asked.by) == ("not_worse", 3, 1, "local")
        await until((known.folder(one) / "pid").exists)
        answer = await running.client.get(f"/v1/retrainings/{one}")
        found = RetrainingDetail.model_validate(answer.json())
        assert set(answer.json()) == set(RetrainingDetail.model_fields)
        assert (found.state, found.stage, found.pages, found.cancelling) == ("running", "training", ["intake"], False)
        assert list(found.request.data) == sources
        assert str(running.context.settings.home) not in answer.text
        (known.folder(one) / "go").touch()
        await until(lambda: known.get(one).state == "published")
        found = RetrainingDetail.model_validate((await running.client.get(f"/v1/retrainings/{one}")).json())
        assert (found.stage, found.version, found.pages) == ("done", 2, ["intake", "gate"])
        assert await trail(running) == [
            ("local", "retraining.started", one, {"data": sources, "require": "not_worse", "seed": 3, "threads": 1})
        ]


async def test_two_at_once_are_one_too_many(service: Service, known: Retrainings) -> None:
    async with service() as running:
        one = await begun(running)
        assert (await refused(running, "", 409, "retraining_running", records=True))["running"] == one
        await refused(running, f"/{one}/resume", 409, "retraining_not_resumable")
        (known.folder(one) / "go").touch()
        await until(lambda: known.running() is None)
        another = await begun(running, records={})
        assert known.request(another).data == ("records:",)
        assert {found.id for found in known.listed()} == {one, another}


async def test_cancelled_and_resumed(service: Service, known: Retrainings) -> None:
    async with service() as running:
        one = await begun(running)
        for _ in range(2):  # asking twice is asking once
            answer = await running.client.post(f"/v1/retrainings/{one}/cancel")
            assert answer.status_code == 202
        await until(lambda: known.running() is None)
        assert known.get(one).state == "cancelled"
        assert (await refused(running, f"/{one}/cancel", 409, "retraining_not_running"))["state"] == "cancelled"
        (known.folder(one) / "pid").unlink()
        answer = await running.client.post(f"/v1/retrainings/{one}/resume")
        found = answer.json()
        assert (answer.status_code, found["state"], found["text"], found["cancelling"]) == (202, "running", "", False)
        await until((known.folder(one) / "pid").exists)
        assert await state(running, one) == "running"  # the earlier cancelling is forgotten
        (known.folder(one) / "go").touch()
        await until(lambda: known.get(one).state == "published")
        await refused(running, f"/{one}/resume", 409, "retraining_not_resumable")
        assert await trail(running) == [
            ("local", "retraining.started", one, {"data": ["records:"]}),
            ("local", "retraining.cancelled", one, {}),
            ("local", "retraining.resumed", one, {"was": "cancelled"}),
        ]


async def test_it_outlives_the_service_and_a_killed_one_is_interrupted_and_resumed(service: Service, known: Retrainings) -> None:
    async with service() as running:
        one = await begun(running)
        await until((known.folder(one) / "pid").exists)
    async with service() as running:
        assert await state(running, one) == "running"
        await refused(running, "", 409, "retraining_running", records=True)
        os.kill(int((known.folder(one) / "pid").read_text()), signal.SIGKILL)
        await until(lambda: known.running() is None)
        assert await state(running, one) == "interrupted"
        assert (await running.client.post(f"/v1/retrainings/{one}/resume")).status_code == 202
        (known.folder(one) / "go").touch()
        await until(lambda: known.get(one).state == "published")
        said = await running.client.get(f"/v1/retrainings/{one}/log")
        assert (said.headers["content-type"], said.headers["cache-control"]) == ("text/plain; charset=utf-8", "no-store")
        assert said.text == "begun records:\n" * 2  # the second after the first
        assert (await trail(running))[-1][3] == {"was": "interrupted"}


async def test_what_makes_no_sense_is_refused_before_anything_is_made(service: Service, known: Retrainings) -> None:
    async with service() as running:
        unknown = await refused(running, "", 404, "not_found", batches=["one", "two"], records=True)
        assert unknown["unknown"] == ["one", "two"]
        for body, words in (
            ({"records": False}, "Name something to train with"),
            ({"records": True, "arch": "lenet", "recipe": "best"}, "give one of them"),
            ({"records": {"since": "2026-11-24", "until": "2026-11-23"}}, "is not before"),
            ({"records": {"since": "2026-11-24T00:00:00Z", "until": "2026-11-24T00:00:00Z"}}, "is not before"),
            ({"records": {"since": 1_700_000_000}}, "not a day"),
            ({"records": {"since": "24 November"}}, "not a day"),
            ({"records": {"since": "2026-11-24", "until": "9999-12-31"}}, "out of range"),
            ({"records": True, "to_golden": 0.6}, "to_golden"),
            ({"records": True, "arch": "../../x"}, "arch"),
            ({"records": True, "gpus": 8}, "there is no such parameter"),
        ):
            assert words in (await refused(running, "", 422, "invalid_request", **body))["detail"], body
        for path in ("/x/cancel", "/x/resume", "/..%2f/cancel"):
            await refused(running, path, 404, "not_found")
        for path in ("/x", "/x/intake", "/x/gate", "/x/log", "/20261124T000000Z-abcdef/gate"):
            assert (await running.client.get(f"/v1/retrainings{path}")).status_code == 404
        assert await trail(running) == []
    assert known.listed() == []


async def test_one_day_is_a_span(service: Service, known: Retrainings) -> None:
    async with service() as running:
        one = await begun(running, records={"since": "2026-11-24", "until": "2026-11-24"})
        assert known.request(one).data == ("records:2026-11-24..2026-11-24",)


async def test_where_training_is_not_installed(service: Service, known: Retrainings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrainings, "find_spec", lambda name: None if name == "torch" else True)
    async with service() as running:
        problem = await refused(running, "", 409, "training_not_installed", records=True)
        assert "pip install" in problem["detail"]
    assert known.listed() == []


async def test_without_records_nothing_is_started_but_what_runs_is_seen_and_stopped(service: Service, known: Retrainings) -> None:
    async with service() as running:
        one = await begun(running)
    async with service(records="off") as running:
        await refused(running, "", 409, "records_off", records=True)
        assert await state(running, one) == "running"
        assert (await running.client.post(f"/v1/retrainings/{one}/cancel")).json()["cancelling"] is True
        await until(lambda: known.get(one).state == "cancelled")


async def test_while_the_database_is_away_nothing_starts_but_what_runs_is_stopped(
    service: Service, known: Retrainings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away(_: Engine) -> Any:
        raise RecordsUnavailable("the database is away")

    async with service() as running:
        one = await begun(running)
        monkeypatch.setattr(retrainings, "reading", away)
        monkeypatch.setattr(retrainings, "writing", away)
        assert (await running.client.post(f"/v1/retrainings/{one}/cancel")).status_code == 202
        await until(lambda: known.running() is None)
        await refused(running, "", 503, "records_unavailable", records=True)
        await refused(running, f"/{one}/resume", 503, "records_unavailable")
    assert [found.state for found in known.listed()] == ["cancelled"]
    assert f"retraining.cancelled: {one}, by local" in caplog.text
    assert "could not be written to the audit trail" in caplog.text


async def test_pages_of_the_list(service: Service, known: Retrainings) -> None:
    ids = sorted((known.create(RetrainRequest(data=("x",))).id for _ in range(3)), reverse=True)
    async with service() as running:
        first = (await running.client.get("/v1/retrainings?limit=2")).json()
        rest = (await running.client.get("/v1/retrainings", params={"cursor": first["next_cursor"]})).json()
        assert [one["id"] for part in (first, rest) for one in part["retrainings"]] == ids
        assert {one["state"] for one in first["retrainings"]} == {"interrupted"}
        assert rest["next_cursor"] is None
        assert (await running.client.get("/v1/retrainings?cursor=x")).status_code == 422


async def test_the_pages_are_sandboxed(service: Service, known: Retrainings) -> None:
    async with service() as running:
        one = await begun(running)
        await until((known.folder(one) / "pid").exists)
        answer = await running.client.get(f"/v1/retrainings/{one}/intake")
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert "<p>intake</p>" in answer.text
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'; img-src data:;")
        assert policy.endswith("; sandbox")
        assert answer.headers["x-content-type-options"] == "nosniff"
        missing = await running.client.get(f"/v1/retrainings/{one}/gate")
        assert (missing.status_code, missing.json()["code"], missing.json()["stage"]) == (404, "page_not_made", "training")


def test_a_browser_shows_a_page_with_its_styles_and_pictures_and_runs_nothing(page: Page) -> None:
    picture = "data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw=="
    html = (
        f"<!doctype html><style>p{{color:rgb(1,2,3)}}</style><p>x</p><img src='{picture}'><script>document.title='ran'</script>"
    )
    headers = {name.decode(): value.decode() for name, value in ALWAYS} | {
        name.lower(): value for name, value in PAGE_HEADERS.items()
    }

    def answer(route: Route) -> None:
        route.fulfill(status=200, headers={**headers, "content-type": "text/html; charset=utf-8"}, body=html)

    page.route("**/*", answer)
    page.goto("http://127.0.0.1:9/v1/retrainings/x/intake")
    assert page.title() == ""
    assert page.locator("p").evaluate("it => getComputedStyle(it).color") == "rgb(1, 2, 3)"
    assert page.locator("img").evaluate("it => it.naturalWidth") == 1


def test_what_may_be_asked_is_what_training_knows() -> None:
    assert set(get_args(Architecture)) == set(NAMES)
    assert set(get_args(Recipe)) == set(RECIPES)
    assert set(RetrainingIn.model_fields) - {"batches", "records"} <= set(RetrainRequest.model_fields)
    assert RetrainingIn().model_dump(exclude={"batches", "records"}).items() <= RetrainRequest(data=("x",)).model_dump().items()
    assert set(Retraining.model_fields) < set(RetrainingOut.model_fields)
