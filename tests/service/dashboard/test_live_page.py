"""The live page: what is served, and what an operator sees in a real browser."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pytest
from fastapi import FastAPI
from playwright.sync_api import Browser, Page, expect

import service.dashboard
from models.grades import GRADES
from tests.pages import complaints_of
from tests.service.dashboard.fake_line import MODEL, FakeLine, create_fake, free_port, grading, serving

HERE = Path(service.dashboard.__file__).parent
TEMPLATES = sorted((HERE / "templates").iterdir())
STATIC = sorted((HERE / "static").iterdir())
SCRIPTS = [path for path in STATIC if path.suffix == ".js"]
BUDGET_BYTES = 150_000
SIZES = [(390, 844), (1024, 768), (1280, 800), (1920, 1080)]


@pytest.fixture
def line() -> FakeLine:
    return FakeLine()


@pytest.fixture
def address(line: FakeLine) -> Iterator[str]:
    with serving(line, free_port()) as url:
        yield url


@pytest.fixture
def complaints(page: Page) -> list[str]:
    """What the browser says against the page: script errors, refused inline code, files that are missing."""
    return complaints_of(page)


def until(page: Page, condition: Callable[[], bool]) -> None:
    """Wait for something that no element of the page shows."""
    for _ in range(200):
        if condition():
            return
        page.wait_for_timeout(50)
    raise AssertionError("it did not come to that")


# what is served


def test_the_page_allows_nothing_inline_and_nothing_from_outside(address: str) -> None:
    answer = httpx2.get(address)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert not re.search(r"\sstyle=|\son\w+=|<style|<script(?![^>]*\ssrc=)", answer.text)


def test_the_page_is_not_an_endpoint_for_programs(address: str) -> None:
    assert "/" not in httpx2.get(f"{address}/openapi.json").json()["paths"]


def test_a_page_behind_a_proxy_asks_under_its_prefix(line: FakeLine) -> None:
    app = FastAPI()
    app.mount("/shed", create_fake(line))
    with serving(line, free_port(), app) as url:
        text = httpx2.get(f"{url}/shed/").text
        linked = re.findall(r'(?:href|src)="(/[^"]+)"', text)
        assert linked
        assert all(link.startswith("/shed/") for link in linked)
        assert {httpx2.get(url + link).status_code for link in linked} == {200}


@pytest.mark.parametrize("path", STATIC, ids=lambda path: path.name)
def test_a_static_file_is_kept_and_asked_about_by_etag(address: str, path: Path) -> None:
    url = f"{address}/static/{path.name}"
    first = httpx2.get(url)
    assert first.status_code == 200
    assert first.headers["cache-control"] == "no-cache"
    assert first.headers["x-content-type-options"] == "nosniff"
    assert httpx2.get(url, headers={"If-None-Match": first.headers["etag"]}).status_code == 304


@pytest.mark.parametrize("path", ["/static/../routes.py", "/static/%2e%2e/routes.py", "/static/nothing.js"])
def test_only_static_files_are_served(address: str, path: str) -> None:
    assert httpx2.get(address + path).status_code == 404


@pytest.mark.parametrize(
    "path", [*TEMPLATES, *(path for path in STATIC if path.suffix in (".js", ".css", ".svg"))], ids=lambda path: path.name
)
def test_nothing_comes_from_outside_the_box(path: Path) -> None:
    text = path.read_text(encoding="utf-8").replace('"http://www.w3.org/2000/svg"', "")
    assert not re.findall(r"(?:https?:)?//[a-z0-9-]+\.[a-z]", text)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_scripts_are_small_modules_and_find_their_elements(path: Path) -> None:
    script = path.read_text(encoding="utf-8")
    page = "".join(template.read_text(encoding="utf-8") for template in TEMPLATES)
    assert len(script.splitlines()) < 200
    used = set(re.findall(r"(?:\bat|getElementById)\(\"([\w-]+)\"\)", script))
    assert used <= set(re.findall(r'\bid="([\w-]+)"', page))
    assert {f"{name}.js" for name in re.findall(r'from "\./([\w-]+)\.js"', script)} <= {each.name for each in SCRIPTS}
    assert "innerHTML" not in script  # a grading's text is never markup


def test_every_sign_that_a_state_needs_is_drawn() -> None:
    icons = (HERE / "templates" / "icons.html").read_text(encoding="utf-8")
    words = (HERE / "static" / "live-status.js").read_text(encoding="utf-8")
    block = re.search(r"PHASES = \{(.*?)\}", words, re.DOTALL)
    assert block
    for phase in re.findall(r"^  (\w+):", block[1], re.MULTILINE):
        assert f'id="phase-{phase}"' in icons


# in a browser


@pytest.mark.parametrize(("language", "waiting"), [("en", "Waiting for fruit"), ("ja", "きゅうり待ち")])
def test_the_first_load_is_small(line: FakeLine, address: str, browser: Browser, language: str, waiting: str) -> None:
    sizes: dict[str, int] = {}
    context = browser.new_context(locale=language)
    page = context.new_page()
    page.on("response", lambda answer: sizes.update({answer.url: len(answer.body())}) if "/v1/" not in answer.url else None)
    page.goto(address)
    expect(page.locator("#state-word")).to_have_text(waiting)
    context.close()
    assert len(sizes) > 10
    assert sum(sizes.values()) < BUDGET_BYTES


def test_without_fruit_the_page_says_what_to_do_next(address: str, page: Page, complaints: list[str]) -> None:
    page.goto(address)
    expect(page.locator("#state-word")).to_have_text("Waiting for fruit")
    expect(page.get_by_role("heading", name="Ready for the first cucumber")).to_be_visible()
    expect(page.locator("#empty-command")).to_have_text(
        f"curl --data-binary @photo.jpg -H 'Content-Type: image/jpeg' {address}/v1/grade"
    )
    expect(page.get_by_text("sends sample fruit from a simulated line")).to_be_visible()
    expect(page.locator("#first-model .chip")).to_be_visible()  # that step is done
    expect(page.locator(".fruit")).to_be_hidden()
    assert complaints == []


def test_without_a_model_the_page_says_so(line: FakeLine, address: str, page: Page) -> None:
    line.ready = False
    page.goto(address)
    expect(page.locator("#state-word")).to_have_text("No model yet")
    expect(page.get_by_role("heading", name="First, a model")).to_be_visible()
    line.ready = True
    line.tell("model", MODEL)
    expect(page.locator("#state-word")).to_have_text("Waiting for fruit")  # by itself


def test_gradings_are_shown_and_followed(line: FakeLine, address: str, page: Page, complaints: list[str]) -> None:
    line.add(*(grading(number, GRADES[number % 9]) for number in range(20)), grading(20, "2L"))
    page.goto(address)
    expect(page.locator("#fruit-grade")).to_have_text("2L")
    expect(page.locator("#fruit-kind")).to_have_text("straight")
    expect(page.locator("#fruit-confidence")).to_have_text("91 % sure")
    expect(page.locator("#fruit-second")).to_have_text("second choice L, 6 %")
    expect(page.get_by_alt_text("cucumber graded 2L").first).to_be_visible()
    expect(page.locator("#fruit-photo")).to_have_class("tiny")
    expect(page.locator("#recent-list > li")).to_have_count(12)
    expect(page.locator("#tally-total")).to_have_text("21")
    expect(page.locator("#model-name")).to_have_text("cucumber, version 3")
    assert page.locator("tr[data-grade] th").all_text_contents() == list(GRADES)

    line.add(grading(21, "BM"))
    expect(page.locator("#fruit-grade")).to_have_text("BM")
    expect(page.locator("#fruit-kind")).to_have_text("bent")
    expect(page.locator("#state-word")).to_have_text("Running")
    expect(page.locator("#recent-list > li")).to_have_count(12)
    expect(page.locator("#recent-list > li .letters").first).to_have_text("BM")
    expect(page.locator("#tally-total")).to_have_text("22")
    assert complaints == []


def test_the_same_grading_twice_is_one_fruit(line: FakeLine, address: str, page: Page) -> None:
    old, new = grading(1, "L"), grading(2, "S")
    line.add(old, new)
    page.goto(address)
    expect(page.locator("#recent-list > li")).to_have_count(2)
    line.tell("grading", new)
    line.tell("grading", old)  # replayed late: it neither doubles nor becomes the current fruit
    line.add(grading(3, "C"))
    expect(page.locator("#recent-list > li")).to_have_count(3)
    assert page.locator("#recent-list .letters").all_text_contents() == ["C", "S", "L"]


def test_the_manual_lane_says_why(line: FakeLine, address: str, page: Page, complaints: list[str]) -> None:
    line.add(grading(1, "S", lane="manual", confidence=0.48, reasons=["low_confidence", "rule_disagrees"]))
    page.goto(address)
    expect(page.locator(".lane")).to_be_visible()
    assert page.locator("#fruit-reasons span").all_text_contents() == ["not sure enough", "its measures say another grade"]
    expect(page.locator("#recent-list .flag")).to_be_visible()
    expect(page.locator("#tally-manual .count")).to_have_text("1")

    line.add(grading(2, None, second=None, lane="manual", confidence=0.0, reasons=["deadline_missed", "new_reason"]))
    expect(page.locator("#fruit-confidence")).to_have_text("no grade")
    assert page.locator("#fruit-reasons span").all_text_contents() == ["graded too late", "new reason"]
    expect(page.locator("#fruit-second")).to_have_text("")

    line.add(grading(3, "L"))
    expect(page.locator(".lane")).to_be_hidden()
    assert complaints == []


def test_a_line_without_fruit_for_a_while_is_waiting_and_grey(line: FakeLine, address: str, page: Page) -> None:
    line.add(grading(1, received_at=datetime.now(UTC) - timedelta(seconds=40)))
    page.goto(address)
    expect(page.locator("#state-word")).to_have_text("Waiting for fruit")
    expect(page.locator("#state-age")).to_have_text(re.compile(r"no fruit for 4\d s"))
    expect(page.locator("body")).to_have_attribute("data-stale", "yes")
    line.add(grading(2))
    expect(page.locator("#state-word")).to_have_text("Running")
    expect(page.locator("body")).to_have_attribute("data-stale", "no")


def test_a_lost_connection_is_said_and_mended(line: FakeLine, page: Page) -> None:
    port = free_port()
    with serving(line, port) as url:
        line.add(grading(1, "L"), grading(2, "S"))
        page.goto(url)
        expect(page.locator("#state-word")).to_have_text("Running")
    expect(page.locator("#state-word")).to_have_text("Not connected")
    expect(page.get_by_text("What is shown is old.")).to_be_visible()
    expect(page.locator("#state-age")).to_have_text(re.compile(r"last data \d+ s ago"))
    expect(page.locator("body")).to_have_attribute("data-stale", "yes")

    line.add(grading(3, "BS"))  # graded while nobody listened
    with serving(line, port):
        expect(page.locator("#state-word")).to_have_text("Running", timeout=15_000)
        expect(page.locator("#fruit-grade")).to_have_text("BS")
        expect(page.locator("#recent-list > li")).to_have_count(3)
        assert page.locator("#recent-list .letters").all_text_contents() == ["BS", "S", "L"]


def test_a_fast_line_neither_floods_the_page_nor_the_service(line: FakeLine, address: str, page: Page) -> None:
    page.goto(address)
    expect(page.locator("#state-word")).to_have_text("Waiting for fruit")
    page.evaluate(
        """() => {
            window.changes = 0;
            const letters = document.getElementById("fruit-grade");
            new MutationObserver(() => { window.changes += 1; }).observe(letters, { childList: true });
        }"""
    )
    for number in range(200):  # two seconds at a hundred a second
        line.add(grading(number, GRADES[number % 9]))
        page.wait_for_timeout(8)
    expect(page.locator("#recent-list > li .time")).to_have_count(12)
    expect(page.locator("#fruit-grade")).to_have_text(GRADES[199 % 9])
    assert page.evaluate("window.changes") < 40
    assert line.image_requests < 150


LINES = [
    {
        "name": "1",
        "lot": "A <b>",
        "grower": "Koike",
        "last_received_at": "2026-11-29T00:00:00Z",
        "per_minute": 0,
        "cameras": [{"name": "top", "last_received_at": None, "per_minute": 0}],
    },
    {"name": "2", "lot": None, "grower": None, "last_received_at": None, "per_minute": 0, "cameras": []},
]


def test_a_line_is_chosen_and_watched_alone(line: FakeLine, address: str, page: Page, complaints: list[str]) -> None:
    line.lines = LINES
    line.add(grading(1, "L"))
    page.goto(address)
    expect(page.locator(".line")).to_have_count(3)
    expect(page.locator(".line").nth(1)).to_contain_text("A <b> · Koike")
    assert "since=" in line.asked[-1]  # figures are the shift's
    page.get_by_role("button", name="Line 2").click()
    expect(page).to_have_url(f"{address}/?line=2")
    expect(page.get_by_role("button", name="Line 2")).to_have_attribute("aria-pressed", "true")
    until(page, lambda: "line=2" in line.asked[-1])
    expect(page.get_by_role("button", name="This lot")).to_be_disabled()  # nothing runs on it
    page.get_by_role("button", name="Line 1").click()
    page.get_by_role("button", name="This lot").click()
    until(page, lambda: "lot=A" in line.asked[-1] and "since=" not in line.asked[-1])
    page.reload()
    until(page, lambda: "line=1" in line.asked[-1])
    assert complaints == []


def test_the_language_changes_in_place(line: FakeLine, address: str, page: Page, complaints: list[str]) -> None:
    line.add(grading(1, "BM"))
    page.goto(address)
    expect(page.locator("#fruit-kind")).to_have_text("bent")
    page.evaluate("window.kept = true")
    page.get_by_role("button", name="日本語").click()
    expect(page.locator("#fruit-kind")).to_have_text("曲がり")
    expect(page.locator("#state-word")).to_have_text("稼働中")
    expect(page.locator("#fruit-grade")).to_have_text("BM")
    expect(page.locator("#recent-list .letters")).to_have_text("BM")
    assert page.title() == "ライブ · Senka"
    assert page.evaluate("window.kept")  # without a reload
    page.reload()
    expect(page.locator("html")).to_have_attribute("lang", "ja")  # this device keeps it
    page.get_by_role("button", name="English").click()
    expect(page.locator("#fruit-kind")).to_have_text("bent")
    assert complaints == []


def test_an_alarm_is_one_strip_until_somebody_has_seen_it(line: FakeLine, address: str, page: Page) -> None:
    line.alarms = [
        {
            "id": str(number),
            "name": name,
            "severity": severity,
            "detail": "<img src=x onerror=alert(1)>",
            "since": "2026-11-29T01:00:00Z",
            "until": None,
            "acknowledged_by": None,
            "acknowledged_at": None,
        }
        for number, (name, severity) in enumerate(
            [("disk_low", "warning"), ("database_away", "critical"), ("odd_one", "warning")]
        )
    ]
    page.goto(address)
    strip = page.locator("#alarms")
    expect(strip.locator("li")).to_have_count(1)
    expect(strip).to_contain_text("The records do not answer.")  # the gravest
    strip.get_by_role("button", name="2 more").click()
    expect(strip.locator("li")).to_have_count(3)
    expect(strip).to_contain_text("odd one")  # of which this page knows no words
    expect(strip.locator("img")).to_have_count(0)
    line.tell("alarm", {**line.alarms[1], "acknowledged_by": "Kenji"})
    expect(strip.locator("li").last).to_contain_text("Seen by Kenji")
    for alarm in line.alarms:
        line.tell("alarm", {**alarm, "until": "2026-11-29T02:00:00Z"})
    expect(strip).to_be_hidden()


def test_a_screen_above_the_belt_shows_the_fruit_alone(line: FakeLine, address: str, page: Page) -> None:
    line.add(grading(1, "2L"))
    page.goto(f"{address}/?big=1")
    expect(page.locator("#fruit-grade")).to_be_visible()
    expect(page.locator(".rail")).to_be_hidden()
    page.get_by_role("button", name="Big screen").click()
    expect(page.locator(".rail")).to_be_visible()
    expect(page).to_have_url(f"{address}/")


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_nothing_scrolls_sideways(line: FakeLine, address: str, page: Page, width: int, height: int) -> None:
    page.set_viewport_size({"width": width, "height": height})
    page.goto(address)
    expect(page.locator("#state-word")).to_have_text("Waiting for fruit")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    line.add(*(grading(number, GRADES[number % 9], lane="manual", reasons=["rule_disagrees"]) for number in range(12)))
    expect(page.locator("#recent-list > li")).to_have_count(12)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    if width >= 1024:  # a tablet on its stand: everything at a glance, no scrolling at all
        assert page.evaluate("document.documentElement.scrollHeight <= innerHeight")
