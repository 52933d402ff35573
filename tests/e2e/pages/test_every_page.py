"""Every page on a real service: accessible, for gloves, in one language, within its window, and quiet in the console."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from service.dashboard.pages import PAGES
from tests.e2e.live import LiveService
from tests.e2e.shed import shed
from tests.pages import complaints_of, overflow_px, small_targets, untranslated, violations

SIZES = ((390, 844), (1024, 768), (1920, 1080))
LOOKS = (("ja", "dark"), ("en", "light"), ("ja", "light"), ("en", "dark"))
ASKED_AND_MISSING = ("Failed to load resource",)
"""What Chromium says of an answer that is an error: without PyTorch's checkpoint there is no explanation, and a page says so."""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveService]:
    with shed(tmp_path_factory.mktemp("shed"), fruit=14) as running:
        yield running


def addresses(service: LiveService) -> list[str]:
    one = service.get("/v1/gradings?limit=1").json["gradings"][0]["id"]
    return [path.replace("{grading_id}", one) for path in PAGES]


def look(
    browser: Browser, service: LiveService, path: str, language: str, scheme: str, sizes: tuple[tuple[int, int], ...]
) -> None:
    context = browser.new_context(locale=language, color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
    try:
        page = context.new_page()
        complaints = complaints_of(page)
        page.goto(f"{service}{path}")
        expect(page.locator("html")).to_have_attribute("lang", language)
        page.wait_for_load_state("networkidle") if path != "/" else expect(page.locator("#recent-list li").first).to_be_visible()
        for width, height in sizes:
            page.set_viewport_size({"width": width, "height": height})
            assert overflow_px(page) <= 0, (path, width)
            assert small_targets(page) == [], (path, width)
        assert violations(page) == [], path
        if language == "ja":
            assert untranslated(page) == [], path
        assert [said for said in complaints if not said.startswith(ASKED_AND_MISSING)] == [], path
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip", path  # the keyboard gets past the navigation
    finally:
        context.close()


def test_each_page_in_japanese_at_night(browser: Browser, service: LiveService) -> None:
    for path in addresses(service):
        look(browser, service, path, "ja", "dark", SIZES[:2])


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("language", "scheme"), LOOKS)
def test_each_page_in_both_languages_by_day_and_night(
    browser: Browser,
    service: LiveService,
    language: str,
    scheme: str,
) -> None:
    for path in addresses(service):
        look(browser, service, path, language, scheme, SIZES)
