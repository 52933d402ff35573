"""Logging in on a tablet: a real service, two workers, a real browser."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import Page, expect
from sqlalchemy import delete

from service.records import tables
from service.records.database import migrate, open_database
from service.security.keys import Keys
from service.security.principal import Role
from service.security.users import Users
from tests.browser import browser as browser
from tests.browser import page as page
from tests.e2e.live import LiveService, senka
from tests.service.pictures import picture

Serve = Callable[..., AbstractContextManager[LiveService]]
PASSWORD: Final = "green and straight"
PIN: Final = "4711"


@pytest.fixture
def people(home: Path) -> Path:
    """A home with an operator, an admin and a camera's key in `key`."""
    engine = open_database(f"sqlite:///{home / 'senka.db'}")
    migrate(engine)
    users = Users(engine)
    users.add("Kenji", Role.OPERATOR, pin=PIN, by="test")
    users.add("boss", Role.ADMIN, password=PASSWORD, by="test")
    (home / "key").write_text(Keys(engine).add("line 1", by="test")[1])
    engine.dispose()
    return home


@pytest.fixture
def service(people: Path, serve: Serve) -> Iterator[LiveService]:
    with serve(people, workers=2, auth="required") as running:
        yield running


def tap(page: Page, pin: str) -> None:
    for digit in pin:
        page.click(f'[data-digit="{digit}"]')


@pytest.mark.parametrize(("width", "height"), [(390, 844), (1280, 800)])
def test_an_operator_logs_in_with_a_pin_and_out_again(service: LiveService, page: Page, width: int, height: int) -> None:
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if "Content Security Policy" in message.text else None)
    page.set_viewport_size({"width": width, "height": height})
    page.goto(f"{service}/learn?chapter=1")
    expect(page).to_have_url(f"{service}/login?next=/learn%3Fchapter%3D1")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    for button in page.locator("form button:visible").all():
        box = button.bounding_box()
        assert box is not None
        assert box["height"] >= 60  # a finger in a glove
    expect(page.locator("#password")).to_be_hidden()

    page.fill("#name", "Kenji")
    tap(page, "47")
    page.click('[data-key="back"]')
    tap(page, "12")
    page.click(".go")
    expect(page.locator(".refused")).to_contain_text("do not belong together")
    expect(page.locator("#name")).to_have_value("Kenji")
    expect(page.locator("#pin")).to_have_value("")

    tap(page, PIN)
    page.click(".go")
    expect(page).to_have_url(f"{service}/learn?chapter=1")
    expect(page.locator(".person-name")).to_have_text("Kenji")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.goto(f"{service}/")
    expect(page.locator(".person-name")).to_have_text("Kenji")
    expect(page.locator("#state-word")).to_have_text("Waiting for fruit")  # the event stream is open
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")

    page.click("#person button")
    expect(page).to_have_url(f"{service}/login")
    page.click("#names button")  # known on this tablet from now on
    expect(page.locator("#name")).to_have_value("Kenji")
    page.goto(f"{service}/explain")
    expect(page).to_have_url(f"{service}/login?next=/explain")
    assert said == []


def test_an_admin_uses_a_password_and_the_pages_token_lets_them_ask(service: LiveService, page: Page) -> None:
    page.goto(f"{service}/login")
    page.click('[data-way="password"]')
    expect(page.locator("#pin")).to_be_hidden()
    page.fill("#name", "boss")
    page.fill("#password", PASSWORD)
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{service}/")
    asked = "async (given) => (await fetch('/v1/explain?method=cam', {method: 'POST', headers: given})).status"
    assert page.evaluate(asked, {}) == 403
    module = "async () => (await import('/static/session.js')).csrfHeaders()"
    assert page.evaluate(asked, page.evaluate(module)) == 422  # let in, and then there is no photograph
    cookies = {cookie["name"]: cookie for cookie in page.context.cookies()}
    assert cookies["senka_session"]["httpOnly"]
    assert "senka_session" not in page.evaluate("document.cookie")


def test_a_page_whose_session_ended_leads_to_the_login(service: LiveService, people: Path, page: Page) -> None:
    page.goto(f"{service}/login?next=/explain/trust")
    page.fill("#name", "Kenji")
    tap(page, PIN)
    page.click(".go")
    expect(page).to_have_url(f"{service}/explain/trust")
    engine = open_database(f"sqlite:///{people / 'senka.db'}")
    with engine.begin() as connection:
        connection.execute(delete(tables.sessions))
    engine.dispose()
    page.wait_for_timeout(2500)  # a worker believes a session for two seconds
    # what a script asks for now is refused, and the page goes where that can be mended
    with suppress(PlaywrightError):  # it may be on its way there, refused what it asks for by itself
        page.evaluate("import('/static/learn-api.js').then((api) => api.methods().catch(() => null))")
    expect(page).to_have_url(f"{service}/login?next=%2Fexplain%2Ftrust")


def test_without_scripts_a_form_is_enough(service: LiveService, page: Page) -> None:
    browser = page.context.browser
    assert browser is not None
    context = browser.new_context(java_script_enabled=False)
    try:
        plain = context.new_page()
        plain.goto(f"{service}/login?next=/learn/fft")
        plain.fill("#name", "Kenji")
        plain.fill("#pin", PIN)
        plain.click(".go")
        expect(plain).to_have_url(f"{service}/learn/fft")
    finally:
        context.close()


def test_cameras_come_in_by_key_and_nothing_tells_what_serves(service: LiveService, people: Path) -> None:
    key = {"Authorization": f"Bearer {(people / 'key').read_text()}"}
    assert service.request("POST", "/v1/grade", picture(1), key).status == 200
    refused = service.request("POST", "/v1/grade", picture(1), {"Authorization": f"Bearer senka_00000000_{'a' * 43}"})
    assert (refused.status, refused.json["code"]) == (401, "unauthenticated")
    assert refused.headers["www-authenticate"] == 'Bearer realm="senka"'
    assert "server" not in refused.headers
    assert (people / "key").read_text() not in service.said


def test_a_service_that_nobody_could_enter_does_not_start(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = senka(tmp_path / "empty", "serve", "--host", "0.0.0.0", "--port", "0")
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1
    for word in ("senka keys add", "senka users add", "SENKA_AUTH=off"):
        assert word in done.stderr
