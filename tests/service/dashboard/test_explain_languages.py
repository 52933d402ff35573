"""The pages of the reasons in two languages, light and dark: read by everybody, changed in place, never asked for twice."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Dialog, Page, expect

from models.explain.catalogue import METHODS
from service.dashboard.language import catalogue
from tests.pages import complaints_of, overflow_px, small_targets, untranslated, violations
from tests.service.dashboard.fake_explain import FakeExplainer, create_fake_explainer, gallery_of, problem
from tests.service.dashboard.fake_line import free_port, serving

ATTACK = "<img src=x onerror=alert(1)>"
PATHS = ["/explain", "/explain/layers", "/explain/channels"]


@pytest.fixture
def fake() -> FakeExplainer:
    found = FakeExplainer()
    found.gallery = gallery_of()
    return found


@pytest.fixture
def address(fake: FakeExplainer) -> Iterator[str]:
    with serving(fake.line, free_port(), create_fake_explainer(fake)) as url:
        yield url


def opened(page: Page, address: str, path: str) -> None:
    """The page with everything drawn, and what opens over it open."""
    page.goto(address + path)
    if path == "/explain":
        expect(page.locator("#parts li")).to_have_count(6)
        page.locator("#method").select_option("smooth_grad")
        expect(page.locator("#result .outcome")).to_be_visible()
        page.locator("#parts button").first.click()
    elif path == "/explain/layers":
        page.locator(".layer .open").first.click()
        expect(page.locator("#cell-sum")).not_to_be_empty()
    else:
        page.locator("#cards button").first.click()
        expect(page.locator("#channel .scrubber")).to_be_visible()


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(("language", "scheme", "width"), [("ja", "dark", 390), ("ja", "light", 1024), ("en", "dark", 1920)])
def test_everybody_can_read_and_press_everything(
    browser: Browser, address: str, path: str, language: str, scheme: str, width: int
) -> None:
    context = browser.new_context(
        viewport={"width": width, "height": 844}, locale=language, color_scheme="dark" if scheme == "dark" else "light"
    )
    context.set_default_timeout(15_000)
    try:
        page = context.new_page()
        complaints = complaints_of(page)
        opened(page, address, path)
        assert violations(page) == []
        assert small_targets(page) == []
        assert overflow_px(page) == 0
        if language == "ja":
            assert page.title().endswith("· Senka")
            assert untranslated(page) == []
        page.keyboard.press("Escape")
        assert violations(page) == []
        assert [each for each in complaints if not each.startswith("Failed to load resource")] == []
    finally:
        context.close()


@pytest.mark.parametrize("path", PATHS)
def test_the_language_changes_in_place_and_nothing_is_asked_again(
    fake: FakeExplainer, address: str, page: Page, path: str
) -> None:
    opened(page, address, path)
    page.keyboard.press("Escape")
    page.wait_for_load_state("networkidle")
    title, said = page.locator("h1").inner_text(), page.locator("main").inner_text()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/v1/explain" in request.url else None)
    page.locator("[data-language]").click()
    expect(page.locator("html")).to_have_attribute("lang", "ja")
    expect(page.locator("h1")).not_to_have_text(title)
    assert untranslated(page) == []
    if path == "/explain":
        expect(page.locator("#verdict")).to_have_text("M（62%）、次はS（31%）")
        expect(page.locator("#parts [aria-pressed=true]")).to_have_count(1)
        expect(page.locator("#why-picture .box.part")).to_have_text("左端")
        expect(page.locator("#result .outcome")).to_be_visible()
    page.locator("[data-language]").click()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    assert page.locator("main").inner_text() == said
    assert asked == []


def test_a_refusal_in_japanese_keeps_the_exact_words_in_english(fake: FakeExplainer, browser: Browser, address: str) -> None:
    fake.why_problem = problem(429, "too_many_explanations", "8 are waiting.")
    context = browser.new_context(locale="ja")
    try:
        page = context.new_page()
        page.goto(f"{address}/explain")
        trouble = page.locator("#why-trouble")
        expect(trouble).to_contain_text("説明の依頼が重なっています。")
        expect(trouble).to_contain_text("2秒後")
        exact = trouble.locator("[lang=en]")
        expect(exact).to_be_hidden()
        trouble.locator("summary").click()
        expect(exact).to_have_text("8 are waiting.")
        assert untranslated(page) == []
    finally:
        context.close()


def test_names_are_text_and_never_markup(fake: FakeExplainer, address: str, page: Page) -> None:
    fake.gallery = gallery_of(data={"name": ATTACK, "sha256": "", "images": 90}, architecture=ATTACK)
    fake.why = {"neighbours": [], "neighbours_hint": ATTACK}
    dialogs: list[str] = []

    def noted(dialog: Dialog) -> None:
        dialogs.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", noted)
    page.goto(f"{address}/explain/channels")
    expect(page.locator("#gallery-model")).to_contain_text(ATTACK)
    page.goto(f"{address}/explain")
    expect(page.locator("#neighbours-exactly")).to_contain_text(ATTACK)
    assert dialogs == []


@pytest.mark.parametrize("name", METHODS)
def test_what_the_service_says_of_its_methods_is_translated(name: str) -> None:
    texts = {METHODS[name].what, *(parameter.what for parameter in METHODS[name].parameters)}
    assert texts <= {key.replace("`", "") for key in catalogue("ja", "explain")}
