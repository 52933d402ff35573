"""The review page of a real service in a real browser: no answer is lost, no fruit is shown to two people, wrong taps go back."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect

from models.grades import GRADES
from tests.e2e.live import LiveService
from tests.e2e.shed import LINES, photograph, shed
from tests.pages import complaints_of, overflow_px, small_targets, untranslated, violations

IN_A_ROW = 200
HOSTILE = "<img src=x onerror=alert(1)>"
BUTTON_PX = 76
"""20 mm: the buttons of an answer are tapped in gloves."""

ANSWER_ALL = """async (wanted) => {
  const fruit = document.getElementById('fruit');
  const seen = [];
  const until = (holds) => new Promise((resolve) => {
    const look = () => (holds() ? resolve() : requestAnimationFrame(look));
    look();
  });
  const id = () => document.getElementById('photo').dataset.id;
  const press = (key) => document.body.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }));
  while (seen.length < wanted) {
    await until(() => fruit.checkVisibility() && fruit.dataset.open === 'yes' && !seen.includes(id()));
    const shown = id();
    seen.push(shown);
    if (!(seen.length % 3)) press(String(1 + (seen.length % 9)));
    press('Enter');
    await until(() => id() !== shown || !fruit.checkVisibility());
  }
  return seen;
}"""

SEND_REST = """() =>
  import(new URL('review-send.js', document.querySelector('script[type=module]').src)).then((module) => module.sendRest())"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveService]:
    """Every photograph is in the audit sample: all of them are to be looked at."""
    with shed(tmp_path_factory.mktemp("shed"), fruit=60, keep_share=1) as started:
        yield started


def opened(page: Page, service: LiveService, query: str = "") -> None:
    page.goto(f"{service}/review{query}")
    expect(page.locator("#fruit")).to_have_attribute("data-open", "yes")


def shown(page: Page) -> str:
    """The fruit that can be answered now."""
    expect(page.locator("#fruit")).to_have_attribute("data-open", "yes")
    return str(page.locator("#photo").get_attribute("data-id"))


def after(page: Page, before: str) -> str:
    """The fruit that follows."""
    expect(page.locator("#photo")).not_to_have_attribute("data-id", before)
    return shown(page)


def tap(page: Page, selector: str) -> None:
    """As a finger does: the page takes two taps within a quarter of a second for one."""
    page.wait_for_timeout(270)
    page.locator(selector).click()


def corrections(service: LiveService, grading_id: str | None = None) -> list[dict[str, Any]]:
    """All that count."""
    found: list[dict[str, Any]] = []
    query = f"limit=200{f'&grading_id={grading_id}' if grading_id else ''}"
    cursor = ""
    while True:
        answer = service.get(f"/v1/corrections?{query}{cursor}").json
        found += [one for one in answer["corrections"] if not one["undone_at"]]
        if not answer["next_cursor"]:
            return found
        cursor = f"&cursor={answer['next_cursor']}"


def until_sent(page: Page) -> None:
    """Nothing is on its way any more; a page that was closed may have had the sending to itself for 15 s."""
    sent = "() => !Object.keys(localStorage).some((each) => each.startsWith('senka_review/'))"
    page.wait_for_function(sent, timeout=30_000)


def test_right_is_one_tap_and_another_grade_two(page, service):
    complaints = complaints_of(page)
    opened(page, service)
    first = shown(page)
    graded = service.get(f"/v1/gradings/{first}").json
    assert f"Right: {graded['grade']}" in page.locator("#right").inner_text()
    assert f"It is {graded['runner_up']['grade']}" in page.locator("#second").inner_text()
    tap(page, "#right")
    second = after(page, first)
    other = next(grade for grade in GRADES if grade != service.get(f"/v1/gradings/{second}").json["grade"])
    button = f"#grades [data-answer='{other}']"
    tap(page, button)
    expect(page.locator(button)).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#second")).to_contain_text(f"Save: {other}")
    assert shown(page) == second, "a first tap only marks"
    page.locator("#note-fold summary").click()
    page.locator("#note").fill(HOSTILE)
    tap(page, "#second")
    third = after(page, second)
    tap(page, "#grades [data-answer='not_a_cucumber']")
    tap(page, "#grades [data-answer='not_a_cucumber']")
    after(page, third)
    until_sent(page)
    said = {one["grading_id"]: (one["grade"], one["note"]) for one in corrections(service)}
    assert said[first] == (graded["grade"], None)
    assert said[second] == (other, HOSTILE)
    assert said[third] == ("not_a_cucumber", None)
    expect(page.locator("#done-list > li")).to_have_count(3)
    assert complaints == []


def test_a_bounced_tap_answers_one_fruit_only(page, service):
    opened(page, service)
    before = len(corrections(service))
    first = shown(page)
    page.evaluate("() => { const right = document.getElementById('right'); right.click(); right.click(); right.click(); }")
    after(page, first)
    until_sent(page)
    assert len(corrections(service)) == before + 1


def test_undo_brings_the_fruit_back_and_skip_puts_it_aside(page, service):
    opened(page, service)
    first = shown(page)
    tap(page, "#right")
    second = after(page, first)
    tap(page, "#right")
    third = after(page, second)
    until_sent(page)
    # any of the last ten, by one tap
    page.locator("#done-list > li:nth-child(2) button").click()
    assert after(page, third) == first
    until_sent(page)
    assert corrections(service, first) == []
    assert len(corrections(service, second)) == 1
    page.locator("#undo").click()
    assert after(page, first) == second
    expect(page.locator("#undo")).to_be_disabled()
    until_sent(page)
    assert corrections(service, second) == []
    tap(page, "#right")
    assert after(page, second) == first
    page.locator("#skip").click()
    assert after(page, first) not in (first, second)
    until_sent(page)
    assert len(corrections(service, second)) == 1


def test_keys_alone_are_enough(page, service):
    opened(page, service)
    first = shown(page)
    grade = service.get(f"/v1/gradings/{first}").json["grade"]
    key = str(1 + GRADES.index(next(each for each in GRADES if each != grade)))
    page.keyboard.press(key)
    expect(page.locator("#second")).to_contain_text("Save:")
    page.keyboard.press("Escape")
    expect(page.locator("#second")).to_contain_text("It is")
    page.keyboard.press(key)
    page.keyboard.press("Enter")
    second = after(page, first)
    page.keyboard.press("s")
    third = after(page, second)
    page.keyboard.press("Enter")
    fourth = after(page, third)
    page.keyboard.press("u")
    assert after(page, fourth) == third
    until_sent(page)
    assert [one["grade"] for one in corrections(service, first)] == [GRADES[int(key) - 1]]
    assert corrections(service, third) == []
    page.keyboard.press("?")
    expect(page.locator("#help")).to_be_visible()
    page.keyboard.press("1")
    page.keyboard.press("Escape")
    expect(page.locator("#help")).to_be_hidden()
    expect(page.locator("#grades [aria-pressed='true']")).to_have_count(0)


def test_without_a_connection_nothing_is_lost(page, service):
    opened(page, service)
    page.wait_for_function(
        "() => performance.getEntriesByType('resource').filter((each) => each.name.endsWith('/image')).length >= 3"
    )
    page.context.set_offline(True)
    answered = [shown(page)]
    tap(page, "#right")
    answered.append(after(page, answered[0]))
    tap(page, "#right")
    after(page, answered[1])
    expect(page.locator("#outbox")).to_contain_text("2 answers not sent yet.")
    assert [corrections(service, one) for one in answered] == [[], []]
    page.context.set_offline(False)
    expect(page.locator("#outbox")).to_be_hidden(timeout=10_000)
    assert [len(corrections(service, one)) for one in answered] == [1, 1]


def test_an_answer_outlives_a_reload_and_is_never_on_record_twice(page, service):
    opened(page, service)
    first = shown(page)
    # the service takes it, its answer gets lost
    page.route(
        "**/v1/corrections", lambda route: (route.fetch(), route.abort()) if route.request.method == "POST" else route.continue_()
    )
    tap(page, "#right")
    second = after(page, first)
    expect(page.locator("#outbox")).to_contain_text("1 answer not sent yet.")
    page.once("dialog", lambda dialog: dialog.accept())  # the browser asks before it leaves
    page.reload()
    page.unroute("**/v1/corrections")
    shown(page)
    until_sent(page)
    assert len(corrections(service, first)) == 1
    expect(page.locator("#undo")).to_be_enabled()
    assert corrections(service, second) == []


def test_what_is_refused_is_kept_until_somebody_decides(page, service):
    opened(page, service)
    first = shown(page)
    problem = json.dumps({"code": "grading_not_found", "detail": "There is no grading."})
    page.route(
        "**/v1/corrections", lambda route: route.fulfill(status=404, body=problem, content_type="application/problem+json")
    )
    tap(page, "#right")
    after(page, first)
    expect(page.locator("#outbox")).to_contain_text("1 answer was refused. This grading is not on record.")
    page.unroute("**/v1/corrections")
    page.get_by_role("button", name="Try again").click()
    expect(page.locator("#outbox")).to_be_hidden()
    until_sent(page)
    assert len(corrections(service, first)) == 1


def test_what_is_left_when_a_page_closes_is_sent(page, service):
    opened(page, service)
    first = shown(page)
    held: list[Route] = []
    page.route("**/v1/corrections", lambda route: held.append(route))
    tap(page, "#right")
    second = after(page, first)
    page.wait_for_function("() => JSON.parse(localStorage.getItem('senka_review_sender'))")
    tap(page, "#right")
    third = after(page, second)
    asked: list[str] = []
    page.once("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    page.unroute("**/v1/corrections")
    page.goto(f"{service}/review")
    shown(page)
    until_sent(page)
    assert asked == ["beforeunload"]
    assert [len(corrections(service, one)) for one in (first, second, third)] == [1, 1, 0]


def test_answers_of_somebody_else_wait_for_them(page, service):
    name = "Aiko"
    page.route("**/v1/session", lambda route: route.fulfill(json={"kind": "user", "name": name, "role": "operator"}))
    page.route("**/v1/corrections", lambda route: route.abort() if route.request.method == "POST" else route.continue_())
    opened(page, service)
    first = shown(page)
    tap(page, "#right")
    after(page, first)
    expect(page.locator("#outbox")).to_contain_text("1 answer not sent yet.")
    name = HOSTILE
    page.reload()
    expect(page.locator("#outbox")).to_have_text("1 answer of Aiko waits here until they log in again.")
    expect(page.locator("#undo")).to_be_disabled()
    page.unroute("**/v1/corrections")
    second = shown(page)
    if second == first:  # nobody has answered it as far as the service knows
        page.click("#skip")
        after(page, first)
        second = shown(page)
    tap(page, "#right")
    after(page, second)
    expect(page.locator("#outbox")).to_have_text("1 answer of Aiko waits here until they log in again.")
    page.wait_for_function("() => Object.keys(localStorage).filter((each) => each.startsWith('senka_review/')).length === 1")
    assert [len(corrections(service, one)) for one in (first, second)] == [0, 1]
    name = "Aiko"
    page.reload()
    until_sent(page)
    expect(page.locator("#outbox")).to_be_hidden()
    assert len(corrections(service, first)) == 1


def test_a_session_that_has_ended_leads_to_the_login_without_a_question(page, service):
    opened(page, service)
    first = shown(page)
    problem = json.dumps({"code": "unauthenticated", "detail": "Log in."})
    page.route(
        "**/v1/corrections", lambda route: route.fulfill(status=401, body=problem, content_type="application/problem+json")
    )
    asked: list[str] = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    tap(page, "#right")
    expect(page).to_have_url(re.compile(r"/login\?next="))
    assert asked == []
    page.unroute("**/v1/corrections")
    opened(page, service)
    until_sent(page)
    assert len(corrections(service, first)) == 1


def test_another_page_sends_what_was_left(page, service):
    opened(page, service)
    first = shown(page)
    page.context.set_offline(True)
    tap(page, "#right")
    after(page, first)
    expect(page.locator("#outbox")).to_contain_text("1 answer not sent yet.")
    other = page.context.new_page()
    page.close()
    page.context.set_offline(False)
    other.goto(f"{service}/settings")
    assert corrections(service, first) == []
    other.evaluate(SEND_REST)
    until_sent(other)
    assert len(corrections(service, first)) == 1


def test_a_key_held_down_answers_one_fruit_only(page, service):
    opened(page, service)
    first = shown(page)
    page.locator("#right").focus()
    page.keyboard.down("Enter")
    second = after(page, first)
    for _ in range(3):
        page.wait_for_timeout(270)  # longer than a finger bounces
        page.keyboard.down("Enter")
    assert shown(page) == second
    page.keyboard.up("Enter")
    page.locator("#right").focus()
    page.keyboard.down("Enter")
    third = after(page, second)
    page.keyboard.up("Enter")
    page.keyboard.press("Enter")  # on no button any more: it is "right"
    after(page, third)
    until_sent(page)
    assert [len(corrections(service, one)) for one in (first, second, third)] == [1, 1, 1]


def test_two_pages_never_show_the_same_fruit(browser, service):
    contexts: list[BrowserContext] = [browser.new_context() for _ in range(2)]
    try:
        pages = [context.new_page() for context in contexts]
        for each in pages:
            opened(each, service)
        seen: list[str] = []
        now = [shown(each) for each in pages]
        for _ in range(4):
            seen += now
            for each in pages:
                tap(each, "#right")
            now = [after(each, before) for each, before in zip(pages, now, strict=True)]
        assert len(set(seen)) == len(seen) == 8
    finally:
        for context in contexts:
            context.close()


def test_nothing_waits_says_what_next_and_names_are_text(page, service):
    for path, body in (
        ("/v1/lines", {"name": "empty"}),
        ("/v1/lots", {"name": HOSTILE}),
        ("/v1/lines", {"name": "odd", "lot": HOSTILE}),
    ):
        assert service.request("POST", path, json.dumps(body).encode(), {"Content-Type": "application/json"}).status == 201
    assert service.grade(photograph(9_000), "line=odd&camera=odd").status == 200
    page.goto(f"{service}/review?line=empty")
    expect(page.locator(".nothing")).to_contain_text("Nothing waits for you")
    assert violations(page) == []
    page.locator("#line").select_option("odd")
    expect(page.locator("#facts")).to_contain_text(HOSTILE)
    assert "line=odd" in page.url
    page.locator("#line").select_option("empty")
    page.get_by_role("button", name="Show all lines and reasons").click()
    shown(page)
    expect(page.locator("#line")).to_have_value("")


def test_a_viewer_looks_and_changes_nothing(page, service):
    page.route("**/v1/session", lambda route: route.fulfill(json={"kind": "user", "name": "mi", "role": "viewer"}))
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.method))
    opened(page, service)
    expect(page.locator("#looks-only")).to_be_visible()
    expect(page.locator("#answers")).to_be_hidden()
    first = shown(page)
    page.keyboard.press("Enter")
    page.locator("#skip").click()
    after(page, first)
    assert set(asked) == {"GET"}


@pytest.mark.parametrize(
    ("language", "scheme", "size"),
    [("en", "light", (1024, 768)), ("ja", "dark", (1024, 768)), ("ja", "light", (390, 844)), ("en", "dark", (1920, 1080))],
)
def test_it_can_be_read_and_reached(browser: Browser, service, language, scheme, size):
    context = browser.new_context(locale=language, color_scheme=scheme, viewport={"width": size[0], "height": size[1]})
    try:
        page = context.new_page()
        complaints = complaints_of(page)
        opened(page, service)
        assert violations(page) == []
        tap(page, "#grades [data-answer='BM']")
        expect(page.locator("#second")).to_have_attribute("data-marked", "yes")
        assert violations(page) == []
        assert small_targets(page) == []
        boxes = [each.bounding_box() for each in page.locator("#answers button").all()]
        assert all(box and min(box["width"], box["height"]) >= BUTTON_PX for box in boxes)
        assert max(boxes, key=lambda box: box["width"] * box["height"]) == page.locator("#second").bounding_box()
        assert overflow_px(page) == 0
        if language == "ja":
            assert untranslated(page) == []
            page.locator("[data-language]").click()
            expect(page.locator("#right")).to_contain_text("as the model says")
        assert complaints == []
    finally:
        context.close()


@pytest.mark.timeout(240)
def test_two_hundred_in_a_row_and_none_is_lost(page, service):
    before = {one["id"] for one in corrections(service)}
    for seed in range(10_000, 10_000 + IN_A_ROW):
        line = str(1 + seed % 2)
        assert service.grade(photograph(seed), f"line={line}&camera={LINES[line][0]}").status == 200
    opened(page, service)
    seen = page.evaluate(ANSWER_ALL, IN_A_ROW)
    until_sent(page)
    assert len(set(seen)) == IN_A_ROW
    made = [one["grading_id"] for one in corrections(service) if one["id"] not in before]
    assert sorted(made) == sorted(seen)
