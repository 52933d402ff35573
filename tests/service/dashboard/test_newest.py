"""The live page as it is served: with the fruit that was graded last, for tablets that are slow to run scripts."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI, Response
from playwright.sync_api import Browser, Page, expect

from service.dashboard.newest import LOOK_S, FindNewest, Newest
from service.dashboard.routes import mount
from service.errors import RecordsUnavailable
from service.grading import Grading, Origin
from tests.pages import violations
from tests.service.dashboard.fake_line import FakeLine, free_port, picture, serving
from tests.service.gradings import grading

EVIL = "\"'><img src=x onerror=alert(1)>"


def fresh(number: int = 0, grade: str | None = "BM", **changes: Any) -> Grading:
    return replace(grading(number, grade, **changes), received_at=datetime.now(UTC), photograph="ab/cdef")


class Shelf:
    """What the page is served from: by line, the newest."""

    def __init__(self) -> None:
        self.by_line: dict[str | None, Grading] = {}
        self.fail: Callable[[], object] = lambda: None

    def find(self, line: str | None) -> Newest | None:
        self.fail()
        found = self.by_line.get(line)
        return Newest.of(found) if found else None


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


def app_of(find: FindNewest) -> FastAPI:
    """Pages alone, with no service behind them but a photograph."""
    app = FastAPI()
    mount(app, find)

    @app.get("/v1/gradings/{grading_id}/image")
    async def image(grading_id: str) -> Response:
        return Response(picture(), media_type="image/png")

    return app


@pytest.fixture
def address(shelf: Shelf) -> Iterator[str]:
    with serving(FakeLine(), free_port(), app_of(shelf.find)) as url:
        yield url


@pytest.fixture
def still(browser: Browser) -> Iterator[Callable[[str], Page]]:
    """Makes pages that run no script, of a language."""
    contexts = []

    def make(language: str) -> Page:
        contexts.append(browser.new_context(java_script_enabled=False, locale=language))
        return contexts[-1].new_page()

    yield make
    for context in contexts:
        context.close()


@pytest.mark.parametrize(("language", "kind", "manual"), [("en", "bent", "Manual lane"), ("ja", "曲がり", "手選別レーン")])
def test_the_fruit_is_there_before_any_script_has_run(
    shelf: Shelf, address: str, still: Callable[[str], Page], language: str, kind: str, manual: str
) -> None:
    shelf.by_line[None] = fresh()
    page = still(language)
    page.goto(address)
    expect(page.locator("#fruit-grade")).to_have_text("BM")
    expect(page.locator("#fruit-kind")).to_have_text(kind)
    expect(page.locator(".empty")).to_be_hidden()
    expect(page.locator("#fruit-photo")).to_have_js_property("naturalWidth", 32)
    assert page.locator("body").get_attribute("data-stale") == "no"

    shelf.by_line[None] = fresh(1, "BM", lane="manual", reasons=("low_confidence",))
    page.goto(address)
    expect(page.get_by_text(manual)).to_be_visible()

    shelf.by_line[None] = replace(fresh(2, None), photograph=None)
    page.goto(address)
    expect(page.locator("#fruit-grade")).to_have_text("–")
    assert page.locator("#fruit-photo").get_attribute("src") is None


def test_it_is_the_chosen_lines_and_an_old_one_is_history(shelf: Shelf, address: str) -> None:
    shelf.by_line = {None: fresh(), "2": replace(fresh(1, "2L"), received_at=datetime.now(UTC) - timedelta(minutes=1))}
    of_all, of_one = httpx2.get(address).text, httpx2.get(f"{address}/?line=2").text
    assert '"fruit-grade">BM<' in of_all
    assert 'data-stale="no"' in of_all
    assert '"fruit-grade">2L<' in of_one
    assert 'data-stale="yes"' in of_one
    for nobodys in ("?line=9", "?line=%00"):
        assert 'data-filled="no"' in httpx2.get(f"{address}/{nobodys}").text


def test_what_cameras_send_is_text(shelf: Shelf, address: str, page: Page) -> None:
    shelf.by_line[None] = replace(fresh(), origin=Origin(camera=EVIL, line=EVIL, lot=EVIL))
    page.on("dialog", lambda dialog: pytest.fail(f"a script ran: {dialog.message}"))
    page.goto(address)
    assert page.evaluate("JSON.parse(document.querySelector('.fruit').dataset.newest).camera") == EVIL
    assert page.locator("img[src=x]").count() == 0


def test_it_is_for_everybody_before_the_scripts_have_come(shelf: Shelf, address: str, page: Page) -> None:
    shelf.by_line[None] = fresh()
    page.route("**/*.js", lambda route: route.abort())
    page.goto(address)
    expect(page.locator("#fruit-grade")).to_have_text("BM")
    assert violations(page) == []


@pytest.mark.parametrize("trouble", ["away", "slow"])
def test_the_page_comes_without_it_where_the_records_do_not_answer(shelf: Shelf, address: str, trouble: str) -> None:
    go_on = threading.Event()

    def away() -> None:
        raise RecordsUnavailable("no answer")

    shelf.by_line[None] = fresh()
    shelf.fail = away if trouble == "away" else lambda: go_on.wait(20)
    try:
        answer = httpx2.get(address, timeout=LOOK_S + 10)
    finally:
        go_on.set()
    assert answer.status_code == 200
    assert 'data-filled="no"' in answer.text
    shelf.fail = lambda: None
    assert 'data-filled="yes"' in httpx2.get(address).text
