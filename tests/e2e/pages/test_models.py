"""The page of models in a real browser over a real service: who grades, how the next one compares, new labels, retrainings."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect

from models.repository import ModelRepository
from models.retrainings import GATE_PAGE, Retrainings, RetrainRequest
from tests.e2e.live import LiveService
from tests.e2e.shed import photograph, shed
from tests.models.verdicts import judged, verdict
from tests.pages import complaints_of, overflow_px, small_targets, untranslated, violations
from tests.service.models import make_model
from tests.zips import write_zip

HOSTILE = "<img src=x onerror=alert(1)>"
SIZES = ((390, 844), (1024, 768), (1920, 1080))
PASSED = "20261124T021100Z-aaaaaa"
REFUSED = "20261125T021100Z-bbbbbb"
CANCELLED = "20261126T021100Z-cccccc"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveService]:
    with shed(tmp_path_factory.mktemp("shed"), 4) as running:
        furnish(running)
        yield running


@pytest.fixture(autouse=True)
def as_at_first(service: LiveService) -> None:
    """Version 1 grades, version 2 passed the gate and waits, version 3 was never judged."""
    repository = models_of(service)
    repository.promote(1)
    repository.publish(service.home.parent / "second.onnx")  # the same bytes: the challenger again


def models_of(service: LiveService) -> ModelRepository:
    return ModelRepository(service.home / "models")


def furnish(service: LiveService) -> None:
    """Two more versions, and three retrainings that have ended."""
    folder, repository = service.home.parent, models_of(service)
    third = repository.publish(make_model(folder / "third.onnx", seed=3), f"by hand {HOSTILE}")
    second = repository.publish(make_model(folder / "second.onnx", seed=2), "retraining of Monday")
    assert (second.number, third.number) == (3, 2)
    known = Retrainings(service.home / "retrainings")
    _, path = judged(known, PASSED, verdict(second.sha256), version=second.number, text="Published.", reasons=("Better: 80 %.",))
    path.with_name(Path(GATE_PAGE).name).write_text("<!doctype html><title>Gate</title><h1>The gate's report</h1>")
    reasons = [
        {"code": "recall", "text": "Of 5 C, 20 % are recognised; the floor is 50 %."},
        {"code": "new_one", "text": "Something new."},
    ]
    no = verdict("f" * 64, "refused", passed=False, reasons=reasons)
    judged(known, REFUSED, no, state="refused", text="The gate said no.")
    put(known, CANCELLED, state="cancelled", stage="training", finished_at=stamp(), text=f"Cancelled {HOSTILE}")


def stamp() -> str:
    return datetime.now(UTC).isoformat()


def put(known: Retrainings, retraining_id: str, by: str = f"{HOSTILE} sato", **state: Any) -> None:
    known.write(known.create(RetrainRequest(by=by), retraining_id).model_copy(update=state))


def champion_of(service: LiveService) -> int:
    found: int = service.get("/v1/models").json["champion"]
    return found


def opened(page: Page, service: LiveService) -> Page:
    page.goto(f"{service}/models")
    for place in ("#batches", "#runs"):
        expect(page.locator(place)).to_have_attribute("aria-busy", "false")
    expect(page.locator("#now .busy")).to_have_count(0)
    return page


def version(page: Page, number: int) -> Locator:
    return page.locator("#versions .row").filter(has=page.get_by_role("heading", name=re.compile(rf"^Version {number}\b")))


def zipped(folder: Path, name: str, members: dict[str, bytes], grades: dict[str, str]) -> Path:
    rows = "".join(f"{path},{grade}\r\n" for path, grade in grades.items())
    return write_zip(folder / name, {"manifest.csv": f"path,grade\r\n{rows}".encode(), **members})


def test_words_come_first_and_the_figures_of_both_after(page: Page, service: LiveService) -> None:
    opened(page, service)
    for role, number in (("champion", 1), ("challenger", 3)):
        card = page.get_by_role("article", name=f"Version {number}")
        expect(card).to_contain_text(role)
    told = page.locator(".sentences li")
    expect(told.first).to_have_text("The challenger is right more often: 80.0 % to 70.0 %.")
    expect(page.locator(".sentences")).to_contain_text("12 fruit better and 3 fruit worse")
    expect(page.locator(".sentences")).to_contain_text("Its errors cost less: 1.50 yen a fruit instead of 2.00 yen.")
    expect(page.get_by_role("row", name="Right", exact=False).first).to_contain_text("+10.0 points")
    page.get_by_text("Grade by grade").first.click()
    expect(page.get_by_role("row", name="2L 10 photographs")).to_contain_text("80 %")
    page.get_by_text("Which grades are taken for which").click()
    tables = page.locator("table.confusion")
    expect(tables).to_have_count(2)
    expect(tables.nth(1).locator("tbody tr").first.locator("td")).to_have_text(["8", "2", *["0"] * 7])
    expect(tables.nth(0).locator("tbody tr").first.locator("td").first).to_have_text("7")


def test_a_version_that_passed_is_promoted_after_a_question_and_taken_back(page: Page, service: LiveService) -> None:
    opened(page, service)
    expect(version(page, 3)).to_contain_text("passed: it is better")
    version(page, 3).get_by_role("button", name="Promote").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Version 3 grades every fruit from then on, on all lines, within seconds.")
    expect(dialog).to_contain_text("Version 1 stays here.")
    expect(dialog.locator(".danger")).to_have_count(0)
    dialog.get_by_role("button", name="Cancel").click()
    assert champion_of(service) == 1
    version(page, 3).get_by_role("button", name="Promote").click()
    dialog.get_by_role("button", name="Promote version 3").click()
    expect(page.get_by_role("article", name="Version 3")).to_contain_text("Grades since")
    assert champion_of(service) == 3
    page.get_by_role("button", name="Take it back").click()
    expect(page.locator("#versions [data-now=yes] h3")).to_contain_text("Version 1")
    assert champion_of(service) == 1


def test_a_version_that_no_gate_judged_is_warned_of_and_rolled_back(page: Page, service: LiveService) -> None:
    opened(page, service)
    version(page, 2).get_by_role("button", name="Promote").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.locator("strong")).to_have_text("No gate has judged this version.")
    dialog.locator(".danger").click()
    expect(page.locator("#versions [data-now=yes] h3")).to_contain_text("Version 2")
    page.get_by_role("button", name="Roll back").click()
    expect(dialog).to_contain_text("Version 1 grades again in place of version 2")
    dialog.get_by_role("button", name="Roll back").click()
    expect(page.locator("#versions [data-now=yes] h3")).to_contain_text("Version 1")
    assert champion_of(service) == 1


def test_the_report_of_the_gate_is_a_page_in_english(page: Page, service: LiveService) -> None:
    opened(page, service)
    link = version(page, 3).get_by_role("link", name="Report of the gate")
    expect(link).to_contain_text("in English")
    with page.context.expect_page() as came:
        link.click()
    expect(came.value.get_by_role("heading", name="The gate's report")).to_be_visible()


def test_a_batch_is_sent_and_what_came_in_is_said(page: Page, service: LiveService, tmp_path: Path) -> None:
    complaints = complaints_of(page)
    one, two = photograph(1), photograph(40)
    members = {f"a/{HOSTILE.replace('/', '')}.png": one, "b.png": two, "c.png": two, "extra.txt": b"x"}
    path = zipped(tmp_path, "monday.zip", members, dict(zip(members, ("L", "C", "C"), strict=False)))
    opened(page, service)
    page.get_by_label("Zip file").set_input_files(path)
    expect(page.get_by_label("What you call it")).to_have_value("monday")
    page.get_by_label("What you call it").fill(HOSTILE)
    page.get_by_role("button", name="Send").click()
    report = page.locator("#upload-report")
    expect(report).to_contain_text("3 photographs were taken in.")
    expect(report).to_contain_text("L 1, C 2")
    expect(report).to_contain_text("1 photograph is another one again.")
    expect(report).to_contain_text("1 photograph was graded here.")
    expect(report).to_contain_text("1 file is not named in manifest.csv and was left out.")
    report.get_by_text("Which ones").click()
    expect(report.locator(".files")).to_have_text("c.png = b.png")
    row = page.locator("#batches .row").first
    expect(row.get_by_role("heading")).to_have_text(HOSTILE)
    [batch] = service.get("/v1/batches").json["batches"]
    assert (batch["name"], batch["rows"]) == (HOSTILE, 3)
    page.get_by_role("button", name="Start a retraining").click()
    expect(page.get_by_role("dialog").get_by_label(HOSTILE)).to_be_checked()
    assert page.locator("img[src=x]").count() == 0
    assert complaints == []


def test_wrong_rows_are_listed_and_nothing_chosen_is_lost(page: Page, service: LiveService, tmp_path: Path) -> None:
    before = len(service.get("/v1/batches").json["batches"])
    path = zipped(tmp_path, "bad.zip", {"a.png": photograph(1), "b.png": b"none"}, {"a.png": "XL", "b.png": "L"})
    opened(page, service)
    page.get_by_label("Zip file").set_input_files(path)
    page.get_by_role("button", name="Send").click()
    report = page.locator("#upload-report")
    expect(report).to_contain_text("2 rows are wrong, so nothing of the batch was kept.")
    expect(report.get_by_role("row")).to_have_count(3)
    expect(report.get_by_role("row", name="b.png")).to_be_visible()
    expect(page.get_by_label("What you call it")).to_have_value("bad")
    assert len(service.get("/v1/batches").json["batches"]) == before
    page.get_by_label("Zip file").set_input_files({"name": "no.zip", "mimeType": "application/zip", "buffer": b"no zip"})
    page.get_by_role("button", name="Send").click()
    expect(report.locator(".trouble")).to_be_visible()
    expect(report.get_by_role("table")).to_have_count(0)


def test_leaving_during_an_upload_is_asked_about(page: Page, service: LiveService, tmp_path: Path) -> None:
    asked: list[str] = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    held: list[Route] = []
    page.route("**/v1/batches?name=*", lambda route: held.append(route))
    opened(page, service)
    page.get_by_label("Zip file").set_input_files(zipped(tmp_path, "some.zip", {"a.png": photograph(1)}, {"a.png": "L"}))
    page.get_by_role("button", name="Send").click()
    expect(page.locator("#upload-stop")).to_be_visible()
    page.goto(f"{service}/lots")
    assert asked == ["beforeunload"]
    page.goto(f"{service}/models")
    opened(page, service)
    assert asked == ["beforeunload"]


def test_who_looks_is_asked_again_when_the_service_is_back(page: Page, service: LiveService) -> None:
    page.route("**/v1/session", lambda route: route.abort())
    opened(page, service)
    expect(page.locator(".sentences")).to_be_visible()
    expect(page.get_by_role("button", name="Promote")).to_have_count(0)
    page.unroute("**/v1/session")
    page.evaluate("document.dispatchEvent(new CustomEvent('senka:link', { detail: 'open' }))")
    expect(version(page, 3).get_by_role("button", name="Promote")).to_be_visible()
    expect(page.get_by_role("button", name="Send")).to_be_visible()


def test_a_retraining_is_shown_step_by_step_and_its_end_by_itself(page: Page, service: LiveService) -> None:
    known = Retrainings(service.home / "retrainings")
    running = "20261128T021100Z-dddddd"
    with known.take_turn(running):
        put(known, running, stage="training", doing="fine-tuning", done=12, of=30)
        opened(page, service)
        now = page.get_by_role("article", name="A retraining is running")
        expect(now).to_contain_text("Going on from the model that grades now · 12 of 30, 40 %")
        expect(now.locator("[aria-current=step]")).to_have_text("Train")
        expect(now.get_by_role("progressbar")).to_have_attribute("value", "0.4")
        expect(now).to_contain_text(f"{HOSTILE} sato")
        expect(page.get_by_role("button", name="Start a retraining")).to_be_hidden()
        expect(page.get_by_role("button", name="Go on with it")).to_have_count(0)
        now.get_by_role("button", name="Cancel the retraining").click()
        page.get_by_role("dialog").get_by_role("button", name="Stop it").click()
        expect(now).to_contain_text("It was asked to stop")
        assert known.is_cancelled(running)
        known.write(known.get(running).model_copy(update={"stage": "gate", "doing": "grading", "done": 1, "of": 2}))
        expect(now.locator("[aria-current=step]")).to_have_text("Judge")  # nobody reloads the page
        known.write(known.get(running).model_copy(update={"state": "cancelled", "finished_at": stamp()}))
    expect(now).to_have_count(0)
    ended = page.locator("#runs .row").first
    expect(ended).to_contain_text("It was cancelled.")
    expect(page.get_by_role("button", name="Start a retraining")).to_be_visible()


def test_how_retrainings_ended_is_in_words_and_exactly_behind(page: Page, service: LiveService) -> None:
    opened(page, service)
    rows = page.locator("#runs .row")
    refused = rows.filter(has_text="did not pass the gate")
    expect(refused.locator(".because li")).to_have_text(["It recognises a grade too rarely.", "Something new."])
    refused.get_by_text("More").click()
    refused.get_by_text("Exactly").click()
    expect(refused.locator("p[lang=en]").first).to_have_text("The gate said no.")
    made = rows.filter(has_text="Version 3 passed the gate and waits as the challenger")
    expect(made).to_contain_text("It is right more often, and that is not chance.")
    expect(made.get_by_role("button", name="Go on with it")).to_have_count(0)
    expect(rows.filter(has_text="It was cancelled.").get_by_role("button", name="Go on with it").first).to_be_visible()


def test_what_is_to_be_learned_from_is_asked_and_sent(page: Page, service: LiveService) -> None:
    sent: list[Any] = []

    def note(route: Route) -> None:
        if route.request.method == "GET":
            route.fallback()
        else:
            sent.append(route.request.post_data_json)
            route.fulfill(status=409, json={"code": "retraining_running", "detail": "Retraining x runs."})

    page.route("**/v1/retrainings", note)
    opened(page, service)
    page.get_by_role("button", name="Start a retraining").click()
    form = page.get_by_role("dialog")
    form.get_by_label("What people corrected").uncheck()
    for box in form.get_by_role("group", name="Batches").get_by_role("checkbox").all():
        box.uncheck()
    form.get_by_role("button", name="Start").click()
    expect(form.get_by_role("alert")).to_have_text("Choose a batch, the corrections, or both.")
    form.get_by_label("What people corrected").check()
    form.get_by_label("Only from this day on").fill("2026-11-01")
    form.get_by_label("Let it grade at once").check()
    form.get_by_text("More choices").click()
    form.get_by_label("It passes when it is").select_option("not_worse")
    form.get_by_label("Share of the new fruit").select_option("0.1")
    form.get_by_role("button", name="Start").click()
    expect(form.get_by_role("alert")).to_contain_text("A training is running already.")  # and the form stands as it was
    expect(form.get_by_label("Let it grade at once")).to_be_checked()
    assert sent == [
        {"batches": [], "records": {"since": "2026-11-01"}, "promote": True, "require": "not_worse", "to_golden": 0.1}
    ]


def test_without_anything_the_page_says_what_to_do(page: Page, service: LiveService) -> None:
    nothing: dict[str, Any] = {"name": "cucumber", "champion": None, "challenger": None, "serving": None, "versions": []}
    page.route("**/v1/models", lambda route: route.fulfill(json=nothing))
    page.route("**/v1/batches?*", lambda route: route.fulfill(json={"batches": [], "next_cursor": None}))
    page.route("**/v1/retrainings?*", lambda route: route.fulfill(json={"retrainings": [], "next_cursor": None}))
    opened(page, service)
    expect(page.locator("#now")).to_contain_text("No model yet")
    expect(page.locator("#now")).to_contain_text("senka models publish MODEL.onnx --promote")
    expect(page.locator("#versions-part")).to_be_hidden()
    expect(page.locator("#batches")).to_contain_text("No batch yet. Choose a zip above and send it.")
    expect(page.locator("#runs")).to_contain_text("No retraining yet.")
    assert violations(page) == []


def test_what_cannot_be_read_leaves_the_rest(page: Page, service: LiveService) -> None:
    away = {"code": "records_unavailable", "detail": "no database"}
    page.route("**/v1/batches?*", lambda route: route.fulfill(status=503, json=away))
    page.route("**/v1/models/shadow", lambda route: route.fulfill(status=503, json=away))
    opened(page, service)
    expect(page.locator("#batches-trouble")).to_contain_text("The records do not answer.")
    expect(page.locator(".sentences")).to_be_visible()


@pytest.mark.parametrize("role", ["viewer", "operator"])
def test_others_than_an_admin_see_and_only_operators_send(page: Page, service: LiveService, role: str) -> None:
    page.route("**/v1/session", lambda route: route.fulfill(json={"kind": "user", "name": "Guest", "role": role}))
    opened(page, service)
    expect(page.locator(".sentences")).to_be_visible()
    for name in ("Promote", "Roll back", "Start a retraining", "Go on with it"):
        expect(page.get_by_role("button", name=name)).to_have_count(0)
    expect(page.get_by_role("button", name="Send")).to_have_count(int(role == "operator"))


def test_the_keyboard_promotes_and_comes_back(page: Page, service: LiveService) -> None:
    opened(page, service)
    promote = version(page, 3).get_by_role("button", name="Promote")
    promote.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(promote).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#versions [data-now=yes] h3")).to_contain_text("Version 3")
    assert champion_of(service) == 3


@pytest.mark.parametrize(("language", "scheme"), [("en", "light"), ("ja", "dark")])
def test_every_size_language_and_light(browser: Browser, service: LiveService, language: str, scheme: Any) -> None:
    context = browser.new_context(locale=language, color_scheme=scheme)
    context.set_default_timeout(15_000)
    known = Retrainings(service.home / "retrainings")
    running = f"20261128T031100Z-{'e' * 5}{'1' if language == 'en' else '2'}"
    try:
        page = context.new_page()
        complaints = complaints_of(page)
        with known.take_turn(running):
            put(known, running, stage="training", doing="fine-tuning", done=12, of=30)
            opened(page, service)
            page.evaluate("document.querySelectorAll('main details').forEach((each) => (each.open = true))")
            for width, height in SIZES:
                page.set_viewport_size({"width": width, "height": height})
                assert overflow_px(page) == 0, width
                assert small_targets(page) == [], width
            assert violations(page) == []
            if language == "ja":
                assert untranslated(page) == []
        known.write(known.get(running).model_copy(update={"state": "cancelled"}))
        expect(page.locator("#training-start button")).to_be_visible()
        for opens in ("#training-start button", "[data-key^=promote]", "[data-key=back]"):
            page.locator(opens).first.click()
            page.locator("dialog").wait_for()
            if "training" in opens:  # the others are the frame's dialog with other words
                assert violations(page) == []
            assert small_targets(page) == [], opens
            if language == "ja":
                assert untranslated(page) == [], opens
            page.keyboard.press("Escape")
        assert complaints == []
    finally:
        context.close()
