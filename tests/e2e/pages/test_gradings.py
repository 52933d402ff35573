"""The pages Gradings and Grading: what was graded is found, looked at and corrected, of a real service in a real browser."""

import json
import re
from collections.abc import Iterator
from typing import Any, Literal
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import pytest
from playwright.sync_api import Page, Route, expect

from tests.e2e.live import LiveService
from tests.e2e.shed import photograph, shed
from tests.pages import complaints_of, overflow_px, small_targets, untranslated, violations

FRUIT = 66
PAGE = 60
"""Of the list, before "Show more"."""
EVIL = "<img src=x onerror=alert(1)>"
SIZES = [(390, 844), (1024, 768), (1920, 1080)]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveService]:
    """Fruit of two lines, some of it in the manual lane, and one whose lot and camera have a name like markup."""
    with shed(tmp_path_factory.mktemp("gradings"), fruit=FRUIT, manual_below=0.3) as running:
        named = urlencode({"camera": EVIL, "lot": EVIL, "captured_at": "2026-11-28T23:00:00Z"})
        assert running.grade(photograph(4, (64, 120)), named).status == 200
        yield running


@pytest.fixture
def complaints(page: Page) -> list[str]:
    return complaints_of(page)


def listed(service: LiveService, **asked: object) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = service.get(f"/v1/gradings?{urlencode({'limit': 200, **asked})}").json["gradings"]
    return found


def tiles(page: Page) -> list[str | None]:
    return [each.get_attribute("data-id") for each in page.locator("#results .tile").all()]


def asked(page: Page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.url).query)


def correct(service: LiveService, grading: dict[str, Any], grade: str) -> dict[str, Any]:
    body = json.dumps({"grading_id": grading["id"], "grade": grade}).encode()
    answer = service.request("POST", "/v1/corrections", body, {"Content-Type": "application/json"})
    assert answer.status == 201, answer.body
    made: dict[str, Any] = answer.json
    return made


def unfolded(page: Page) -> None:
    """The filters are there; wide screens have them open."""
    if page.locator("#fold").get_attribute("aria-expanded") == "false":
        page.locator("#fold").click()
    expect(page.locator("#filters")).to_be_visible()


# the list


def test_the_wall_shows_the_newest_first_and_more_on_demand(page: Page, service: LiveService, complaints: list[str]) -> None:
    found = listed(service)
    page.goto(f"{service}/gradings")
    expect(page.locator("#results .tile")).to_have_count(PAGE)
    assert tiles(page) == [each["id"] for each in found[:PAGE]]
    expect(page.locator("#count")).to_contain_text(f"{FRUIT + 1} gradings")
    first, tile = found[0], page.locator("#results .tile").first
    expect(tile.locator(".letters")).to_have_text(first["grade"])
    expect(tile).to_contain_text(f"{round(first['confidence'] * 100)}")
    expect(tile).to_contain_text(f"then {first['runner_up']['grade']}")
    manual = next(each["id"] for each in found if each["lane"] == "manual")
    expect(page.locator(f"[data-id='{manual}'] .flag")).to_contain_text("manual lane")
    page.locator("#more").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#results .tile")).to_have_count(FRUIT + 1)
    expect(page.locator("#more")).to_be_hidden()
    # whoever works by keys goes on with the first of those that came
    expect(page.locator(f".tile[data-id='{found[PAGE]['id']}']")).to_be_focused()
    # and whoever comes back from one of them finds the list as it was
    page.keyboard.press("Enter")
    expect(page.locator("#one")).to_be_visible()
    page.go_back()
    expect(page.locator("#results .tile")).to_have_count(FRUIT + 1)
    assert complaints == []


def test_filters_live_in_the_address_and_the_back_button_takes_them_back(
    page: Page,
    service: LiveService,
    complaints: list[str],
) -> None:
    page.goto(f"{service}/gradings")
    unfolded(page)
    expect(page.locator("[name=line] option[value='2']")).to_be_attached()
    page.locator("[name=line]").select_option("2")
    expect(page.locator("#results .tile")).to_have_count(FRUIT // 2)
    page.locator("[name=lane]").select_option("manual")
    manual = listed(service, line="2", lane="manual")
    assert 0 < len(manual) < FRUIT // 2
    expect(page.locator("#results .tile")).to_have_count(len(manual))
    expect(page.locator("#count")).to_contain_text(f"{len(manual)} grading")
    assert asked(page) == {"line": ["2"], "lane": ["manual"]}
    page.locator("[name=max_confidence]").fill("20")
    page.keyboard.press("Enter")
    unsure = listed(service, line="2", lane="manual", max_confidence=0.2)
    expect(page.locator("#results .tile")).to_have_count(len(unsure))
    assert asked(page)["max_confidence"] == ["0.2"]
    page.go_back()
    page.go_back()
    expect(page.locator("#results .tile")).to_have_count(FRUIT // 2)
    expect(page.locator("[name=lane]")).to_have_value("")
    # passed on, the address shows the same to somebody else
    page.goto(page.url)
    expect(page.locator("#results .tile")).to_have_count(FRUIT // 2)
    page.set_viewport_size({"width": 390, "height": 844})
    page.locator("#fold").click()
    page.locator("#chosen button").click()  # a filter in use is a button that takes it away
    expect(page.locator("#results .tile")).to_have_count(PAGE)
    assert asked(page) == {}
    assert complaints == []


def test_a_time_a_lot_a_model_and_a_grade(page: Page, service: LiveService, complaints: list[str]) -> None:
    page.goto(f"{service}/gradings")
    unfolded(page)
    page.locator("#spans [value=today]").click()
    expect(page.locator("#spans [value=today]")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#results .tile")).to_have_count(PAGE)
    assert asked(page) == {"span": ["today"]}
    page.locator("[name=lot]").fill("2026-11-29-A")
    page.locator("[name=lot]").press("Tab")
    expect(page.locator("#results .tile")).to_have_count(FRUIT // 2)
    expect(page.locator("[name=model] option[value='1']")).to_have_text("version 1, in use")
    page.locator("[name=model]").select_option("1")
    expect(page.locator("#count")).to_contain_text(f"{FRUIT // 2} gradings")
    grade = listed(service, lot="2026-11-29-A")[0]["grade"]
    page.locator("[name=grade]").select_option(grade)
    expect(page.locator("#results .tile")).to_have_count(len(listed(service, lot="2026-11-29-A", grade=grade)))
    page.locator("[name=since]").fill("2020-01-01T06:30")
    page.locator("[name=until]").fill("2020-01-02T06:30")
    expect(page.locator("#results .nothing")).to_contain_text("No grading fits")
    assert "span" not in asked(page)
    assert asked(page)["since"][0].startswith("20")
    page.get_by_role("button", name="Show all").click()
    expect(page.locator("#results .tile")).to_have_count(PAGE)
    assert asked(page) == {}
    page.locator("#spans [value=yesterday]").click()
    expect(page.locator("#results .nothing")).to_be_visible()
    assert complaints == []


def test_corrected_ones_show_both_grades_and_can_be_looked_for(
    page: Page,
    service: LiveService,
    complaints: list[str],
) -> None:
    found = listed(service)
    changed, confirmed = found[10], found[11]
    other = "C" if changed["grade"] != "C" else "L"
    made = [correct(service, changed, other), correct(service, confirmed, confirmed["grade"])]
    try:
        page.goto(f"{service}/gradings?corrected=true")
        expect(page.locator("#results .tile")).to_have_count(2)
        letters = page.locator(f"[data-id='{changed['id']}'] .letters")
        expect(letters.locator("[aria-hidden]")).to_have_text(f"{changed['grade']} → {other}")
        expect(letters.locator(".unseen")).to_have_text(f"{changed['grade']}, corrected to {other}")
        expect(page.locator(f"[data-id='{confirmed['id']}'] .letters")).to_have_text(f"{confirmed['grade']} confirmed")
        page.goto(f"{service}/gradings?corrected=false")
        expect(page.locator("#results .tile").first).to_be_visible()
        assert not {changed["id"], confirmed["id"]} & set(tiles(page))
    finally:
        for each in made:
            assert service.request("DELETE", f"/v1/corrections/{each['id']}").status == 200
    assert complaints == []


def test_a_table_and_a_file_of_the_same(page: Page, service: LiveService, complaints: list[str]) -> None:
    page.goto(f"{service}/gradings?line=1")
    page.locator("#views [value=table]").click()
    rows = page.locator("#results tbody tr")
    expect(rows).to_have_count(FRUIT // 2)
    assert asked(page) == {"line": ["1"], "view": ["table"]}
    expect(rows.first).to_contain_text("line1-top")
    with page.expect_download() as coming:
        page.locator("#csv").click()
    lines = coming.value.path().read_text(encoding="utf-8").splitlines()
    assert len(lines) == 1 + FRUIT // 2
    assert "format=parquet" in str(page.locator("#parquet").get_attribute("href"))
    rows.first.locator("a").click()
    expect(page.locator("#one")).to_be_visible()
    assert complaints == []


def test_before_anything_was_graded_the_page_says_what_comes_next(page: Page, service: LiveService) -> None:
    page.route("**/v1/gradings?*", lambda route: route.fulfill(json={"gradings": [], "next_cursor": None}))
    page.goto(f"{service}/gradings")
    expect(page.locator("#results .nothing")).to_contain_text("Nothing has been graded yet")
    expect(page.locator("#results .nothing a")).to_have_attribute("href", re.compile("/settings#cameras$"))


def test_a_search_that_fails_says_so_and_claims_nothing(page: Page, service: LiveService) -> None:
    page.goto(f"{service}/gradings?grade=XL")
    expect(page.locator("#trouble")).to_contain_text("cannot be used")
    expect(page.locator("#results")).to_be_empty()
    page.goto(f"{service}/gradings?line=1")
    page.route("**/v1/gradings?*", lambda route: route.abort())
    expect(page.locator("#results .tile").first).to_be_visible()
    page.locator("#spans [value=today]").click()
    expect(page.locator("#trouble")).to_contain_text("does not answer")
    page.unroute("**/v1/gradings?*")
    page.locator("#spans [value='']").click()
    expect(page.locator("#trouble")).to_be_empty()
    expect(page.locator("#results .tile")).to_have_count(FRUIT // 2)


def test_a_year_that_is_typed_key_by_key_is_one_choice(page: Page, service: LiveService, complaints: list[str]) -> None:
    page.goto(f"{service}/gradings")
    unfolded(page)
    expect(page.locator("#results .tile")).to_have_count(PAGE)
    before = page.evaluate("history.length")
    since = page.locator("[name=since]")
    since.fill("2024-05-06T07:30")
    page.wait_for_url("**since=2024-05-0*")
    page.keyboard.type("01022025")  # month, day, and a year that is 2, 20 and 202 on its way
    expect(since).to_have_value("2025-01-02T07:30")
    page.wait_for_url("**since=2025-01-0*")
    assert page.evaluate("history.length") == before + 1
    expect(page.locator("#results .tile")).to_have_count(PAGE)
    assert complaints == []


def test_a_filter_that_is_taken_away_hands_the_focus_on(page: Page, service: LiveService) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{service}/gradings?line=1&lane=manual")
    chosen = page.locator("#chosen button")
    expect(chosen).to_have_count(2)
    chosen.last.focus()
    page.keyboard.press("Enter")
    expect(chosen).to_have_count(1)
    expect(chosen).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#fold")).to_be_focused()


def test_a_day_begins_where_the_farm_is(page: Page, service: LiveService) -> None:
    farm = service.get("/v1/farm").json
    page.route("**/v1/farm", lambda route: route.fulfill(json={**farm, "time_zone": "Pacific/Kiritimati"}))
    with page.expect_request("**/v1/gradings?*") as sent:
        page.goto(f"{service}/gradings?span=yesterday")
    wanted = parse_qs(urlsplit(sent.value.url).query)
    # 14 hours ahead of UTC all year
    assert (wanted["since"][0][10:], wanted["until"][0][10:]) == ("T10:00:00.000Z", "T10:00:00.000Z")


def test_after_a_break_the_list_and_what_was_not_answered_are_asked_for_again(page: Page, service: LiveService) -> None:
    page.route("**/v1/session", lambda route: route.abort())
    page.goto(f"{service}/gradings")
    expect(page.locator("#results .tile")).to_have_count(PAGE)
    page.locator("#more").click()
    expect(page.locator("#more")).to_be_hidden()
    before = page.locator("#results .tile").count()
    expect(page.locator("#export")).to_be_hidden()
    page.locator("#results .tile").nth(2).focus()
    found = listed(service)
    newest = {**found[0], "id": "0193a2f0-7b1c-7d2e-9a57-1f0e4b6c2d11"}
    page.route("**/v1/gradings?*", lambda route: route.fulfill(json={"gradings": [newest, *found], "next_cursor": None}))
    page.unroute("**/v1/session")
    page.evaluate("for (const detail of ['lost', 'open']) document.dispatchEvent(new CustomEvent('senka:link', { detail }))")
    expect(page.locator("#results .tile")).to_have_count(before + 1)
    expect(page.locator(f".tile[data-id='{found[2]['id']}']")).to_be_focused()
    expect(page.locator("#export")).to_be_visible()


def test_more_of_a_list_is_not_added_to_another(page: Page, service: LiveService) -> None:
    page.goto(f"{service}/gradings")
    expect(page.locator("#more")).to_be_enabled()
    held: list[Route] = []
    page.route("**/v1/gradings?*line=1*", lambda route: held.append(route))
    unfolded(page)
    page.locator("[name=line]").select_option("1")
    expect(page.locator("#busy")).to_be_visible()
    expect(page.locator("#more")).to_be_disabled()
    held[0].continue_()
    expect(page.locator("#results .tile")).to_have_count(FRUIT // 2)
    expect(page.locator("#busy")).to_be_hidden()


def test_what_went_wrong_is_said_in_the_language_of_the_moment(page: Page, service: LiveService) -> None:
    off = {"code": "records_off", "detail": "no records"}
    page.route("**/v1/gradings?*", lambda route: route.fulfill(status=409, json=off))
    page.goto(f"{service}/gradings")
    expect(page.locator("#trouble")).to_contain_text("keeps no records")
    expect(page.locator("#busy")).to_be_hidden()
    page.locator("[data-language]").click()
    expect(page.locator("#trouble")).not_to_contain_text("keeps no records")
    expect(page.locator("#trouble")).not_to_be_empty()
    expect(page.locator("#results")).to_be_empty()


# one grading


def test_one_grading_with_all_that_is_known(page: Page, service: LiveService, complaints: list[str]) -> None:
    grading = listed(service, line="1")[0]
    page.goto(f"{service}/gradings/{grading['id']}")
    expect(page.locator("#verdict .letters")).to_have_text(grading["grade"])
    expect(page.locator("#verdict")).to_contain_text(f"{round(grading['confidence'] * 100)}\u00a0% sure")
    bars = page.locator("#probabilities li")
    expect(bars).to_have_count(9)
    expect(page.locator("#probabilities [data-first]")).to_contain_text(grading["grade"])
    widths = [float(str(bar.get_attribute("width"))) for bar in page.locator("#probabilities rect.fill").all()]
    assert widths == pytest.approx([100 * share for share in grading["probabilities"].values()], abs=1e-6)
    expect(page.locator("#origin")).to_contain_text("Koike")
    expect(page.locator("#origin a", has_text="line1-top")).to_have_attribute("href", re.compile(r"/gradings\?camera=line1-top$"))
    expect(page.locator("#model")).to_contain_text("Below 30\u00a0% sure, fruit goes to the manual lane.")
    page.locator("#model summary").click()
    expect(page.locator("#model code")).to_have_text(grading["model"]["sha256"])
    parts = [float(str(bar.get_attribute("width"))) for bar in page.locator("#timing rect:not(.well)").all()]
    assert sum(parts) == pytest.approx(100, abs=0.5)
    expect(page.locator("#measures")).to_contain_text("Nothing was measured")
    expect(page.locator("#similar .tile")).to_have_count(12)
    assert grading["id"] not in [each.get_attribute("data-id") for each in page.locator("#similar .tile").all()]
    expect(page.locator("#why")).to_have_attribute("href", re.compile(f"/explain\\?grading={grading['id']}$"))
    assert complaints == []


def test_measures_are_in_millimetres_where_the_camera_is_calibrated(page: Page, service: LiveService) -> None:
    grading = listed(service)[0]
    measured = {"length_px": 200.0, "length_mm": 100.0, "width_px": 40.0, "bend_ratio": 0.052, "area_px": 7200.0}

    def answered(route: Route) -> None:
        route.fulfill(json={**grading, "measurement": measured, "lane": "manual", "reasons": ["rule_disagrees"]})

    page.route(f"**/v1/gradings/{grading['id']}", answered)
    page.goto(f"{service}/gradings/{grading['id']}")
    for words in ("100 mm (200 pixels)", "20 mm (40 pixels)", "5.2 mm per 10 cm", "18.0 cm² (7,200 pixels)"):
        expect(page.locator("#measures")).to_contain_text(words)
    expect(page.locator("#verdict .lane")).to_contain_text("its measures say another grade")


def test_a_rule_says_the_share_that_it_has(page: Page, service: LiveService) -> None:
    page.route("**/v1/profiles/*", lambda route: route.fulfill(json={"version": 1, "rules": {"manual_below": 0.625}}))
    page.goto(f"{service}/gradings/{listed(service)[0]['id']}")
    expect(page.locator("#model")).to_contain_text("Below 62.5\u00a0% sure, fruit goes to the manual lane.")


def test_the_photograph_is_outlined_and_enlarged(page: Page, service: LiveService, complaints: list[str]) -> None:
    found = listed(service)
    page.goto(f"{service}/gradings/{found[1]['id']}")
    expect(page.locator("#sheet .outline .centre")).to_have_count(2)
    shown = page.locator("#sheet .outline").evaluate(
        "svg => [svg.querySelector('.edge').getBBox(), svg.viewBox.baseVal].map((b) => b.width)"
    )
    assert 0.1 < shown[0] / shown[1] <= 1  # a fruit, not a speck
    page.locator("#outline").click()
    expect(page.locator("#sheet .outline")).to_have_count(0)
    before = page.locator("#sheet").evaluate("sheet => sheet.clientWidth")
    page.locator("#larger").click()
    assert page.locator("#sheet").evaluate("sheet => sheet.clientWidth") == pytest.approx(2 * before, abs=2)
    page.locator("#larger").click()
    expect(page.locator("#larger")).to_be_disabled()
    frame = page.locator("#frame")
    at = frame.evaluate("frame => frame.scrollLeft")
    frame.focus()
    page.keyboard.press("ArrowRight")  # what does not fit is reached by keys too
    page.wait_for_function("(at) => document.getElementById('frame').scrollLeft > at", arg=at)
    assert overflow_px(page) == 0
    assert complaints == []


def test_what_spoke_for_a_grade_is_drawn_or_said_to_be_missing(page: Page, service: LiveService) -> None:
    grading = listed(service)[1]
    answer = {
        "grade": grading["grade"],
        "runner_up": grading["runner_up"]["grade"],
        "map": {"values": [[0.0, 0.2, 0.0], [0.1, 1.4, 0.3], [0.0, 0.2, -0.6]], "minimum": -0.6, "maximum": 1.4, "weak": False},
        "placement": {"rotated": False, "left": 0, "top": 0, "width": 16, "height": 16, "input_width": 16, "input_height": 16},
    }
    page.route(
        "**/v1/explain/why/*", lambda route: route.fulfill(status=409, json={"code": "checkpoint_missing", "detail": "no file"})
    )
    page.goto(f"{service}/gradings/{grading['id']}")
    page.locator("#reasons").click()
    expect(page.locator("#photo-said")).to_contain_text("cannot be shown")
    expect(page.locator("#reasons")).to_have_attribute("aria-pressed", "false")
    page.unroute("**/v1/explain/why/*")
    page.route("**/v1/explain/why/*", lambda route: route.fulfill(json=answer))
    page.locator("#reasons").click()
    expect(page.locator("#reason-lines")).to_be_visible()
    expect(page.locator("#photo-said")).to_contain_text(f"what spoke for {grading['grade']}")
    drawn = "canvas => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some((value) => value > 0)"
    assert page.locator("#reason-lines").evaluate(drawn)
    page.locator("#reasons").click()
    expect(page.locator("#reason-lines")).to_be_hidden()


def test_earlier_and_later_go_through_all_of_them(page: Page, service: LiveService, complaints: list[str]) -> None:
    found = [each["id"] for each in listed(service)]
    page.goto(f"{service}/gradings/{found[0]}")
    expect(page.locator("#later")).to_have_attribute("aria-disabled", "true")
    for step in (1, 2):
        page.locator("#earlier[href]").click()
        page.wait_for_url(f"**/{found[step]}")
    page.locator("#later[href]").click()
    page.wait_for_url(f"**/{found[1]}")
    page.goto(f"{service}/gradings/{found[-1]}")
    expect(page.locator("#later")).to_have_attribute("href", re.compile(found[-2]))
    expect(page.locator("#earlier")).to_have_attribute("aria-disabled", "true")
    assert complaints == []


def test_correcting_by_keys_and_taking_it_back(page: Page, service: LiveService, complaints: list[str]) -> None:
    grading = listed(service)[5]
    other = "2L" if grading["grade"] != "2L" else "L"
    page.goto(f"{service}/gradings/{grading['id']}")
    expect(page.locator("#corrections")).to_contain_text("Nobody has corrected it.")
    page.locator("#correct").focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("radio")).to_have_count(10)
    assert all(
        box["width"] >= 76 and box["height"] >= 76 for each in dialog.locator(".choice").all() if (box := each.bounding_box())
    )
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(page.locator("#correct")).to_be_focused()
    page.keyboard.press("Enter")
    dialog.get_by_role("radio", name=other, exact=True).check()
    dialog.locator("textarea").fill(EVIL)
    dialog.locator("textarea").press("Tab")  # Cancel
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#toasts")).to_contain_text(f"Corrected to {other}")
    expect(page.locator("#verdict .letters [aria-hidden]")).to_have_text(f"{grading['grade']} → {other}")
    expect(page.locator("#corrections .note")).to_have_text(EVIL)
    # another one counts instead, until it is taken back
    page.locator("#correct").click()
    dialog.get_by_role("radio", name="not a cucumber").check()
    dialog.get_by_role("button", name="Correct").click()
    expect(page.locator("#corrections li")).to_have_count(2)
    expect(page.locator("#verdict .letters [aria-hidden]")).to_contain_text("not a cucumber")
    page.locator("#toasts").get_by_role("button", name="Undo").click()
    expect(page.locator("#verdict .letters [aria-hidden]")).to_have_text(f"{grading['grade']} → {other}")
    expect(page.locator("#corrections li[data-undone=yes]")).to_have_count(1)
    page.locator("#corrections").get_by_role("button", name="Undo").click()
    expect(page.locator("#corrections li[data-undone=yes]")).to_have_count(2)
    expect(page.locator("#verdict .letters")).to_have_text(grading["grade"])
    assert complaints == []


def test_a_correction_that_is_refused_keeps_what_was_entered(page: Page, service: LiveService) -> None:
    grading = listed(service)[6]
    page.route(
        "**/v1/corrections", lambda route: route.fulfill(status=503, json={"code": "records_unavailable", "detail": "locked"})
    )
    page.goto(f"{service}/gradings/{grading['id']}")
    page.locator("#correct").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("radio", name="C", exact=True).check()
    dialog.locator("textarea").fill("thick end")
    dialog.get_by_role("button", name="Correct").click()
    expect(dialog.locator(".trouble")).to_contain_text("The records do not answer.")
    expect(dialog.locator("textarea")).to_have_value("thick end")
    expect(dialog.get_by_role("radio", name="C", exact=True)).to_be_checked()


def test_an_unknown_grading_and_one_without_a_photograph(page: Page, service: LiveService) -> None:
    for unknown in ("0193a2f0-7b1c-7d2e-9a57-1f0e4b6c2d11", quote(EVIL, safe=""), "%"):
        page.goto(f"{service}/gradings/{unknown}")
        expect(page.locator("#unknown")).to_contain_text("This grading is not on record.")
        expect(page.locator("#busy")).to_be_hidden()
        expect(page.locator("#one")).to_be_hidden()
    page.route("**/image", lambda route: route.fulfill(status=404, json={"code": "photograph_not_kept"}))
    page.goto(f"{service}/gradings/{listed(service)[0]['id']}")
    expect(page.locator("#sheet .no-photo")).to_be_visible()
    expect(page.locator("#sheet")).to_have_attribute("data-photo", "none")
    expect(page.locator("#outline")).to_be_hidden()
    expect(page.locator("#verdict .letters")).to_be_visible()


def test_a_viewer_looks_and_changes_nothing(page: Page, service: LiveService, complaints: list[str]) -> None:
    grading = listed(service)[7]
    made = correct(service, grading, "C")
    page.route("**/v1/session", lambda route: route.fulfill(json={"kind": "user", "name": "Aki", "role": "viewer"}))
    page.goto(f"{service}/gradings")
    expect(page.locator("#results .tile")).to_have_count(PAGE)
    expect(page.locator("#export")).to_be_hidden()
    page.goto(f"{service}/gradings/{grading['id']}")
    expect(page.locator("#corrections li")).to_have_count(1)
    expect(page.locator("#similar .tile").first).to_be_visible()
    expect(page.locator("#correct")).to_be_hidden()
    expect(page.locator("#corrections button")).to_have_count(0)
    assert service.request("DELETE", f"/v1/corrections/{made['id']}").status == 200
    assert complaints == []


def test_names_are_text_wherever_they_stand(page: Page, service: LiveService, complaints: list[str]) -> None:
    asked_for = page.on("dialog", lambda dialog: pytest.fail(f"a name was run as code: {dialog.message}"))
    assert asked_for is None
    evil = listed(service, lot=EVIL)[0]
    page.goto(f"{service}/gradings?{urlencode({'lot': EVIL, 'camera': EVIL, 'view': 'table'})}")
    expect(page.locator("#results tbody tr")).to_have_count(1)
    expect(page.locator("#results td", has_text=EVIL)).to_have_count(2)
    expect(page.locator("[name=camera]")).to_have_value(EVIL)
    page.goto(f"{service}/gradings/{evil['id']}")
    expect(page.locator("#origin a", has_text=EVIL)).to_have_count(2)
    expect(page.locator("#origin")).to_contain_text("Taken")
    assert page.locator("img[src='x']").count() == 0
    assert complaints == []


def test_everybody_can_use_them_in_both_languages_at_every_size(
    page: Page,
    service: LiveService,
    complaints: list[str],
) -> None:
    found = listed(service)
    few = urlencode({"since": found[8]["received_at"], "line": "1"})
    for path, there in (
        (f"/gradings?{few}", ".tile"),
        (f"/gradings?view=table&{few}", "td"),
        (f"/gradings/{found[2]['id']}", "#similar .tile"),
    ):
        page.goto(f"{service}{path}")
        expect(page.locator(there).first).to_be_visible()
        if there == ".tile":
            unfolded(page)
        schemes: list[Literal["light", "dark"]] = ["light", "dark"]
        for scheme in schemes:
            page.emulate_media(color_scheme=scheme)
            assert violations(page) == []
        for language in ("en", "ja"):
            expect(page.locator("html")).to_have_attribute("lang", language)
            for width, height in SIZES:
                page.set_viewport_size({"width": width, "height": height})
                assert overflow_px(page) == 0
                assert small_targets(page) == []
            if language == "en":
                page.locator("[data-language]").click()
        assert untranslated(page) == []
        if there.startswith("#"):
            page.locator("#correct").click()
            assert untranslated(page) == []
            assert small_targets(page) == []
            assert violations(page) == []
            page.keyboard.press("Escape")
        page.locator("[data-language]").click()
    assert complaints == []
