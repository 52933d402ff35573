"""The page of figures and errors: what it says, that it loads nothing, and how its matrix leads to the errors."""

import re
from pathlib import Path

import numpy as np
import pytest

from models.grades import GRADES
from tests.browser import browser, page  # noqa: F401 - fixtures
from training.metrics import score
from training.report import MOST_PX, write_report

NAMES = [f"photo{i}" for i in range(6)]
TRUTH = np.array([0, 0, 1, 5, 8, 8])
PREDICTED = np.array([0, 1, 1, 1, 0, 0])  # errors: 2L-L, BL-L, C-2L twice
SURE = np.array([0.9, 0.6, 0.8, 0.7, 0.95, 0.5])


def answers(sure=SURE):
    probabilities = np.tile((1 - sure[:, None]) / 8, 9)
    probabilities[np.arange(6), PREDICTED] = sure
    return probabilities


def written(folder: Path, grades=GRADES, names=NAMES, attribution="", **settings) -> Path:
    scores = score(answers(), TRUTH, grades, "the <model>", "the data", uncalibrated=answers(SURE**0.5), resamples=20, **settings)
    inputs = np.random.default_rng(0).integers(0, 255, (6, 20, 30, 3), np.uint8)
    path = folder / "report.html"
    write_report(path, scores, answers(), TRUTH, names, inputs, attribution, uncalibrated=answers(SURE**0.5))
    return path


def test_the_headline_counts_and_the_gallery_shows_every_error_most_confident_first(tmp_path):
    text = written(tmp_path).read_text()
    assert "<h1>4 errors in 6 images</h1>" in text
    assert re.findall(r"<span>(photo\d)</span>", text) == ["photo4", "photo3", "photo1", "photo5"]
    assert text.count("<figure>") == text.count("data:image/png;base64,") == 4
    assert "<b>C &rarr; 2L</b> 95 %" in text


def test_nothing_is_loaded_from_elsewhere_and_names_are_escaped(tmp_path):
    text = written(tmp_path, names=["<script>alert(1)</script>", *NAMES[1:]][::-1], attribution="A & B, CC BY 4.0").read_text()
    assert not re.search(r"""(src|href)\s*=\s*["'](?!data:|#)""", text)
    assert not re.search(r"url\(|@import|<link", text)
    assert "<script>alert" not in text
    assert "the &lt;model&gt;" in text
    assert "A &amp; B, CC BY 4.0" in text


def test_charts_say_in_words_what_they_show(tmp_path):
    text = written(tmp_path).read_text()
    labels = re.findall(r'<svg [^>]*aria-label="([^"]+)"', text)
    assert len(labels) == 2
    assert labels[0].startswith("Reliability diagram")
    assert "67% errors where every photograph is accepted" in labels[1]
    assert 'class="before"' in text
    assert all(re.findall(r'<img [^>]*alt="([^"]+)"', text))


def test_labels_that_are_no_grades_have_no_prices(tmp_path):
    text = written(tmp_path, grades=tuple("012345678")).read_text()
    assert " yen" not in text  # with a space: pictures in base64 may hold the word
    assert "neighbouring" not in text


def test_a_perfect_model_has_an_empty_gallery(tmp_path):
    probabilities = np.eye(9)[TRUTH]
    scores = score(probabilities, TRUTH, GRADES, "m", "d", resamples=5)
    write_report(tmp_path / "r.html", scores, probabilities, TRUTH, NAMES, np.zeros((6, 8, 8, 3), np.uint8))
    text = (tmp_path / "r.html").read_text()
    assert "<h1>0 errors in 6 images</h1>" in text
    assert "<figure>" not in text


def test_large_photographs_are_scaled_down(tmp_path):
    scores = score(answers(), TRUTH, GRADES, "m", "d", resamples=5)
    noise = np.random.default_rng(0).integers(0, 255, (6, 480, 640, 3), np.uint8)
    write_report(tmp_path / "r.html", scores, answers(), TRUTH, NAMES, noise)
    assert (tmp_path / "r.html").stat().st_size < 4 * MOST_PX * MOST_PX * 3 * 4 / 3


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_count_in_the_matrix_leads_to_its_errors(page, tmp_path, scheme):  # noqa: F811
    failures, requests = [], []
    page.on("pageerror", lambda error: failures.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.emulate_media(color_scheme=scheme)
    path = written(tmp_path)
    page.goto(path.as_uri())
    assert page.locator("figure:visible").count() == 4
    page.get_by_label("2 of C graded 2L").click()
    assert page.locator("figure:visible").count() == 2
    assert page.locator("#shown").inner_text() == "2 of 4: 2 of C graded 2L"
    page.get_by_role("button", name="Show all 4").click()
    assert page.locator("figure:visible").count() == 4
    assert page.locator("button:visible").count() == 0
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", dark))) < 380) == (scheme == "dark")
    assert failures == []
    assert [url for url in requests if not url.startswith(("file:", "data:"))] == []


def test_it_fits_a_phone(page, tmp_path):  # noqa: F811
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto(written(tmp_path).as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
