"""The page of settings: what a farm enters, who may come in, and what was changed, of a real service in a real browser."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect

from models.repository import ModelRepository
from service.records.alarms import opened, put_closed, put_open
from service.records.database import migrate, open_database
from service.records.transactions import writing
from service.security.principal import Role
from service.security.users import Users
from tests.e2e.live import LiveService
from tests.e2e.shed import photograph, shed
from tests.pages import complaints_of, overflow_px, small_targets, untranslated, violations
from tests.service.models import make_model

EVIL: Final = "<img src=x onerror=alert(1)>"
SECTIONS: Final = ("device", "farm", "lines", "cameras", "growers", "users", "keys", "rules", "alarms", "service", "changes")
PIN: Final = "4711"
JSON: Final = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveService]:
    """Two lines with cameras, and in every section something whose name or note looks like markup."""
    with shed(tmp_path_factory.mktemp("settings"), fruit=2) as running:
        for path, body in (
            ("/v1/lines", {"name": "packing", "note": EVIL}),
            ("/v1/growers", {"name": EVIL, "note": EVIL}),
            ("/v1/cameras", {"name": EVIL, "line": "1", "note": EVIL}),
            ("/v1/keys", {"name": EVIL, "camera": EVIL}),
            ("/v1/users", {"name": EVIL, "role": "operator", "pin": PIN}),
        ):
            assert sent(running, "POST", path, body).status == 201
        engine = open_database(f"sqlite:///{running.home / 'senka.db'}")
        with writing(engine) as connection:
            put_open(connection, opened("model_rolled_back", EVIL, "critical"))
            put_closed(connection, "model_rolled_back", datetime.now(UTC) + timedelta(minutes=3))
            put_open(connection, opened("lens_dirty", EVIL, "warning"))  # none that the service ends by itself
        engine.dispose()
        yield running


def sent(service: LiveService, method: str, path: str, body: dict[str, Any]) -> Any:
    return service.request(method, path, json.dumps(body).encode(), JSON)


def opened_at(page: Page, service: LiveService, section: str) -> Locator:
    """The section, once it has asked for what it shows."""
    page.goto(f"{service}/settings#{section}")
    place = page.locator("#section-place")
    expect(place.locator(".busy")).to_have_count(0)
    return place


def row(page: Page, name: str) -> Locator:
    return page.locator(".entry").filter(has=page.get_by_role("heading", name=name, exact=True))


def said(page: Page, text: str) -> None:
    expect(page.locator(".toast")).to_contain_text(text)


def pressed(page: Page, name: str) -> Locator:
    return page.locator("dialog").get_by_role("button", name=name, exact=True)


# every section


@pytest.mark.parametrize(
    ("language", "sizes", "scheme"), [("en", [(1920, 1080), (1024, 768)], "light"), ("ja", [(390, 844)], "dark")]
)
def test_every_section_is_for_everybody_and_nothing_in_it_is_markup(
    browser: Browser,
    service: LiveService,
    language: str,
    sizes: list[tuple[int, int]],
    scheme: Literal["light", "dark"],
) -> None:
    context = browser.new_context(locale=language, color_scheme=scheme)
    context.set_default_timeout(15_000)
    try:
        tab = context.new_page()
        complaints = complaints_of(tab)
        for section in SECTIONS:
            place = opened_at(tab, service, section)
            expect(place.locator("> *").first).to_be_visible()
            for folded in place.locator("summary").all():
                folded.click()
            for width, height in sizes:
                tab.set_viewport_size({"width": width, "height": height})
                assert overflow_px(tab) <= 0, section
                assert small_targets(tab) == [], section
            assert tab.locator("img[src=x]").count() == 0, section
            if section not in ("device", "farm", "rules", "service"):
                expect(place).to_contain_text(EVIL)
            if language == "ja":
                assert untranslated(tab) == [], section
            assert violations(tab) == [], section
        assert complaints == []
    finally:
        context.close()


def test_a_phone_shows_the_sections_first_and_the_way_back_to_them(page: Page, service: LiveService) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{service}/settings")
    expect(page.locator("#sections a[href='#lines']")).to_be_visible()
    expect(page.locator("#section")).to_be_hidden()
    page.locator("#sections a[href='#lines']").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#sections")).to_be_hidden()
    expect(page.locator("#section-title")).to_have_text("Lines")
    expect(page.locator("#section-title")).to_be_focused()
    page.get_by_role("link", name="All settings").click()
    expect(page.locator("#section")).to_be_hidden()
    expect(page.locator("#sections a[href='#lines']")).to_be_focused()
    page.go_back()
    expect(page.locator("#section-title")).to_have_text("Lines")
    page.locator(".skip").focus()
    page.keyboard.press("Enter")  # the way to the content is no section
    expect(page.locator("#section-title")).to_have_text("Lines")


# this device


def test_language_light_and_sound_are_kept_on_this_device(page: Page, service: LiveService) -> None:
    place = opened_at(page, service, "device")
    dark = place.get_by_role("button", name="Dark", exact=True)
    dark.focus()
    page.keyboard.press("Enter")
    expect(dark).to_have_attribute("aria-pressed", "true")
    expect(dark).to_be_focused()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    place.get_by_label("A new alarm is heard here").uncheck()
    expect(place.get_by_role("button", name="Try the sound")).to_be_disabled()
    place.get_by_role("button", name="日本語").click()
    expect(page.locator("#section-title")).to_have_text("この端末")
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    expect(place.get_by_role("button", name="音を試す")).to_be_disabled()
    place.get_by_role("button", name="端末に合わせる").click()
    place.get_by_role("checkbox").check()
    place.get_by_role("button", name="音を試す").click()
    assert page.evaluate("[localStorage.senka_theme, localStorage.senka_sound, document.documentElement.dataset.theme]") == [
        None,
        "on",
        None,
    ]


# the farm


def test_the_farm_is_changed_and_what_is_refused_stays_typed(page: Page, service: LiveService) -> None:
    place = opened_at(page, service, "farm")
    price = place.get_by_label("M yen", exact=True)
    default = price.input_value()
    price.fill("17.5")
    place.get_by_label("Name of the farm").fill(EVIL)
    place.get_by_label("Time zone").fill("Mars/Phobos")
    place.get_by_label("Start of shift 1").fill("14:00")
    place.get_by_label("Start of shift 2").fill("06:30")
    place.get_by_role("button", name="Save the farm").click()
    expect(place.locator(".trouble").first).to_contain_text("Something that was entered cannot be used")
    expect(place.get_by_label("Time zone")).to_have_value("Mars/Phobos")
    place.get_by_label("Time zone").fill("Asia/Tokyo")
    page.get_by_role("button", name="日本語").first.click()  # what is typed stays in the other language
    expect(place.get_by_label("農場の名前")).to_have_value(EVIL)
    place.get_by_label("農場の名前").press("Enter")
    said(page, "保存しました")
    page.locator("header .language").click()
    expect(place.get_by_label("Start of shift 1")).to_have_value("06:30")  # in their order
    expect(price).to_have_value("17.5")
    place.get_by_label("M grams", exact=True).fill("")
    place.get_by_role("button", name="Save weights and prices").click()
    said(page, "Saved.")
    farm = service.get("/v1/farm").json
    assert (farm["name"], farm["time_zone"], farm["shift_starts"]) == (EVIL, "Asia/Tokyo", ["06:30", "14:00"])
    assert farm["yen_per_fruit"]["M"] == 17.5
    expect(place.get_by_label("M grams", exact=True)).to_have_value(f"{farm['grams_per_fruit']['M']:g}")
    place.get_by_label("Name of the farm").fill("not saved yet")
    place.get_by_role("button", name="Defaults").click()
    pressed(page, "Go back").click()
    expect(price).to_have_value(default)
    expect(place.get_by_label("Name of the farm")).to_have_value("not saved yet")
    expect(place.get_by_role("button", name="Defaults")).to_be_focused()
    assert page.locator("img[src=x]").count() == 0


# lines, growers


@pytest.mark.parametrize(("section", "one", "used"), [("lines", "line", "1"), ("growers", "grower", "Koike")])
def test_a_name_is_entered_noted_on_and_deleted(page: Page, service: LiveService, section: str, one: str, used: str) -> None:
    opened_at(page, service, section)
    page.get_by_role("button", name=f"Add a {one}").click()
    page.get_by_label(f"Name of the {one}").fill(used)
    page.keyboard.press("Enter")
    expect(page.locator("dialog .trouble")).to_contain_text("There is one of that name already.")
    page.get_by_label(f"Name of the {one}").fill("new one")
    pressed(page, "Add").click()
    expect(row(page, "new one")).to_be_visible()
    row(page, "new one").get_by_role("button", name="Note").click()
    page.get_by_label("Note (may stay empty)").fill(f"{EVIL}\nbeside the door")
    pressed(page, "Save").click()
    expect(row(page, "new one")).to_contain_text("beside the door")
    expect(row(page, "new one").get_by_role("button", name="Note")).to_be_focused()
    assert service.get(f"/v1/{section}/new%20one").json["note"] == f"{EVIL}\nbeside the door"
    row(page, used).get_by_role("button", name="Delete").click()
    pressed(page, "Delete").click()
    said(page, "It is in use, so it cannot be deleted.")
    row(page, "new one").get_by_role("button", name="Delete").click()
    pressed(page, "Delete").click()
    expect(row(page, "new one")).to_have_count(0)
    expect(page.locator("#section-title")).to_be_focused()
    assert service.get(f"/v1/{section}/new%20one").status == 404


# cameras and their keys


def test_a_camera_is_entered_with_its_key_which_is_shown_once(page: Page, service: LiveService) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    place = opened_at(page, service, "cameras")
    page.get_by_role("button", name="Add a camera").click()
    page.get_by_label("Name of the camera").fill("with/slash")
    page.get_by_label("Line (may stay empty)").fill("2")
    pressed(page, "Add").click()
    expect(page.locator("dialog .trouble")).to_contain_text("cannot be used")
    page.get_by_label("Name of the camera").fill("O'Brien's")
    pressed(page, "Add").click()
    expect(place.locator(".secret h3")).to_be_focused()
    secret = place.locator(".secret-key").inner_text()
    assert re.fullmatch(r"senka_[0-9a-f]{8}_[\w-]{43}", secret)
    place.get_by_role("button", name="Copy the key").click()
    said(page, "Copied.")
    assert page.evaluate("navigator.clipboard.readText()") == secret
    place.locator(".secret summary").click()
    command = place.locator(".secret pre").last.inner_text()
    assert command.startswith("curl --data-binary @photo.jpg")
    assert command.endswith(f"'{service}/v1/grade?line=2&camera=O%27Brien%27s'")
    bearer = {"Authorization": f"Bearer {secret}"}
    graded = service.request("POST", "/v1/grade?line=2", photograph(3), bearer)
    assert (graded.status, graded.json["camera"]) == (200, "O'Brien's")
    place.get_by_role("button", name="I have kept it").click()
    expect(place.locator(".secret")).to_have_count(0)
    page.reload()
    expect(row(page, "O'Brien's")).to_contain_text("last photograph")
    assert secret not in page.content()
    row(page, "O'Brien's").get_by_role("button", name="Revoke").click()
    pressed(page, "Revoke").click()
    expect(row(page, "O'Brien's")).to_contain_text("no key of its own")
    row(page, "O'Brien's").get_by_role("button", name="Change").click()
    page.get_by_label("Line (may stay empty)").fill("packing")
    pressed(page, "Save").click()
    expect(row(page, "O'Brien's")).to_contain_text("Line packing")
    row(page, "O'Brien's").get_by_role("button", name="New key").click()
    pressed(page, "Make the key").click()
    expect(place.locator(".secret h3")).to_have_text("The new key of O'Brien's")
    keys = [key for key in service.get("/v1/keys").json["keys"] if key["camera"] == "O'Brien's"]
    assert [key["revoked_at"] is None for key in keys] == [True, False]


def test_a_key_is_made_and_revoked(page: Page, service: LiveService) -> None:
    place = opened_at(page, service, "keys")
    page.get_by_role("button", name="New camera key").click()
    page.get_by_label("Name of the key").fill("spare")
    held: list[Route] = []
    page.route("**/v1/keys", lambda route: held.append(route) if route.request.method == "POST" else route.continue_())
    pressed(page, "Make the key").click()
    expect(pressed(page, "Cancel")).to_be_disabled()
    for _ in range(3):
        page.keyboard.press("Escape")  # a browser lets a second one through
    held[0].continue_()
    expect(place.locator(".secret-key")).to_contain_text("senka_")
    secret = place.locator(".secret-key").inner_text()
    # it is shown until somebody says that it is kept, whatever is looked at meanwhile
    page.locator("#sections a[href='#lines']").click()
    expect(page.locator("#section-title")).to_have_text("Lines")
    expect(row(page, "1")).to_be_visible()
    page.go_back()
    expect(place.locator(".secret-key")).to_have_text(secret)
    expect(row(page, "spare")).to_contain_text("any camera")
    row(page, "spare").get_by_role("button", name="Revoke").click()
    pressed(page, "Cancel").click()
    row(page, "spare").get_by_role("button", name="Revoke").click()
    pressed(page, "Revoke").click()
    said(page, "Revoked.")
    place.get_by_text(re.compile(r"Revoked keys: \d+")).click()
    expect(row(page, "spare")).to_contain_text("revoked")
    expect(row(page, "spare").get_by_role("button")).to_have_count(0)


def test_a_key_that_cannot_be_asked_for_is_said(page: Page, service: LiveService) -> None:
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    opened_at(page, service, "cameras")
    page.route("**/v1/keys/*", lambda route: route.abort())
    row(page, EVIL).get_by_role("button", name="Revoke").first.click()
    said(page, "The grading computer does not answer.")
    assert complaints == []


# people


def test_a_user_is_added_changed_and_disabled(page: Page, service: LiveService) -> None:
    opened_at(page, service, "users")
    page.get_by_role("button", name="Add a user").click()
    dialog = page.locator("dialog")
    dialog.get_by_label("Name", exact=True).fill("Hanako")
    dialog.get_by_label("PIN, for a tablet").fill("1234")
    pressed(page, "Add").click()
    expect(dialog.locator(".trouble")).to_contain_text("cannot be used")
    dialog.locator("summary").click()
    expect(dialog.locator("[lang=en]")).to_contain_text("digits in a row")
    expect(dialog.get_by_label("Name", exact=True)).to_have_value("Hanako")
    dialog.get_by_label("Role").select_option("admin")
    expect(dialog.get_by_label("PIN, for a tablet")).to_be_hidden()
    dialog.get_by_label("Role").select_option("operator")
    dialog.get_by_label("PIN, for a tablet").fill("4826")
    pressed(page, "Add").click()
    hanako = row(page, "Hanako")
    expect(hanako).to_contain_text("Operator")
    hanako.get_by_role("button", name="Change").click()
    dialog.get_by_label("Role").select_option("viewer")
    dialog.get_by_label("New password").fill("green and straight")
    dialog.get_by_label("Take the PIN away").check()
    pressed(page, "Save").click()
    expect(hanako).to_contain_text("Viewer")
    found = service.get("/v1/users/Hanako").json
    assert (found["role"], found["has_password"], found["has_pin"]) == ("viewer", True, False)
    hanako.get_by_role("button", name="Disable").click()
    pressed(page, "Disable").click()
    expect(hanako).to_contain_text("may not log in")
    hanako.get_by_role("button", name="Let in again").click()
    expect(hanako).not_to_contain_text("may not log in")


# what is so, and what was


def test_rules_and_the_service_are_said_in_words(page: Page, service: LiveService) -> None:
    place = opened_at(page, service, "rules")
    expect(place).to_contain_text("less than 50\u00a0% sure")
    expect(place.locator(".chip")).to_have_text("decides now")
    place = opened_at(page, service, "service")
    expect(place).to_contain_text("before the answer")
    expect(place).to_contain_text("for ever")
    place.get_by_text(re.compile("All other settings")).click()
    expect(place).to_contain_text("SENKA_MAX_QUEUE_DELAY_MS")
    names = [setting["name"] for setting in service.get("/v1/settings").json["settings"]]
    assert sorted(place.locator("dt code").all_inner_texts()) == sorted(names)


def test_an_alarm_is_seen_once(page: Page, service: LiveService) -> None:
    opened_at(page, service, "alarms")
    past = row(page, "The new model did not prove itself.")
    expect(past).to_contain_text("over")
    expect(past).to_contain_text("lasted 3 min")
    past.get_by_role("button", name="I have seen it").click()
    expect(past).to_contain_text("seen")
    expect(past.get_by_role("button", name="I have seen it")).to_have_count(0)
    now = row(page, "lens dirty")
    expect(now).to_contain_text("open")


def test_the_record_of_changes_is_filtered(page: Page, service: LiveService) -> None:
    for number in range(60):
        assert sent(service, "PATCH", "/v1/growers/Tanaka", {"note": f"note {number}"}).status == 200
    place = opened_at(page, service, "changes")
    expect(place.locator("tbody tr")).to_have_count(50)
    expect(place.locator("tbody tr").first).to_contain_text("changed the grower Tanaka")
    expect(place.locator("tbody tr").first).to_contain_text("note: note 58 → note 59")
    place.get_by_role("button", name="Show more").click()
    expect(place.locator("tbody tr").nth(50)).to_be_visible()
    place.get_by_label("What").select_option("user.")
    place.get_by_role("button", name="Show", exact=True).click()
    expect(place.locator("tbody tr").last).to_contain_text(EVIL)
    expect(place.locator("tbody")).not_to_contain_text("Tanaka")
    place.get_by_label("Who").fill("nobody at all")
    page.keyboard.press("Enter")
    expect(place.locator(".nothing")).to_contain_text("Take one away")
    expect(place.get_by_label("What")).to_have_value("user.")


def test_moments_and_shares_are_said_as_people_do(page: Page, service: LiveService) -> None:
    at = "2026-01-05T03:04:05.123456+00:00"
    line = {
        "at": at,
        "actor": "Ada",
        "address": None,
        "action": "lot.reassigned",
        "subject": "A",
        "detail": {"since": at, "to": "B"},
    }
    page.route("**/v1/audit*", lambda route: route.fulfill(json={"audit": [line], "next_cursor": None}))
    profile = {"version": 1, "created_at": at, "created_by": "Ada", "rules": {"manual_below": 0.625}}
    page.route("**/v1/profiles", lambda route: route.fulfill(json={"in_effect": 1, "profiles": [profile]}))
    place = opened_at(page, service, "changes")
    expect(place.locator("tbody")).to_contain_text(re.compile(r"from: \w+ \d, 2026 \d\d:\d\d"))
    expect(place.locator("tbody")).not_to_contain_text("+00:00")
    expect(opened_at(page, service, "rules")).to_contain_text("less than 62.5\u00a0% sure")


def test_a_role_that_could_not_be_asked_for_is_asked_for_again(page: Page, service: LiveService) -> None:
    page.route("**/v1/session", lambda route: route.abort())
    place = opened_at(page, service, "lines")
    expect(row(page, "1")).to_be_visible()
    expect(place.get_by_role("button", name="Add a line")).to_have_count(0)
    page.unroute("**/v1/session")
    expect(place.get_by_role("button", name="Add a line")).to_be_visible()
    expect(page.locator("#sections a[href='#users']")).to_be_visible()


# roles


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveService]:
    """An empty service that everybody has to log in to."""
    folder: Path = tmp_path_factory.mktemp("guarded")
    home = folder / "home"
    ModelRepository(home / "models").publish(make_model(folder / "first.onnx"), "first", promote=True)
    engine = open_database(f"sqlite:///{home / 'senka.db'}")
    migrate(engine)
    people = Users(engine)
    for name, role in (("Vera", Role.VIEWER), ("Olga", Role.OPERATOR)):
        people.add(name, role, pin=PIN, by="test")
    people.add("Ada", Role.ADMIN, password="green and straight", by="test")
    engine.dispose()
    running = LiveService(home, folder / "serve.log", 1, {"auth": "required"})
    try:
        yield running.wait_listening()
    finally:
        running.kill()


@pytest.mark.parametrize(("name", "changes"), [("Vera", False), ("Olga", True)])
def test_what_needs_an_admin_is_hidden_with_a_word_why(page: Page, guarded: LiveService, name: str, changes: bool) -> None:
    page.goto(f"{guarded}/login?next={quote('/settings')}")
    page.fill("#name", name)
    for digit in PIN:
        page.click(f'[data-digit="{digit}"]')
    page.click(".go")
    expect(page).to_have_url(f"{guarded}/settings")
    expect(page.locator("#for-admins")).to_be_visible()
    for section in ("users", "keys", "service", "changes"):
        expect(page.locator(f"#sections a[href='#{section}']")).to_be_hidden()
        expect(opened_at(page, guarded, section)).to_have_text("Only an admin sees and changes this.")
    place = opened_at(page, guarded, "farm")
    expect(place).to_contain_text("Only an admin changes this.")
    expect(place.get_by_label("Name of the farm")).to_be_disabled()
    expect(place.get_by_role("button")).to_have_count(0)
    # an empty list says what to do next, to whoever may
    for section, add in (("lines", "Add a line"), ("cameras", "Add a camera"), ("growers", "Add a grower")):
        place = opened_at(page, guarded, section)
        expect(place.locator(".nothing")).to_be_visible()
        expect(place.get_by_role("button", name=add)).to_have_count(1 if changes else 0)
    expect(opened_at(page, guarded, "alarms").locator(".nothing")).to_contain_text("No alarm so far")


def test_an_admin_sees_themselves_and_cannot_be_locked_out(page: Page, guarded: LiveService) -> None:
    page.goto(f"{guarded}/login?next={quote('/settings')}")
    page.click('[data-way="password"]')
    page.fill("#name", "Ada")
    page.fill("#password", "green and straight")
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{guarded}/settings")
    opened_at(page, guarded, "users")
    expect(row(page, "Ada")).to_contain_text("you")
    row(page, "Ada").get_by_role("button", name="Disable").click()
    pressed(page, "Disable").click()
    said(page, "This is the last admin")
