"""The pages that explain, of a real service in a real browser: a LeNet, its gallery, rendered fruit on record."""

from collections.abc import Iterator

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from models.grades import GRADES
from models.imaging import encode_png
from models.preprocess import PreprocessSpec
from service.dashboard.pages import PAGES
from tests.browser import browser, page  # noqa: F401 - fixtures
from tests.e2e.live import LiveService, senka
from tests.service.explain.published import exported, repository_of
from training.synth import render
from training.synth.batch import synthesize

pytestmark = pytest.mark.alone  # whoever explains gives way to all others, and would wait for the tests of other processes

PHOTOGRAPHS = 4
LONG_MS = 45_000
"""The first explanation waits for torch to be loaded, on a machine that may be busy."""
OPACITY = "canvas => canvas.checkVisibility({ visibilityProperty: true }) ? Number(getComputedStyle(canvas).opacity) : 0"
SIZES = [(390, 844), (1920, 1080)]


@pytest.fixture(scope="module")
def explained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveService]:
    """A ready service with a champion, its gallery, and a few gradings; the last one is of a tall photograph."""
    folder = tmp_path_factory.mktemp("pages")
    home = folder / "home"
    files = exported(folder / "files", spec=PreprocessSpec(width=32, height=32))
    repository_of(home).publish(files.model, promote=True, checkpoint=files.checkpoint)
    synthesize(folder / "batch", 27, 1, [(32, 32)])
    made = senka(home, "gallery", "--data", str(folder / "batch"), "--channels", "2", "--trust-images", "4")
    assert made.returncode == 0, made.stderr
    service = LiveService(home, folder / "serve.log").wait_listening()
    service.wait_ready()
    try:
        for seed in range(PHOTOGRAPHS):
            size = (32, 32) if seed < PHOTOGRAPHS - 1 else (40, 90)
            picture = encode_png(render(GRADES[seed % 9], size, np.random.default_rng(seed)).pixels)
            assert service.grade(picture).status == 200
        yield service
    finally:
        service.kill()


@pytest.fixture
def complaints(page: Page) -> list[str]:  # noqa: F811
    """What the browser has to say against a page: errors, warnings, violations of the content security policy."""
    found: list[str] = []
    page.on("console", lambda message: found.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: found.append(str(error)))
    page.set_default_timeout(LONG_MS)
    expect.set_options(timeout=LONG_MS)
    return found


def fits(page: Page) -> bool:  # noqa: F811
    """Whether nothing makes the page wider than the screen."""
    return bool(page.evaluate("document.documentElement.scrollWidth <= innerWidth"))


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_choose_a_grading_see_why_and_ask_another_method(
    page: Page,  # noqa: F811
    explained: LiveService,
    complaints: list[str],
    width: int,
    height: int,
) -> None:
    page.set_viewport_size({"width": width, "height": height})
    newest = explained.get("/v1/gradings?limit=2").json["gradings"]
    page.goto(f"{explained}/explain")
    expect(page.locator("#choices li")).to_have_count(PHOTOGRAPHS)
    page.locator("#choices a").nth(1).click()
    expect(page.locator("#choices a").nth(1)).to_have_attribute("aria-current", "true")
    assert newest[1]["id"] in page.url
    why = explained.get(f"/v1/explain/why/{newest[1]['id']}").json
    expect(page.locator("#verdict")).to_contain_text(f"{why['grade']} (")
    expect(page.locator("#verdict")).to_contain_text(f"not {why['runner_up']}")
    # the parts, what no place explains, and their sum
    expect(page.locator("#parts li")).to_have_count(len(why["parts"]) + 2)
    assert sum(part["share"] for part in why["parts"]) + why["bias"] == pytest.approx(why["margin"], abs=1e-4)
    expect(page.locator("#neighbours li").first).to_be_visible()
    # a place of the photograph is read out, by pointer and by keys
    frame = page.locator("#why-picture .frame")
    frame.scroll_into_view_if_needed()
    readout = page.locator("#why-picture .readout")
    hint = readout.inner_text()
    frame.hover(position={"x": 20, "y": 15})
    expect(readout).not_to_have_text(hint)
    pointed = readout.inner_text()
    frame.focus()
    for _ in range(20):
        page.keyboard.press("ArrowRight")
    assert readout.inner_text() != pointed
    # opacity in three steps, and each is another picture
    overlay = page.locator("#why-picture .overlay")
    seen = {}
    for step in ("off", "half", "full"):
        page.locator(f"#why-picture .opacities [value={step}]").click()
        expect(overlay).to_have_attribute("data-opacity", step)
        page.wait_for_timeout(300)
        seen[step] = overlay.locator(".heat").evaluate(OPACITY)
    assert seen["off"] == 0 < seen["half"] < seen["full"]
    # another method and layer
    page.locator("#method").select_option("grad_cam")
    page.locator("#layer").select_option("relu1")
    with page.expect_response(lambda response: "method=grad_cam" in response.url) as asked:
        page.locator("#method-show").click()
    assert "layer=relu1" in asked.value.url
    assert asked.value.json()["shape"] == [32, 32]
    expect(page.locator("#result .outcome")).to_be_visible()
    page.locator("#method").select_option("guided_backprop")
    expect(page.locator("#method-shows")).to_contain_text("not reasons")
    page.locator("#method-show").click()
    expect(page.locator("#result canvas").first).to_be_visible()
    assert fits(page)
    assert complaints == []


@pytest.mark.parametrize("path", [path for path in PAGES if path.startswith(("/explain", "/learn"))])
@pytest.mark.parametrize(("width", "height"), SIZES)
def test_every_page_fits_and_nothing_complains(
    page: Page,  # noqa: F811
    explained: LiveService,
    complaints: list[str],
    path: str,
    width: int,
    height: int,
) -> None:
    page.set_viewport_size({"width": width, "height": height})
    page.goto(f"{explained}{path}")
    page.wait_for_load_state("networkidle")
    expect(page.locator("h1")).to_be_visible()
    for trouble in page.locator(".trouble").all():
        assert trouble.inner_text() == ""
    assert fits(page)
    assert complaints == []


def test_the_layers_of_a_photograph_and_a_look_inside_a_place(
    page: Page,  # noqa: F811
    explained: LiveService,
    complaints: list[str],
) -> None:
    page.goto(f"{explained}/explain/layers")
    strips = page.locator("#layers .layer")
    expect(strips.first.locator(".drawn")).to_be_visible()
    assert strips.first.locator(".name").inner_text() == "conv1"
    strips.first.locator(".open").click()
    dialog = page.locator("#cell")
    expect(dialog.locator("table.numbers").first).to_be_visible()
    expect(dialog.locator("#cell-sum")).not_to_be_empty()
    assert complaints == []


def test_the_channels_of_the_gallery(page: Page, explained: LiveService, complaints: list[str]) -> None:  # noqa: F811
    gallery = explained.get("/v1/explain/gallery").json
    page.goto(f"{explained}/explain/channels?layer=conv2")
    layer = next(layer for layer in gallery["layers"] if layer["name"] == "conv2")
    expect(page.locator("#layer-title")).to_contain_text("conv2")
    expect(page.locator("#filters-words")).to_contain_text("with random weights")
    expect(page.locator("#cards li")).to_have_count(len(layer["channels"]))
    page.locator("#cards button").first.click()
    dialog = page.locator("#channel")
    expect(dialog.locator("input[type=range]")).to_be_visible()
    expect(dialog.locator("#grades-bars li")).to_have_count(len(GRADES))
    first = dialog.locator(".scrubber img").get_attribute("src")
    dialog.locator("input[type=range]").fill("0")
    assert dialog.locator(".scrubber img").get_attribute("src") != first
    assert complaints == []


def test_lenet_computed_in_the_browser_agrees_with_the_network(
    page: Page,  # noqa: F811
    explained: LiveService,
    complaints: list[str],
) -> None:
    page.goto(f"{explained}/learn/lenet")  # of the newest fruit, which is tall and larger than the network's input
    stage = page.locator('[data-stage="1"]')
    expect(stage.locator(".agree")).to_contain_text("computed here")
    rows = stage.locator(".chain tbody tr")
    expect(rows.first).to_be_visible()
    assert rows.count() >= 4
    differences = [float(row.locator("td").last.inner_text().replace("−", "-").replace("≤", "") or 0) for row in rows.all()]
    assert max(map(abs, differences)) < 1e-3
    expect(page.locator("#softmax tr")).to_have_count(len(GRADES))
    assert complaints == []


def test_the_error_gallery_counts_what_lies_off_the_diagonal(
    page: Page,  # noqa: F811
    explained: LiveService,
    complaints: list[str],
) -> None:
    errors = explained.get("/v1/explain/gallery").json["errors"]
    confusion = np.array(errors["confusion"])
    off_diagonal = int(confusion.sum() - np.trace(confusion))
    assert errors["count"] == off_diagonal == len(errors["items"]) > 0
    assert [item["confidence"] for item in errors["items"]] == sorted((i["confidence"] for i in errors["items"]), reverse=True)
    page.goto(f"{explained}/learn/errors")
    expect(page.locator("main")).to_contain_text(f"{off_diagonal} of {errors['images']}")
    assert complaints == []
