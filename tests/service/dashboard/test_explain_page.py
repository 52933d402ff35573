"""The pages of the reasons, in a browser over a fake service: what an operator and an engineer see and do there."""

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.service.dashboard.fake_explain import (
    BIAS,
    LAYERS,
    SIDE,
    FakeExplainer,
    create_fake_explainer,
    gallery_of,
    problem,
    why_of,
)
from tests.service.dashboard.fake_line import free_port, serving

SIZES = [(390, 844), (1280, 800), (1920, 1080)]
PATHS = ["/explain", "/explain/layers", "/explain/channels"]
NO_TORCH = problem(503, "explanations_unavailable", "Explanations need torch: pip install 'senka[train]'.")


@pytest.fixture
def fake() -> FakeExplainer:
    return FakeExplainer()


@pytest.fixture
def address(fake: FakeExplainer) -> Iterator[str]:
    with serving(fake.line, free_port(), create_fake_explainer(fake)) as url:
        yield url


@pytest.fixture
def complaints(page: Page) -> list[str]:
    """What the browser says against the page; an answer that is an error is the service's affair, not the page's."""
    found: list[str] = []

    def note(kind: str, text: str) -> None:
        if kind in ("error", "warning") and not text.startswith("Failed to load resource"):
            found.append(text)

    page.on("console", lambda message: note(message.type, message.text))
    page.on("pageerror", lambda error: found.append(str(error)))
    return found


def number(text: str) -> float:
    """The first number in words, with the page's own minus."""
    found = re.search(r"[+−]?\d+(\.\d+)?", text)
    assert found, text
    return float(found[0].replace("−", "-"))


def point(frame: Locator, x: float, y: float) -> None:
    """The pointer to a place of an element, in shares of its sides."""
    frame.scroll_into_view_if_needed()
    box = frame.bounding_box()
    assert box
    frame.hover(position={"x": x * box["width"], "y": y * box["height"]})


def fits(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= innerWidth"))


# why this grade


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_from_a_grading_to_its_reasons(
    fake: FakeExplainer, address: str, page: Page, complaints: list[str], width: int, height: int
) -> None:
    page.set_viewport_size({"width": width, "height": height})
    page.goto(f"{address}/explain")
    expect(page.locator("#choices a")).to_have_count(3)
    page.locator("#choices a").nth(1).click()
    assert page.url.endswith(f"?grading={fake.line.gradings[1]['id']}")
    expect(page.locator("#choices [aria-current]")).to_have_count(1)
    expect(page.locator("#verdict")).to_have_text("M (62\u00a0%), not S (31\u00a0%)")
    assert page.locator("#parts .name").all_inner_texts() == [
        *("left end", "middle", "right end", "belt (background)", "before any look at the photograph", "together: M before S"),
    ]
    amounts = [number(text) for text in page.locator("#parts .amount").all_inner_texts()]
    assert sum(amounts[:-1]) == pytest.approx(amounts[-1]) == pytest.approx(2.25)
    expect(page.locator("#parts .amount").first).to_have_text("+1.25 of 2.25")
    expect(page.get_by_text("80\u00a0% of the evidence lies on the fruit.")).to_be_visible()
    expect(page.get_by_alt_text("training photograph graded M")).to_be_visible()
    assert fits(page)
    assert complaints == []


def test_bars_begin_where_the_one_before_ended(address: str, page: Page) -> None:
    page.goto(f"{address}/explain")
    expect(page.locator("#parts li")).to_have_count(6)
    ends = page.locator("#parts .fill").evaluate_all(
        "fills => fills.map(fill => [parseFloat(fill.style.left), parseFloat(fill.style.left) + parseFloat(fill.style.width)])"
    )
    shares = [1.25, -0.5, 0.75, 0.5, 0.25]
    for before, after, share_before, share in zip(ends, ends[1:], shares, shares[1:], strict=False):
        assert before[share_before > 0] == pytest.approx(after[share < 0], abs=0.01)
    assert ends[-1] == pytest.approx([0, 100], abs=0.01)


def test_a_place_is_read_out_by_pointer_touch_and_keys(address: str, page: Page) -> None:
    page.goto(f"{address}/explain")
    frame, readout = page.locator("#why-picture .frame"), page.locator("#why-picture .readout")
    expect(readout).to_contain_text("tap it")
    expect(page.locator("#parts li")).to_have_count(6)
    # the map's values sum to the two points that the photograph explains, so a place adds its value as it is
    point(frame, 0.1, 0.4)
    expect(readout).to_have_text("+0.75 points · on: left end · row 2 of 4, column 1 of 4")
    point(frame, 0.4, 0.6)
    expect(readout).to_have_text("−0.25 points · on: middle · row 3 of 4, column 2 of 4")
    point(frame, 0.6, 0.1)
    expect(readout).to_have_text("0 points · on: belt (background) · row 1 of 4, column 3 of 4")
    frame.focus()
    for _ in range(15):
        page.keyboard.press("ArrowDown")
    expect(readout).to_contain_text("row 2 of 4, column 3 of 4")


def test_a_map_that_is_averaged_adds_a_share_of_each_value(fake: FakeExplainer, address: str, page: Page) -> None:
    values = 16 * np.array(why_of("")["map"]["values"])  # its mean, not its sum, is what the photograph explains
    fake.why = {"map": {"shape": [4, 4], "values": values.tolist(), "minimum": -4.0, "maximum": 12.0, "weak": False}}
    page.goto(f"{address}/explain")
    expect(page.locator("#parts li")).to_have_count(6)
    point(page.locator("#why-picture .frame"), 0.1, 0.4)
    expect(page.locator("#why-picture .readout")).to_contain_text("+0.75 points")


def test_a_tap_reads_out(browser: Browser, address: str) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    try:
        page = context.new_page()
        page.goto(f"{address}/explain")
        expect(page.locator("#parts li")).to_have_count(6)
        page.locator("#why-picture .frame").tap(position={"x": 10, "y": 150})
        expect(page.locator("#why-picture .readout")).to_contain_text("on: left end")
    finally:
        context.close()


def heat(page: Page) -> list[int]:
    """Red, green, blue and cover of the map in the middle of the left end, as drawn."""
    colour: list[int] = page.locator("#why-picture .heat").evaluate(
        "c => [...c.getContext('2d').getImageData(c.width * 0.1, c.height * 0.5, 1, 1).data]"
    )
    return colour


def test_the_map_is_drawn_and_covers_in_three_steps(address: str, page: Page) -> None:
    page.goto(f"{address}/explain")
    expect(page.locator("#parts li")).to_have_count(6)
    red, green, blue, cover = heat(page)
    assert red > 150 > max(green, blue)
    assert cover > 230
    canvas = page.locator("#why-picture .heat")
    seen = {}
    for step in ("Off", "Half", "Full"):
        button = page.locator("#why-picture").get_by_role("button", name=step)
        button.click()
        expect(button).to_have_attribute("aria-pressed", "true")
        expect(page.locator("#why-picture .opacities [aria-pressed=true]")).to_have_count(1)
        style = canvas.evaluate("c => [getComputedStyle(c).visibility, getComputedStyle(c).opacity]")
        seen[step] = float(style[1]) if style[0] == "visible" else 0.0
    assert seen == {"Off": 0.0, "Half": 0.5, "Full": 1.0}


def test_little_evidence_is_not_stretched_into_a_picture(fake: FakeExplainer, address: str, page: Page) -> None:
    fake.why = {"map": {**why_of("")["map"], "weak": True}}
    page.goto(f"{address}/explain")
    expect(page.locator("#why-picture .weak")).to_contain_text("Too little evidence to draw")
    expect(page.locator("#why-picture .heat")).to_be_hidden()
    expect(page.locator("#why-picture .opacities")).to_be_hidden()


def test_what_to_hide_is_shown_and_hidden(address: str, page: Page) -> None:
    page.goto(f"{address}/explain")
    expect(page.locator("#hide-words")).to_have_text("Hide this, and it becomes S (70\u00a0%).")
    box = page.locator("#why-picture .box")
    expect(box).to_have_class("box hiding")
    assert box.evaluate("b => [b.style.left, b.style.top, b.style.width, b.style.height]") == ["0%", "25%", "31.25%", "50%"]
    page.get_by_role("button", name="Hide it on the photograph").click()
    expect(box).to_have_class("box covering")
    page.get_by_role("button", name="Show it again").click()
    expect(box).to_have_class("box hiding")
    page.locator("#parts button").nth(2).click()
    expect(page.locator("#why-picture .box.part")).to_have_text("right end")
    page.locator("#parts button").nth(2).click()
    expect(page.locator("#why-picture .box.part")).to_have_count(0)


def test_shares_that_do_not_add_up_are_not_added(fake: FakeExplainer, address: str, page: Page) -> None:
    fake.why = {
        "additive": False,
        "method": "occlusion",
        "bias": None,
        "counterfactual": None,
        "neighbours": [],
        "fruit_share": None,
    }
    fake.why["neighbours_hint"] = "Make the gallery: senka gallery --data SOURCE."
    page.goto(f"{address}/explain")
    expect(page.locator("#parts li")).to_have_count(4)
    expect(page.locator("#parts .amount").first).to_have_text("hiding it changes −1.25")
    expect(page.locator("#reasons-words")).to_contain_text("do not add up")
    expect(page.locator("#hide-words")).to_have_text("No single hidden area changes the grade.")
    expect(page.locator("#hide-button")).to_be_hidden()
    expect(page.locator("#neighbours-none")).to_contain_text("senka gallery")
    expect(page.locator("#neighbours-exactly")).to_contain_text("Make the gallery")


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (problem(429, "too_many_explanations", "8 are waiting."), ["Too many explanations", "8 are waiting.", "in 2 s"]),
        (problem(504, "explanation_timeout", "It took over 20 s."), ["took too long", "20 s"]),
        (problem(409, "model_mismatch", "Version 3 differs."), ["not the one that graded", "Version 3 differs."]),
        (NO_TORCH, ["not available on this computer", "pip install"]),
        (problem(500, "internal", "A bug."), ["error (500)"]),
    ],
    ids=lambda value: str(value["status"]) if isinstance(value, dict) else "",
)
def test_a_refusal_is_said_in_words_and_the_record_still_shown(
    fake: FakeExplainer, address: str, page: Page, complaints: list[str], found: dict[str, Any], said: list[str]
) -> None:
    fake.why_problem = found
    page.goto(f"{address}/explain")
    for words in said:
        expect(page.locator("#why-trouble")).to_contain_text(words)
    expect(page.locator("#verdict")).to_have_text("M (91\u00a0%), not S (6\u00a0%)")
    expect(page.locator("#reasons")).to_be_hidden()
    fake.why_problem = None
    page.locator("#choices a").nth(2).click()  # goes on with the next fruit
    expect(page.locator("#why-trouble")).to_be_hidden()
    expect(page.locator("#parts li")).to_have_count(6)
    assert complaints == []


@pytest.mark.parametrize("path", PATHS)
def test_pages_without_torch_and_without_a_gallery_say_so(
    fake: FakeExplainer, address: str, page: Page, complaints: list[str], path: str
) -> None:
    fake.why_problem = fake.methods_problem = NO_TORCH
    page.goto(address + path)
    expect(page.get_by_text("Explanations are not available on this computer.").first).to_be_visible()
    if path == "/explain/channels":
        expect(page.get_by_text("senka gallery --data SOURCE").first).to_be_visible()
    assert complaints == []


@pytest.mark.parametrize("path", PATHS)
def test_before_the_first_fruit_the_pages_say_what_to_do(
    fake: FakeExplainer, address: str, page: Page, complaints: list[str], path: str
) -> None:
    fake.line.gradings.clear()
    page.goto(address + path)
    expect(page.locator("#choices-none")).to_contain_text("senka demo")
    assert complaints == []


def test_the_other_pages_open_with_the_same_fruit(fake: FakeExplainer, address: str, page: Page) -> None:
    oldest = fake.line.gradings[2]["id"]
    page.goto(f"{address}/explain?grading={oldest}")
    expect(page.locator("#verdict")).to_contain_text("not S")
    expect(page.locator("#choices a").nth(2)).to_have_attribute("aria-current", "true")
    page.locator(".ways").get_by_role("link", name="Layers").click()
    page.wait_for_url(f"**/explain/layers?grading={oldest}")
    expect(page.locator("#choices a").nth(2)).to_have_attribute("aria-current", "true")


def test_the_chosen_fruit_is_in_sight_and_the_page_stays_at_its_top(fake: FakeExplainer, address: str, page: Page) -> None:
    oldest = fake.line.gradings[2]["id"]
    page.set_viewport_size({"width": 320, "height": 500})
    for path in PATHS:
        page.goto(f"{address}{path}?grading={oldest}")
        chosen_one = page.locator("#choices a").nth(2)
        expect(chosen_one).to_have_attribute("aria-current", "true")
        strip, card = page.locator("#choices").bounding_box(), chosen_one.bounding_box()
        assert strip
        assert card
        assert strip["x"] <= card["x"]
        assert card["x"] + card["width"] <= strip["x"] + strip["width"] + 1
        assert page.evaluate("scrollY") == 0


# other methods


def chosen(page: Page, address: str, method: str) -> None:
    page.goto(f"{address}/explain")
    expect(page.locator("#methods-form")).to_be_visible()
    page.locator("#method").select_option(method)


@pytest.mark.parametrize(("width", "height"), [(390, 844), (1920, 1080)])
def test_switch_method_and_layer(
    fake: FakeExplainer, address: str, page: Page, complaints: list[str], width: int, height: int
) -> None:
    page.set_viewport_size({"width": width, "height": height})
    chosen(page, address, "grad_cam")
    assert page.locator("#method optgroup").evaluate_all("groups => groups.map(group => group.label)") == [
        "Shows reasons",
        "Shows features, not reasons",
    ]
    expect(page.locator("#layer")).to_have_value("pool1")
    expect(page.locator("#target")).to_have_value("M")
    expect(page.locator("#result .facts")).to_contain_text("pool1")
    expect(page.locator("#result .facts")).to_contain_text("evidence (points)")
    page.locator("#layer").select_option("relu1")
    page.locator("#target").select_option("2L")
    end = time.monotonic() + 10
    while fake.asked[-1]["target"] != "2L" and time.monotonic() < end:  # what was shown before may name the 2L as well
        page.wait_for_timeout(50)
    expect(page.locator("#result .facts")).to_contain_text("2L")
    last = fake.asked[-1]
    assert (last["method"], last["layer"], last["target"], last["grading_id"]) == (
        *("grad_cam", "relu1", "2L"),
        fake.line.gradings[0]["id"],
    )
    point(page.locator("#result .frame"), 0.6, 0.6)
    expect(page.locator("#result .readout")).to_contain_text("row 3 of 4, column 3 of 4")
    page.locator("#method").select_option("guided_backprop")
    expect(page.locator("#method-shows")).to_have_text("Shows features, not reasons")
    expect(page.locator("#result canvas.picture")).to_be_visible()
    page.locator("#method").select_option("saliency")  # weak
    expect(page.locator("#result .weak")).to_be_visible()
    assert fits(page)
    assert complaints == []


def test_parameters_are_fields_with_bounds(fake: FakeExplainer, address: str, page: Page) -> None:
    chosen(page, address, "integrated_gradients")
    expect(page.locator("#result .outcome")).to_be_visible()
    steps = page.get_by_label("steps")
    assert [steps.get_attribute(name) for name in ("type", "min", "max")] == ["number", "8", "1024"]
    assert page.locator("#parameters select option").all_inner_texts() == ["belt", "black", "grey", "white"]
    before = len(fake.asked)
    steps.fill("5")  # too few: the browser says so, and nothing is asked
    page.locator("#method-show").click()
    assert steps.evaluate("input => input.validity.rangeUnderflow")
    steps.fill("16")
    page.locator("#method-show").click()
    expect(page.locator("#result .outcome")).to_be_visible()
    assert [each["steps"] for each in fake.asked[before:]] == ["16"]


@pytest.mark.parametrize("method", ["feature_maps", "filters", "deconvolution", "smooth_grad", "cam", "activation_maximization"])
def test_every_kind_of_result_is_drawn(fake: FakeExplainer, address: str, page: Page, complaints: list[str], method: str) -> None:
    chosen(page, address, method)
    page.locator("#method-show").click()
    expect(page.locator("#result .drawn canvas, #result .drawn img").first).to_be_visible()
    tiles = {"feature_maps": 4, "filters": 4}.get(method, 0)
    expect(page.locator("#result .tile-list canvas")).to_have_count(tiles)
    needs_none = method in ("filters", "activation_maximization")
    assert ("grading_id" in fake.asked[-1]) != needs_none
    assert complaints == []


def test_one_scale_for_all_tiles_or_each_its_own(address: str, page: Page) -> None:
    chosen(page, address, "feature_maps")
    expect(page.locator("#result .tile-list canvas")).to_have_count(4)
    brightest: Callable[[], Any] = lambda: page.locator("#result .tile-list canvas").evaluate_all(  # noqa: E731
        """tiles => tiles.map(canvas => {
            const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
            return Math.max(...data.filter((_, place) => place % 4 === 0));
        })"""
    )
    shared = brightest()
    page.locator("#result .check input").uncheck()
    apart = brightest()
    assert min(apart) > 240  # each tile's largest value has the last colour
    assert min(shared) < 240


def test_raw_numbers_are_handed_out(fake: FakeExplainer, address: str, page: Page) -> None:
    chosen(page, address, "grad_cam")
    expect(page.locator("#result .outcome")).to_be_visible()
    for name, suffix, accept in [
        ("JSON", ".json", "application/json"),
        ("NPY", ".npy", "application/x-npy"),
        ("PNG", ".png", "image/png"),
    ]:
        with page.expect_download() as started:
            page.locator("#result .raw").get_by_role("button", name=name, exact=True).click()
        assert started.value.suggested_filename == f"grad_cam-pool1-M{suffix}"
        assert fake.asked[-1]["accept"] == accept
        if name == "JSON":
            assert json.loads(started.value.path().read_text())["method"] == "grad_cam"
    with page.expect_download():
        page.get_by_role("button", name="PNG on the photograph").click()
    assert fake.asked[-1]["overlay"] == "true"


def test_another_choice_calls_off_the_one_under_way(fake: FakeExplainer, address: str, page: Page, complaints: list[str]) -> None:
    fake.hold["occlusion"] = threading.Event()
    chosen(page, address, "occlusion")
    expect(page.locator("#method-busy")).to_have_text("Working…")
    with page.expect_event("requestfailed", lambda request: "method=occlusion" in request.url):
        page.locator("#method").select_option("cam")
    expect(page.locator("#result .outcome")).to_be_visible()
    fake.hold["occlusion"].set()
    page.wait_for_timeout(200)
    expect(page.locator("#method-trouble")).to_be_hidden()
    expect(page.locator("#method-busy")).to_be_hidden()
    # what takes a minute waits for its button
    page.locator("#method").select_option("deepdream")
    expect(page.locator("#method-busy")).to_contain_text("press “Show”")
    assert "deepdream" not in [each["method"] for each in fake.asked]
    assert complaints == []


def test_a_method_that_is_refused_says_what_would_do(fake: FakeExplainer, address: str, page: Page) -> None:
    fake.refusals["grad_cam"] = problem(422, "unknown_layer", "There is no such layer.", valid=["conv1", "pool1"])
    chosen(page, address, "grad_cam")
    expect(page.locator("#method-trouble")).to_contain_text("could not use what was asked. Possible: conv1, pool1.")
    page.locator("#method-trouble summary").click()
    expect(page.locator("#method-trouble").get_by_text("There is no such layer.")).to_be_visible()
    expect(page.locator("#result .outcome")).to_have_count(0)


# layers


def test_every_layer_is_fetched_when_it_comes_into_view(
    fake: FakeExplainer, address: str, page: Page, complaints: list[str]
) -> None:
    page.set_viewport_size({"width": 390, "height": 500})
    page.goto(f"{address}/explain/layers")
    strips = page.locator(".layer")
    expect(strips).to_have_count(len(LAYERS))
    expect(strips.nth(0).locator(".drawn")).to_be_visible()
    expect(strips.nth(0)).to_contain_text("not (yet) through a ReLU")
    assert [each["layer"] for each in fake.asked] == ["conv1"]  # no photograph's maps before they are looked at
    strips.nth(2).scroll_into_view_if_needed()
    expect(strips.nth(2).locator(".drawn")).to_be_visible()
    expect(strips.nth(1)).to_contain_text("after a ReLU")
    assert sorted(each["layer"] for each in fake.asked) == ["conv1", "pool1", "relu1"]
    assert fits(page)
    assert complaints == []


@pytest.mark.parametrize(("width", "height"), [(390, 844), (1920, 1080)])
def test_a_place_is_marked_in_all_layers_and_on_the_photograph(
    fake: FakeExplainer, address: str, page: Page, complaints: list[str], width: int, height: int
) -> None:
    fake.gallery = gallery_of()
    page.set_viewport_size({"width": width, "height": height})
    page.goto(f"{address}/explain/layers")
    first = page.locator(".layer").first
    expect(first.locator(".drawn")).to_be_visible()
    expect(first.locator(".dead-words")).to_contain_text("1 dead (×): 1.")
    maps = first.locator(".strip-maps")
    maps.scroll_into_view_if_needed()
    page.evaluate("scrollBy(0, -300)")
    maps.hover(position={"x": 80 + 72 * 0.3, "y": 72 * 0.2})  # map 1: tiles are 72 wide and 8 apart
    row, column = 1, 2
    value = fake.convolved()[1, row, column]
    expect(first.locator(".readout")).to_contain_text("map 1, dead · row 2 of 8, column 3 of 8")
    assert number(first.locator(".readout").inner_text().split("value")[1]) == pytest.approx(value, abs=0.05)
    # three pixels of eight around the middle of the cell
    box = page.locator("#layers-picture .box")
    left, top, width_, height_ = box.evaluate("b => [b.style.left, b.style.top, b.style.width, b.style.height].map(parseFloat)")
    assert (left, top) == (pytest.approx(100 * (column - 1) / SIDE), pytest.approx(100 * (row - 1) / SIDE))
    assert (width_, height_) == (pytest.approx(37.5), pytest.approx(37.5))
    page.locator(".layer").nth(2).scroll_into_view_if_needed()
    expect(page.locator(".layer").nth(2).locator(".readout")).to_contain_text("row 1 of 4, column 2 of 4")
    assert fits(page)
    assert complaints == []


def test_keys_move_the_place_and_a_look_inside_adds_up(
    fake: FakeExplainer, address: str, page: Page, complaints: list[str]
) -> None:
    page.goto(f"{address}/explain/layers")
    first = page.locator(".layer").first
    expect(first.locator(".drawn")).to_be_visible()
    first.locator(".strip-maps").focus()
    for key in ("PageDown", "PageDown", "ArrowUp", "ArrowLeft", "ArrowLeft"):
        page.keyboard.press(key)
    expect(first.locator(".readout")).to_contain_text("map 2 · row 4 of 8, column 3 of 8")
    page.keyboard.press("Enter")
    dialog = page.locator("#cell")
    expect(dialog.locator("#cell-sum")).to_contain_text("The products sum to")
    value = fake.convolved()[2, 3, 2]
    said = [float(text.replace("−", "-")) for text in re.findall(r"[+−]?\d+\.\d+", dialog.locator("#cell-sum").inner_text())]
    assert said[0] + said[1] == pytest.approx(said[2], abs=0.02) == pytest.approx(value, abs=0.02)
    assert said[1] == pytest.approx(BIAS, abs=0.006)  # found by the page from the values alone
    assert dialog.locator("h3").all_inner_texts() == ["red", "green", "blue"]
    weights = [number(text) for text in dialog.locator("table").nth(1).locator("td").all_inner_texts()]
    np.testing.assert_allclose(weights, fake.filters[2, 0].ravel(), rtol=0.06)
    dialog.get_by_role("button", name="Close").click()
    expect(dialog).to_be_hidden()
    assert complaints == []


def test_a_layer_that_is_refused_leaves_the_others(fake: FakeExplainer, address: str, page: Page) -> None:
    fake.refusals["feature_maps"] = problem(504, "explanation_timeout", "It took over 20 s.")
    page.goto(f"{address}/explain/layers")
    expect(page.locator(".layer .trouble").first).to_contain_text("took too long")
    expect(page.locator(".layer")).to_have_count(len(LAYERS))


# channels


@pytest.mark.parametrize(("width", "height"), [(390, 844), (1920, 1080)])
def test_channels_of_a_gallery(
    fake: FakeExplainer, address: str, page: Page, complaints: list[str], width: int, height: int
) -> None:
    fake.gallery = gallery_of()
    page.set_viewport_size({"width": width, "height": height})
    page.goto(f"{address}/explain/channels?layer=conv1")
    expect(page.locator("#filters-words")).to_contain_text("0.62")
    expect(page.locator("#filters-words")).to_contain_text("0.00 ± 0.02")
    expect(page.locator("#filters-words")).to_contain_text("structure, not noise")
    expect(page.locator("#cards li")).to_have_count(2)
    expect(page.locator("#cards .dead-mark").nth(1)).to_be_visible()
    page.locator("#cards button").first.click()
    dialog = page.locator("#channel")
    slider = dialog.get_by_label("Steps of its making")
    expect(dialog.locator(".frame-words")).to_have_text("picture 3 of 3 · objective 4.50")
    slider.focus()
    page.keyboard.press("Home")
    expect(dialog.locator(".frame-words")).to_have_text("picture 1 of 3 · objective 0.50")
    assert "/0-0.png" in str(dialog.locator(".scrubber > img").get_attribute("src"))
    assert len(str(dialog.locator("polyline").get_attribute("points")).split()) == 4
    expect(dialog.locator("#top li")).to_have_count(9)
    expect(dialog.locator("#top .crop").first).to_have_attribute("alt", "part of a training photograph")
    dialog.locator("#top-deconvolution").check()
    assert "/d.png" in str(dialog.locator("#top .crop").first.get_attribute("src"))
    assert dialog.locator("#grades-bars .amount").all_inner_texts() == ["+0.50", "−0.25"]
    assert fits(page)
    assert complaints == []
    dialog.get_by_role("button", name="Close").click()
    page.locator("#cards button").nth(1).click()  # nothing was made of a dead one
    expect(dialog.locator("#channel-dead")).to_be_visible()
    expect(dialog.locator("#top-none")).to_be_visible()


def test_noise_is_not_called_structure(fake: FakeExplainer, address: str, page: Page) -> None:
    fake.gallery = gallery_of()
    fake.gallery["layers"][0]["autocorrelation"] = {"trained": 0.02, "random": 0.0, "random_std": 0.02}
    page.goto(f"{address}/explain/channels")
    expect(page.locator("#filters-words")).to_contain_text("alike by 0.02")
    expect(page.locator("#filters-words")).not_to_contain_text("structure, not noise")


def test_a_dream_and_its_making(fake: FakeExplainer, address: str, page: Page, complaints: list[str]) -> None:
    fake.hold["deepdream"] = threading.Event()
    page.goto(f"{address}/explain/channels")
    page.locator("#dream-layer").select_option("conv1")
    page.locator("#dream-show").click()
    expect(page.locator("#dream-busy")).to_contain_text("up to a minute")
    with page.expect_event("requestfailed", lambda request: "deepdream" in request.url):
        page.get_by_role("button", name="Stop").click()
    expect(page.locator("#dream-busy")).to_be_hidden()
    fake.hold["deepdream"].set()
    page.locator("#dream-show").click()
    expect(page.locator("#dreamt .scrubber > img")).to_be_visible()
    expect(page.locator("#dreamt .frame-words")).to_have_text("picture 3 of 3 · objective 4.00")
    assert fake.asked[-1]["layer"] == "conv1"
    assert complaints == []
