"""The teaching pages in a browser."""

import re
from collections.abc import Iterator
from typing import Literal

import httpx2
import pytest
from playwright.sync_api import Browser, Page, expect

from models.grades import GRADES
from service.dashboard.pages import PAGES
from tests.pages import complaints_of, overflow_px, small_targets, untranslated, violations
from tests.service.dashboard.fake_learn import FakeService, create_fake_service, errors_of
from tests.service.dashboard.fake_line import free_port, grading, serving

NO_TORCH = {
    "title": "Service Unavailable",
    "status": 503,
    "detail": "Explanations need torch.",
    "code": "explanations_unavailable",
}
AGREE = re.compile(r"^All [\d,]+ cells .* by (\S+) at most\.$")

TRUST = "/explain/trust"
CHAPTERS = tuple(path for path in PAGES if path.startswith("/learn"))


@pytest.fixture
def fake() -> FakeService:
    return FakeService()


@pytest.fixture
def address(fake: FakeService) -> Iterator[str]:
    with serving(fake.line, free_port(), create_fake_service(fake)) as url:
        yield url


@pytest.fixture
def complaints(page: Page) -> list[str]:
    """What the browser says against the page."""
    return complaints_of(page)


def test_pages_allow_nothing_inline_and_lead_to_each_other(address: str) -> None:
    contents = httpx2.get(f"{address}/learn").text
    for path in (*CHAPTERS, TRUST):
        answer = httpx2.get(address + path)
        assert answer.status_code == 200
        assert "unsafe" not in answer.headers["content-security-policy"]
        assert not re.search(r"\sstyle=|\son\w+=|<style|<script(?![^>]*\ssrc=)", answer.text)
        assert answer.text.count("<h1") == 1
        assert path == "/learn" or f'href="{path}"' in contents
    assert not any(path in httpx2.get(f"{address}/openapi.json").json()["paths"] for path in (*CHAPTERS, TRUST))


@pytest.mark.parametrize("architecture", ["lenet", "googlenet", "alexnet", "deep-mnist"])
def test_what_is_computed_agrees_with_the_network(
    fake: FakeService, address: str, page: Page, complaints: list[str], architecture: str
) -> None:
    fake.architecture = architecture
    fake.line.add(grading(1, "M"))
    page.goto(f"{address}/learn/lenet")
    expect(page.locator("#softmax tr")).to_have_count(9, timeout=60_000)
    assert page.locator("#not-lenet").is_visible() == (architecture != "lenet")
    shown = [stage for stage in page.locator(".stage").all() if stage.is_visible()]
    assert len(shown) >= 1
    for stage in shown:
        said = AGREE.match(stage.locator(".agree").inner_text())
        assert said
        assert float(said[1].replace("−", "-")) < 1e-4
        differences = stage.locator(".chain tbody td:last-child").all_inner_texts()
        assert len(differences) >= 2
        assert all(float(text.replace("−", "-")) < 1e-4 for text in differences if text != "–")
    columns = page.locator("#softmax tr").first.locator("td").all_inner_texts()
    assert float(columns[2]) == pytest.approx(float(columns[3]), abs=2e-6)  # six digits are shown
    assert complaints == []


def test_a_cell_is_chosen_by_buttons_keys_and_touch(fake: FakeService, address: str, page: Page, complaints: list[str]) -> None:
    fake.line.add(grading(1, "M"))
    page.goto(f"{address}/learn/lenet")
    stage = page.locator('[data-stage="1"]')
    cell, chain = stage.locator(".cell"), stage.locator(".chain tbody")
    expect(cell).to_have_text("row 17, column 17")
    before = chain.inner_text()
    stage.get_by_role("button", name="one column right").click()
    expect(cell).to_have_text("row 17, column 18")
    stage.locator(".output").focus()
    page.keyboard.press("ArrowUp")
    expect(cell).to_have_text("row 16, column 18")
    box = stage.locator(".output").bounding_box()
    assert box
    stage.locator(".output").click(position={"x": 1, "y": box["height"] - 2})
    expect(cell).to_have_text("row 32, column 1")
    assert chain.inner_text() != before
    stage.locator(".filter").select_option("3")
    expect(cell).to_have_text("row 32, column 1")
    stage.get_by_role("button", name="adds").last.click()  # another colour
    expect(stage.locator(".addends [aria-pressed=true]")).to_have_count(1)
    stage.get_by_role("button", name="Play").click()
    expect(cell).to_have_text("row 32, column 32")  # to the last cell, and no further
    stage.get_by_role("button", name="Play").click()
    expect(cell).to_have_text(re.compile("^row 1, "))
    stage.get_by_role("button", name="Pause").click()
    paused = cell.inner_text()
    page.wait_for_timeout(300)
    assert cell.inner_text() == paused
    assert complaints == []


def test_the_shares_of_the_places_and_the_biases_make_the_logit(fake: FakeService, address: str, page: Page) -> None:
    fake.line.add(grading(1, "M"))
    page.goto(f"{address}/learn/lenet")
    page.locator("#grade").select_option("BM")
    expect(page.locator("#addends tr").last.locator("th")).to_have_text("logit of BM")
    values = [float(text.replace("−", "-")) for text in page.locator("#addends td").all_inner_texts()]
    assert sum(values[:-1]) == pytest.approx(values[-1], abs=0.05)
    assert values[-1] == pytest.approx(fake.explain({"method": "cam", "target": "BM"})["logits"]["BM"], abs=0.01)


def test_without_gradings_samples_of_the_gallery_serve(fake: FakeService, address: str, page: Page) -> None:
    fake.line.add(grading(1, "M", model={"name": "cucumber", "version": 2, "sha256": "cd" * 32}))  # of another model
    page.goto(f"{address}/learn/one-by-one")
    expect(page.locator("#source-none")).to_be_visible()
    fake.made(neighbours={"embeddings": "embeddings.npz", "thumbnails": "thumbnails/{index:05d}.png"})
    page.reload()
    expect(page.locator("#source option").first).to_have_text("training photograph 1")
    expect(page.locator("#maps-name")).to_contain_text("Maps of relu1")


def test_without_torch_a_page_says_so_and_keeps_what_it_computes_itself(fake: FakeService, address: str, page: Page) -> None:
    fake.refusal = NO_TORCH
    for path in ("/learn/pooling", "/learn/architectures", "/learn/inception"):
        page.goto(address + path)
        expect(page.locator("#trouble")).to_contain_text("not installed on this computer")
        expect(page.locator("#trouble details [lang=en]")).to_have_text("Explanations need torch.")
    expect(page.locator("#branches tr")).to_have_count(5)


def test_pooling_by_hand(fake: FakeService, address: str, page: Page, complaints: list[str]) -> None:
    fake.line.add(grading(1, "M"))
    page.goto(f"{address}/learn/pooling")
    for number, field in enumerate(page.locator("#cells input").all()):
        field.fill(str(number % 6 - number // 6))  # column less row
    assert page.locator("#max button").all_inner_texts() == [
        "1.00",
        "3.00",
        "5.00",
        "−1.00",
        "1.00",
        "3.00",
        "−3.00",
        "−1.00",
        "1.00",
    ]
    assert page.locator("#average button").first.inner_text() == "0"
    expect(page.locator("#cells .won")).to_have_count(9)
    page.get_by_role("button", name="overlapping").click()
    assert page.locator("#max button").all_inner_texts() == ["2.00", "4.00", "0", "2.00"]
    expect(page.locator("#unused")).to_contain_text("11 cells")
    page.locator("#max button").nth(3).click()
    expect(page.locator("#max-said")).to_contain_text("row 3, column 5")
    page.get_by_role("button", name="2×2, step 2").click()
    expect(page.locator("#same")).to_have_text("The network’s own pool1 differs from the max map by 0 at most.")
    assert complaints == []


def test_what_a_reduction_saves(address: str, page: Page) -> None:
    page.goto(f"{address}/learn/one-by-one")
    counts = [row.locator("td").first.inner_text() for row in page.locator("#costs tr").all()]
    assert counts == [
        f"{n:,}" for n in (28**2 * 25 * 192 * 32, 28**2 * 192 * 16, 28**2 * 25 * 16 * 32, 28**2 * (192 * 16 + 25 * 16 * 32))
    ]
    page.locator("#reduced").fill("192")
    expect(page.locator("#saving")).to_contain_text("times more")


def test_inception_modules_of_the_serving_network(fake: FakeService, address: str, page: Page) -> None:
    page.goto(f"{address}/learn/inception")
    expect(page.locator("#origin")).to_contain_text("table 1")
    assert page.locator("#diagram rect").count() == 9
    fake.architecture = "googlenet"
    page.reload()
    expect(page.locator("#origin")).to_contain_text("cucumber, version 3")
    page.locator("#module").select_option(label="inception4a")
    assert page.locator("#branches tr td:nth-child(2)").all_inner_texts() == ["192", "208", "48", "64", "512"]


def test_the_tutorial_network_layer_by_layer(address: str, page: Page, complaints: list[str]) -> None:
    page.goto(f"{address}/learn/architectures")
    expect(page.locator("#networks tr")).to_have_count(2)
    expect(page.locator("#networks tr").first).to_contain_text("the same")
    expect(page.locator("#mnist-published")).to_contain_text("3,274,634, the same number")
    weights = [row.locator("td").first.inner_text() for row in page.locator("#mnist tr").all()]
    assert weights == ["800", "51,200", "3,211,264", "10,240", "3,273,504"]
    page.locator("#classes").fill("9")
    expect(page.locator("#mnist tr").nth(3)).to_contain_text("9,216")
    assert complaints == []


def test_the_fourier_factors(address: str, page: Page, complaints: list[str]) -> None:
    page.goto(f"{address}/learn/fft")
    page.get_by_role("button", name="32").click()
    expect(page.locator("#factors figure")).to_have_count(6)
    off = re.search(r"by (\S+) at most", page.locator("#agree").inner_text())
    assert off
    assert float(off[1].replace("−", "-")) < 1e-12
    expect(page.locator("#costs tr").last).to_contain_text("1,024")
    expect(page.locator("#costs tr").last).to_contain_text("320")
    expect(page.locator("#reach")).to_have_text("The product: 32 of 32 inputs reach the last output.")
    assert complaints == []


def test_errors_are_counted_and_filtered_by_the_confusion_matrix(
    fake: FakeService, address: str, page: Page, complaints: list[str]
) -> None:
    confusion = [[7, 2, 0], [1, 5, 0], [0, 3, 9]]
    fake.made(errors=errors_of(confusion, ["L", "M", "S"]))
    page.goto(f"{address}/learn/errors")
    expect(page.locator("#found-title")).to_have_text("6 of 27 photographs misjudged")
    expect(page.locator("#checked")).to_contain_text("6 off its diagonal: the same")
    pairs = page.locator("#errors strong")
    assert pairs.all_inner_texts() == ["S → M", "S → M", "S → M", "M → L", "L → M", "L → M"]  # the surest first
    page.get_by_role("button", name="2 of L judged M").click()
    assert pairs.all_inner_texts() == ["L → M", "L → M"]
    expect(page.locator("#listed")).to_have_text("Only L taken for M: 2")
    page.get_by_role("button", name="Show all errors").click()
    expect(pairs).to_have_count(6)
    assert complaints == []


def test_a_gallery_without_errors_and_none_at_all(fake: FakeService, address: str, page: Page) -> None:
    fake.made()
    page.goto(f"{address}/learn/errors")
    expect(page.locator("#missing")).to_contain_text("senka gallery --data")
    fake.gallery = None
    page.reload()
    expect(page.locator("#trouble")).to_contain_text("No gallery has been made")
    expect(page.locator("#trouble code")).to_have_text("senka gallery --data SOURCE")


def filled(fake: FakeService) -> None:
    """Enough for every part of every chapter."""
    fake.line.add(grading(1, "M"))
    method = {"name": "grad_cam", "shows": "reasons", "insertion": 0.6, "deletion": 0.1, "random_insertion": 0.4}
    methods = [{**method, "random_deletion": 0.3, "randomization_correlation": 0.2}]
    kept = {"kept_when_background_swapped": 0.71, "kept_when_light_swapped": 0.96, "kept_when_pasted_back": 0.99}
    spurious = {"images": 80, "fruit_share": 0.83, "fruit_area": 0.12, **kept}
    confusion = [[9 if row == column else (row + column) % 3 for column in range(9)] for row in range(9)]
    fake.made(errors=errors_of(confusion, list(GRADES)), trust={"methods": methods, "spurious": spurious})


READY = {
    "/learn": "#serving code",
    "/learn/lenet": "#softmax tr:nth-child(9)",
    "/learn/pooling": "#real .agree code",
    "/learn/errors": "#errors li",
    "/learn/architectures": "#networks tr",
    "/learn/one-by-one": "#maps-name code",
    "/learn/inception": "#origin",
    "/learn/fft": "#weights tr",
    TRUST: "#rows tr",
}
"""What is there when a chapter is whole."""


@pytest.mark.parametrize(
    ("language", "theme", "width", "height"),
    [("ja", "dark", 390, 844), ("en", "light", 1024, 768), ("ja", "light", 1920, 1080)],
)
def test_pages_fit_can_be_used_by_all_and_speak_one_language(
    fake: FakeService, address: str, browser: Browser, language: str, theme: Literal["dark", "light"], width: int, height: int
) -> None:
    filled(fake)
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=theme, locale=language)
    try:
        page = context.new_page()
        complaints = complaints_of(page)
        for path in (*CHAPTERS, TRUST):
            page.goto(address + path)
            expect(page.locator(READY[path]).first).to_be_visible(timeout=60_000)
            assert overflow_px(page) <= 0, path
            assert small_targets(page) == [], path
            assert violations(page) == [], path
            if language == "ja":
                assert untranslated(page) == [], path
        assert complaints == []
    finally:
        context.close()


def test_the_language_changes_in_place_and_what_was_chosen_stays(
    fake: FakeService, address: str, page: Page, complaints: list[str]
) -> None:
    filled(fake)
    page.goto(f"{address}/learn/lenet")
    expect(page.locator("#softmax tr")).to_have_count(9, timeout=60_000)
    stage = page.locator('[data-stage="1"]')
    stage.locator(".filter").select_option("3")
    stage.get_by_role("button", name="one column right").click()
    page.locator("#grade").select_option("BM")
    expect(page.locator("#addends tr").last).to_contain_text("logit of BM")
    asked = len(fake.asked)
    page.get_by_role("button", name="日本語").click()
    expect(stage.locator(".cell")).to_have_text("17行18列")
    expect(stage.locator(".filter option:checked")).to_have_text("フィルター3")
    expect(page.locator("#source option:checked")).to_contain_text("確信度 91%")
    expect(page.locator("#addends tr").last).to_contain_text("BMのロジット")
    page.get_by_role("button", name="English").click()
    expect(page.locator("#source option:checked")).to_contain_text("91 % sure")
    assert stage.locator(".filter").input_value() == "3"
    assert len(fake.asked) == asked  # what was explained is not asked for again
    assert complaints == []


def test_names_are_text(fake: FakeService, address: str, page: Page, complaints: list[str]) -> None:
    name = "<img src=x onerror=alert(1)>"
    filled(fake)
    assert fake.gallery
    fake.gallery["model"] = {**fake.gallery["model"], "name": name}
    for path in ("/learn/errors", TRUST):
        page.goto(address + path)
        expect(page.locator("#made")).to_contain_text(f"Gallery of {name}, version 3")
    assert complaints == []
