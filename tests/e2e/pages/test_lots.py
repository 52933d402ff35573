"""The page of lots in a real browser over a real service: what runs on the lines, and the report of what came."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect

from models.grades import GRADES
from tests.e2e.live import LiveService
from tests.e2e.shed import photograph, shed
from tests.pages import complaints_of, overflow_px, small_targets, untranslated, violations

HOSTILE = "<img src=x onerror=alert(1)>"
SIZES = ((390, 844), (1024, 768), (1920, 1080))
A, B = "2026-11-29-A", "2026-11-29-B"
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveService]:
    with shed(tmp_path_factory.mktemp("shed"), 12) as running:
        send(running, "PATCH", "/v1/farm", {"name": "Koike Farm", "time_zone": "Asia/Tokyo", "shift_starts": ["06:00", "18:00"]})
        yield running


@pytest.fixture(autouse=True)
def as_at_first(service: LiveService) -> None:
    """Each test begins with the lots of the shed on their lines."""
    for line, lot in (("1", A), ("2", B)):
        send(service, "PATCH", f"/v1/lots/{lot}", {"closed": False})
        send(service, "PATCH", f"/v1/lines/{line}", {"lot": lot})


def send(service: LiveService, method: str, path: str, body: object) -> Any:
    answer = service.request(method, path, json.dumps(body).encode(), JSON)
    assert answer.status < 300, answer.body
    return answer.json


def lot_on(service: LiveService, line: str) -> str | None:
    found: str | None = service.get(f"/v1/lines/{line}").json["lot"]
    return found


def total_of(service: LiveService, lot: str) -> int:
    found: int = service.get(f"/v1/stats?lot={lot}").json["total"]
    return found


def grade(service: LiveService, lot: str, count: int, line: str = "1") -> None:
    for seed in range(count):
        assert service.grade(photograph(seed), f"line={line}&lot={lot}").status == 200


def card(page: Page, line: str) -> Locator:
    return page.get_by_role("article", name=f"Line {line}")


def opened(page: Page, service: LiveService, search: str = "") -> Page:
    page.goto(f"{service}/lots{search}")
    expect(page.locator("#report-rows")).to_have_attribute("aria-busy", "false")
    expect(page.locator("#lines .busy")).to_have_count(0)
    return page


def test_another_lot_is_two_taps_away_and_so_is_the_way_back(page: Page, service: LiveService) -> None:
    opened(page, service)
    expect(card(page, "1").locator(".lot-name")).to_have_text(A)
    expect(card(page, "1")).to_contain_text("Koike")
    card(page, "1").get_by_role("button", name="Change lot").click()
    page.get_by_role("dialog").get_by_role("button", name=B).click()
    expect(card(page, "1").locator(".lot-name")).to_have_text(B)
    assert lot_on(service, "1") == B
    page.get_by_role("button", name="Undo").click()
    expect(card(page, "1").locator(".lot-name")).to_have_text(A)
    assert lot_on(service, "1") == A


def test_a_new_lot_has_a_name_ready_and_what_people_type_is_text(page: Page, service: LiveService) -> None:
    alarms: list[str] = []
    page.on("dialog", lambda dialog: (alarms.append(dialog.message), dialog.dismiss()))
    opened(page, service)
    card(page, "2").get_by_role("button", name="New lot").click()
    form = page.get_by_role("dialog")
    ready = form.get_by_label("Name of the lot").input_value()
    today = (datetime.now(UTC) + timedelta(hours=9)).date()  # of the farm, which is in Tokyo
    assert re.fullmatch(rf"{today}-[A-Z]", ready)
    assert service.get(f"/v1/lots/{ready}").status == 404
    form.get_by_label("Name of the lot").fill(HOSTILE)
    form.get_by_label("Or a new grower").fill(f"{HOSTILE} & sons")
    form.get_by_label("Note").fill(f"wet {HOSTILE}")
    form.get_by_role("button", name="Start").click()
    expect(card(page, "2").locator(".lot-name")).to_have_text(HOSTILE)
    expect(card(page, "2")).to_contain_text(f"{HOSTILE} & sons")
    expect(card(page, "2")).to_contain_text(f"wet {HOSTILE}")
    assert lot_on(service, "2") == HOSTILE
    assert service.grade(photograph(1), "line=2").status == 200  # the report has it too
    opened(page, service)
    expect(page.locator(".report-table").get_by_role("link", name=HOSTILE)).to_be_visible()
    card(page, "1").get_by_role("button", name="Change lot").click()
    expect(page.get_by_role("dialog").get_by_role("button", name=HOSTILE)).to_be_visible()
    assert page.locator("img[src=x]").count() == 0
    assert alarms == []


def test_a_name_that_is_taken_is_said_and_nothing_typed_is_lost(page: Page, service: LiveService) -> None:
    opened(page, service)
    card(page, "1").get_by_role("button", name="New lot").click()
    form = page.get_by_role("dialog")
    form.get_by_label("Name of the lot").fill(B)
    form.get_by_role("radio", name="Tanaka").check()
    form.get_by_label("Note").fill("first rows")
    form.get_by_role("button", name="Start").click()
    expect(form.get_by_role("alert")).to_contain_text("There is one of that name already.")
    expect(form.get_by_label("Note")).to_have_value("first rows")
    expect(form.get_by_role("radio", name="Tanaka")).to_be_checked()
    assert lot_on(service, "1") == A


def test_a_lot_ends_after_a_question_and_can_be_taken_back(page: Page, service: LiveService) -> None:
    opened(page, service)
    card(page, "1").get_by_role("button", name="End this lot").click()
    expect(page.get_by_role("dialog")).to_contain_text("It leaves line 1.")
    page.get_by_role("dialog").get_by_role("button", name="End this lot").click()
    expect(card(page, "1")).to_contain_text("No lot is chosen.")
    assert lot_on(service, "1") is None
    assert service.get(f"/v1/lots/{A}").json["closed_at"]
    page.get_by_role("button", name="Undo").click()
    expect(card(page, "1").locator(".lot-name")).to_have_text(A)
    assert service.get(f"/v1/lots/{A}").json["closed_at"] is None


def test_an_ended_lot_is_opened_again_where_a_lot_is_chosen(page: Page, service: LiveService) -> None:
    send(service, "PATCH", f"/v1/lots/{A}", {"closed": True})
    opened(page, service)
    card(page, "1").get_by_role("button", name="Choose lot").click()
    page.get_by_text("Open an ended lot again").click()
    page.get_by_role("dialog").get_by_role("button", name=A).click()
    expect(card(page, "1").locator(".lot-name")).to_have_text(A)


def test_grower_and_note_of_a_lot_can_be_put_right(page: Page, service: LiveService) -> None:
    send(service, "POST", "/v1/lots", {"name": "mine", "grower": "Koike", "note": "old"})
    send(service, "PATCH", "/v1/lines/1", {"lot": "mine"})
    opened(page, service)
    card(page, "1").get_by_role("button", name="Grower and note").click()
    page.get_by_role("dialog").get_by_role("radio", name="Tanaka").check()
    page.get_by_role("textbox", name="Note").fill("new")
    page.get_by_role("button", name="Save").click()
    expect(card(page, "1")).to_contain_text("Tanaka")
    found = service.get("/v1/lots/mine").json
    assert (found["grower"], found["note"]) == ("Tanaka", "new")


def test_fruit_of_a_wrong_lot_is_moved_after_its_count_is_said(page: Page, service: LiveService) -> None:
    grade(service, "wrong", 5)
    send(service, "POST", "/v1/lots", {"name": "right", "grower": "Tanaka"})
    send(service, "PATCH", "/v1/lines/1", {"lot": "wrong"})
    opened(page, service)
    card(page, "1").get_by_role("button", name="Wrong lot?").click()
    form = page.get_by_role("dialog").first
    expect(form.get_by_label("on record under lot")).to_have_value("wrong")
    expect(form.get_by_role("status")).to_have_text("5 fruit on line 1 would move.")
    expect(form.get_by_role("radio", name="wrong")).to_be_hidden()
    form.get_by_role("button", name="Go on").click()
    expect(form.get_by_role("alert")).to_have_text("Choose the lot that they belong to.")
    form.get_by_role("radio", name="right").check()
    form.get_by_label("from", exact=True).fill("2026-01-01T00:00")
    form.get_by_label("until").fill("2026-01-02T00:00")
    form.get_by_label("until").blur()
    expect(form.get_by_role("status")).to_contain_text("No fruit of this lot")
    form.get_by_role("button", name="The last hour").click()
    expect(form.get_by_role("status")).to_have_text("5 fruit on line 1 would move.")
    form.get_by_role("button", name="Go on").click()
    question = page.get_by_role("dialog", name="Move 5 fruit?")
    expect(question).to_contain_text("From lot wrong to lot right, line 1.")
    expect(question).to_contain_text("is noted in the record of changes")
    question.get_by_role("button", name="Cancel").click()
    assert total_of(service, "right") == 0
    form.get_by_role("button", name="Go on").click()
    question.get_by_role("button", name="Move 5 fruit").click()
    expect(page.locator("#toasts")).to_contain_text("5 fruit belong to lot right now.")
    assert (total_of(service, "wrong"), total_of(service, "right")) == (0, 5)
    assert service.get("/v1/audit?action=lot.reassigned").json["audit"][0]["detail"]["gradings"] == 5


def test_the_report_adds_up_and_leads_to_its_gradings(page: Page, service: LiveService) -> None:
    expected = service.get("/v1/report?by=lot").json
    opened(page, service)
    table = page.get_by_role("table", name="Report")
    expect(table.locator(".sum td.number").first).to_have_text(str(expected["total"]["total"]))
    expect(table.locator("tbody.one")).to_have_count(len(expected["rows"]))
    row = next(row for row in expected["rows"] if row["key"] == B)
    group = table.locator("tbody", has_text=B)
    expect(group.locator("td.number").first).to_have_text(str(row["total"]))
    said = group.get_by_role("img").get_attribute("aria-label")
    assert said
    for grade_letters in GRADES:
        assert (f"{grade_letters} " in said) == (row["grades"][grade_letters]["count"] > 0)
    figures = group.get_by_role("listitem")
    expect(figures).to_have_count(0)
    page.get_by_label("Figures of each grade").check()
    expect(figures).to_have_count(sum(part["count"] > 0 for part in row["grades"].values()) + (row["ungraded"] > 0))
    href = group.get_by_role("link", name=B).get_attribute("href")
    assert href
    assert href.startswith("/gradings?since=")
    assert href.endswith(f"lot={B}")


def test_what_is_asked_for_is_in_the_address(page: Page, service: LiveService) -> None:
    opened(page, service, "?by=day&since=2026-01-01T00:00:00Z")
    expect(page.get_by_role("button", name="by day")).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_label("from")).to_have_value("2026-01-01")
    expect(page.get_by_role("table", name="Report")).to_contain_text(re.compile(r"\w{3}, \w{3} \d"))
    page.get_by_role("button", name="by shift").click()
    page.get_by_role("combobox", name="Line").select_option("2")
    expect(page).to_have_url(re.compile(r"by=shift&since=2026-01-01.*line=2"))
    expect(page.get_by_role("table", name="Report").locator("tbody.one").first).to_contain_text("06:00")
    csv = page.get_by_role("link", name="CSV").get_attribute("href")
    assert csv
    assert {"by=shift", "line=2", "format=csv"} < set(csv.partition("?")[2].split("&"))
    answer = service.get(csv)
    assert (answer.status, answer.headers["content-type"].split(";")[0]) == (200, "text/csv")
    page.go_back()
    page.go_back()
    expect(page.get_by_role("button", name="by day")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="by grower").click()
    page.get_by_role("table", name="Report").get_by_role("link", name="Koike").click()
    expect(page).to_have_url(re.compile(r"by=lot.*grower=Koike"))
    expect(page.get_by_role("table", name="Report")).to_contain_text(A)


def test_where_there_is_no_fruit_the_page_says_what_to_do(page: Page, service: LiveService) -> None:
    opened(page, service, "?by=lot&since=2020-01-01T00:00:00Z&until=2020-02-01T00:00:00Z&lot=none")
    expect(page.locator("#report-rows")).to_contain_text("No fruit in this time")
    expect(page.locator("#report-lot")).to_contain_text("none")
    page.get_by_role("button", name="The last twelve months").click()
    expect(page.get_by_role("table", name="Report")).to_contain_text(A)
    expect(page.get_by_role("button", name="Twelve months").first).to_have_attribute("aria-pressed", "true")


def test_without_a_line_the_page_says_where_lines_come_from(page: Page, service: LiveService) -> None:
    page.route("**/v1/lines?*", lambda route: route.fulfill(json={"lines": [], "next_cursor": None}))
    opened(page, service)
    expect(page.locator("#lines")).to_contain_text("No line yet")
    expect(page.get_by_role("link", name="To the lines in Settings")).to_have_attribute("href", "/settings#lines")


def test_records_that_do_not_answer_are_said_in_both_places(page: Page, service: LiveService) -> None:
    def away(route: Route) -> None:
        route.fulfill(status=503, json={"code": "records_unavailable", "detail": "no database"})

    page.route("**/v1/lines?*", away)
    page.route("**/v1/report*", away)
    page.goto(f"{service}/lots")
    for place in ("#lines-trouble", "#report-trouble"):
        expect(page.locator(place)).to_contain_text("The records do not answer.")
    expect(page.locator(".busy:visible")).to_have_count(0)  # nothing goes on any more
    page.locator("[data-language]").click()
    for place in ("#lines-trouble", "#report-trouble"):
        expect(page.locator(place)).not_to_contain_text("The records do not answer.")
        expect(page.locator(place)).not_to_be_empty()


def test_no_report_stands_under_another_question(page: Page, service: LiveService) -> None:
    complaints = complaints_of(page)
    opened(page, service)
    held: list[Route] = []
    page.route("**/v1/report?by=day*", lambda route: held.append(route))
    page.get_by_role("button", name="by day").click()
    expect(page.locator("#report-rows")).to_have_attribute("aria-busy", "true")
    page.locator("[data-language]").click()  # the lots are drawn again, and not as days
    expect(page.locator("html")).to_have_attribute("lang", "ja")
    expect(page.locator(".report-table")).to_contain_text(A)
    expect(page.locator("#report-head h2")).to_have_count(1)
    assert complaints == []
    held[0].fulfill(status=503, json={"code": "records_unavailable", "detail": "no database"})
    expect(page.locator("#report-trouble")).not_to_be_empty()
    expect(page.locator(".report-table")).to_have_count(0)


def test_a_year_that_is_typed_key_by_key_is_one_date(page: Page, service: LiveService) -> None:
    opened(page, service)
    since = page.locator("[name=from]")
    since.focus()
    page.keyboard.type("01022025")
    expect(since).to_have_value("2025-01-02")
    expect(page).to_have_url(re.compile(r"since=2025-01-01T15"))


def test_who_and_where_are_asked_again_when_the_service_is_back(page: Page, service: LiveService) -> None:
    for path in ("session", "farm"):
        page.route(f"**/v1/{path}", lambda route: route.abort())
    opened(page, service)
    expect(page.locator("#lines button")).to_have_count(0)
    for path in ("session", "farm"):
        page.unroute(f"**/v1/{path}")
    page.evaluate("document.dispatchEvent(new CustomEvent('senka:link', { detail: 'open' }))")
    expect(card(page, "1").get_by_role("button", name="Change lot")).to_be_visible()
    expect(page.locator("#report-zone")).to_contain_text("Asia/Tokyo")


def test_times_of_a_wrong_lot_are_the_farms(page: Page, service: LiveService) -> None:
    opened(page, service)
    card(page, "1").get_by_role("button", name="Wrong lot?").click()
    form = page.get_by_role("dialog")
    form.get_by_role("button", name="Today").click()
    today = (datetime.now(UTC) + timedelta(hours=9)).date()
    expect(form.get_by_label("from", exact=True)).to_have_value(f"{today}T00:00")
    with page.expect_request("**/v1/stats?*") as sent:
        form.get_by_label("from", exact=True).fill("2026-01-01T00:00")
    assert "since=2025-12-31T15%3A00%3A00.000Z" in sent.value.url


def test_days_of_one_grower_do_not_lead_to_the_fruit_of_all(page: Page, service: LiveService) -> None:
    opened(page, service, "?by=day&since=2026-01-01T00:00:00Z&grower=Koike")
    expect(page.locator(".report-table tbody.one").first).to_be_visible()
    expect(page.locator(".report-table tbody.one a")).to_have_count(0)
    opened(page, service, "?by=lot&since=2026-01-01T00:00:00Z&grower=Koike")
    expect(page.locator(".report-table").get_by_role("link", name=A)).to_be_visible()


def test_a_viewer_sees_and_changes_nothing(page: Page, service: LiveService) -> None:
    page.route("**/v1/session", lambda route: route.fulfill(json={"kind": "user", "name": "Guest", "role": "viewer"}))
    opened(page, service)
    expect(card(page, "1").locator(".lot-name")).to_have_text(A)
    expect(page.locator("#lines button")).to_have_count(0)
    expect(page.get_by_role("table", name="Report")).to_be_visible()


def test_the_keyboard_does_it_all(page: Page, service: LiveService) -> None:
    opened(page, service)
    card(page, "1").get_by_role("button", name="Change lot").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(card(page, "1").get_by_role("button", name="Change lot")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    form = page.get_by_role("dialog")
    expect(form.get_by_label("Name of the lot")).to_be_focused()
    form.get_by_label("Name of the lot").fill("by hand")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")  # among the growers
    chosen = form.locator("input[type=radio]:checked").input_value()
    page.keyboard.press("Enter")
    expect(card(page, "1").locator(".lot-name")).to_have_text("by hand")
    assert (service.get("/v1/lots/by%20hand").json["grower"] or "") == chosen


def test_paper_has_the_report_and_nothing_else(page: Page, service: LiveService) -> None:
    page.add_init_script("localStorage.setItem('senka_theme', 'dark')")
    opened(page, service)
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 700, "height": 1000})  # a sheet of A4 between its margins
    expect(page.locator("#report-head h2")).to_have_text("Report by lot")
    expect(page.locator("#report-head")).to_contain_text("Koike Farm")
    expect(page.locator("#report-head")).to_contain_text("kg and yen are estimates.")
    for hidden in ("#lines", "#report-form", ".rail", ".bar", "#report-print"):
        expect(page.locator(hidden).first).to_be_hidden()
    expect(page.locator(".grade-counts").first).to_be_visible()
    weights = page.locator("#report-weights")
    assert weights.evaluate(
        "each => each.checkVisibility({ contentVisibilityAuto: true }) && each.getBoundingClientRect().height > 40"
    )
    assert page.locator(".report-table thead").evaluate("each => getComputedStyle(each).display") == "table-header-group"
    assert page.locator("body").evaluate("each => getComputedStyle(each).backgroundColor") == "rgb(255, 255, 255)"
    assert page.locator(".report-table .sum th").evaluate("each => getComputedStyle(each).color") == "rgb(28, 42, 32)"
    assert overflow_px(page) == 0


def test_days_begin_where_the_farm_is(page: Page, service: LiveService) -> None:
    opened(page, service)
    found = page.evaluate(
        """async () => {
          const time = await import(`${location.origin}/static/lots-time.js`);
          const iso = (zone, date) => new Date(time.startOf(zone, date)).toISOString();
          return {
            tokyo: iso('Asia/Tokyo', '2026-11-29'),
            summer: iso('Europe/Berlin', '2026-03-30'),
            change: iso('Europe/Berlin', '2026-03-29'),
            winter: iso('Europe/Berlin', '2026-10-26'),
            date: time.dateIn('Asia/Tokyo', Date.parse('2026-11-28T15:00:00Z')),
            periods: time.periods('Asia/Tokyo', Date.parse('2026-11-28T15:00:00Z')),
          };
        }"""
    )
    assert found == {
        "tokyo": "2026-11-28T15:00:00.000Z",
        "summer": "2026-03-29T22:00:00.000Z",
        "change": "2026-03-28T23:00:00.000Z",
        "winter": "2026-10-25T23:00:00.000Z",
        "date": "2026-11-29",
        "periods": {"today": "2026-11-29", "week": "2026-11-23", "month": "2026-11-01", "season": "2025-11-29"},
    }


@pytest.mark.parametrize(("language", "scheme"), [("en", "light"), ("ja", "dark")])
def test_every_size_language_and_light(browser: Browser, service: LiveService, language: str, scheme: Any) -> None:
    context = browser.new_context(locale=language, color_scheme=scheme)
    context.set_default_timeout(15_000)
    try:
        page = context.new_page()
        complaints = complaints_of(page)
        for width, height in SIZES:
            page.set_viewport_size({"width": width, "height": height})
            opened(page, service, "?by=lot&since=2026-01-01T00:00:00Z&lot=" + B)
            page.locator("#report-counts").check()
            page.locator("details.estimates summary").click()
            assert overflow_px(page) == 0, width
            assert small_targets(page) == [], width
        assert violations(page) == []
        if language == "ja":
            assert untranslated(page) == []
        for which, field in ((".main", ".pick"), (".start", "[name=name]"), (".quieter .button:nth-child(2)", "[name=since]")):
            page.locator(f".line .button{which}" if "quieter" not in which else f".line {which}").first.click()
            page.locator(f"dialog {field}").first.wait_for()
            assert violations(page) == [], which
            assert small_targets(page) == [], which
            if language == "ja":
                assert untranslated(page) == [], which
            page.keyboard.press("Escape")
            expect(page.locator("dialog")).to_have_count(0)
        assert complaints == []
    finally:
        context.close()
