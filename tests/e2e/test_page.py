"""The live page of a real service in a real browser: what is graded shows, what is kept is shown, nothing complains."""

import numpy as np
from playwright.sync_api import expect

from models.grades import GRADES
from models.imaging import encode_png
from tests.browser import browser, page  # noqa: F401 - fixtures
from tests.e2e.live import senka
from tests.service.models import make_model
from training.synth import render


def photograph(seed: int) -> bytes:
    return encode_png(render(GRADES[seed % 9], (96, 96), np.random.default_rng(seed)).pixels)


def test_gradings_appear_while_they_are_made(page, home, serve):  # noqa: F811
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    with serve(home) as service:
        page.goto(f"{service}/")
        expect(page.locator("body")).to_contain_text("Waiting for fruit")
        for seed in range(15):
            answer = service.grade(photograph(seed), "line=1&camera=top").json
            expect(page.locator("#fruit-grade")).to_have_text(answer["grade"])
            expect(page.locator("#fruit-confidence")).to_contain_text(f"{answer['confidence'] * 100:.0f}")
        expect(page.locator("#state-word")).to_have_text("Running")
        # the photograph that was sent is the one that is shown
        page.wait_for_function(
            "id => { const image = document.querySelector('#fruit-photo');"
            " return image.src.includes(id) && image.complete && image.naturalWidth === 96 }",
            arg=answer["id"],
        )
        expect(page.locator("#recent-list > li")).to_have_count(12)
        expect(page.locator("#tally-total")).to_have_text("15")
        # another version takes over, and the page says so
        published = senka(home, "models", "publish", str(make_model(home.parent / "second.onnx", seed=2)), "--promote")
        assert published.returncode == 0, published.stderr
        expect(page.locator("#model-name")).to_contain_text("version 2")
    assert complaints == []
