"""The page on trust in a browser."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.service.dashboard.fake_learn import FakeService, create_fake_service
from tests.service.dashboard.fake_line import free_port, serving


def method(name: str, shows: str = "reasons", **figures: float) -> dict[str, Any]:
    usual = {"insertion": 0.6, "deletion": 0.1, "random_insertion": 0.4, "random_deletion": 0.3, "randomization_correlation": 0.2}
    return {"name": name, "shows": shows, **usual, **figures}


SPURIOUS = {
    "images": 80,
    "fruit_share": 0.83,
    "fruit_area": 0.12,
    "kept_when_background_swapped": 0.71,
    "kept_when_light_swapped": 0.96,
    "kept_when_pasted_back": 0.99,
}


@pytest.fixture
def fake() -> FakeService:
    return FakeService()


@pytest.fixture
def address(fake: FakeService) -> Iterator[str]:
    with serving(fake.line, free_port(), create_fake_service(fake)) as url:
        yield url


def test_methods_are_judged_against_random_maps_and_random_weights(fake: FakeService, address: str, page: Page) -> None:
    methods = [method("grad_cam"), method("guided_backprop", "features", deletion=0.29, randomization_correlation=-0.94)]
    fake.made(trust={"methods": methods, "spurious": SPURIOUS})
    page.goto(f"{address}/explain/trust")
    rows = page.locator("#rows tr")
    expect(rows).to_have_count(2)
    assert rows.locator(".label-shows").all_inner_texts() == ["shows reasons", "shows features, not reasons"]
    assert rows.nth(0).locator(".verdict-word").all_inner_texts() == ["good", "good", "good"]
    assert rows.nth(1).locator(".verdict-word").all_inner_texts() == ["poor", "good", "poor"]
    expect(rows.nth(1)).to_contain_text("0.29, random 0.3")


def test_is_it_the_fruit_or_the_background(fake: FakeService, address: str, page: Page) -> None:
    fake.made(trust={"methods": [], "spurious": SPURIOUS})
    page.goto(f"{address}/explain/trust")
    values = page.locator("[data-value]")
    expect(values.first).to_have_text("83 %")
    expect(values).to_have_text(["83 %", "71 %", "96 %"])
    bars = page.locator("[data-bar]")
    assert [bar.get_attribute("data-good") for bar in bars.all()] == ["yes", "no", "yes"]
    expect(page.locator("#chance-said")).to_contain_text("12 %")
    expect(page.locator("#control")).to_contain_text("99 %")
    expect(page.locator("#methods")).to_be_hidden()


def test_what_was_not_measured_is_said(fake: FakeService, address: str, page: Page) -> None:
    fake.made()
    page.goto(f"{address}/explain/trust")
    expect(page.locator("#missing")).to_contain_text("senka gallery --data")
    fake.made(trust={"methods": [method("cam")], "spurious": {**SPURIOUS, "fruit_share": None}})
    page.reload()
    assert page.locator("[data-value]").all_inner_texts()[0] == "–"
    fake.made(trust={"methods": [method("cam")], "spurious": None})
    page.reload()
    expect(page.locator("#spurious-none")).to_be_visible()
    fake.gallery = None
    page.reload()
    expect(page.locator("#trouble")).to_contain_text("No gallery has been made")
    expect(page.locator("#trouble details [lang=en]")).to_have_text("Make it: senka gallery --data SOURCE.")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
