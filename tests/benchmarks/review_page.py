"""Milliseconds from a tap on the review page until the next photograph is on the screen: python -m tests.benchmarks.review_page

A real service and a real browser on this machine. Counts too whether all answers are on record at the end.
"""

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from models.grades import GRADES
from models.imaging import encode_png
from tests.browser import chromium
from tests.e2e.live import LiveService
from tests.e2e.shed import shed
from training.synth import render

TAP: Any = """async ([wanted, paceMs]) => {
  const photo = document.getElementById('photo');
  const fruit = document.getElementById('fruit');
  const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
  const until = async (holds) => { while (!holds()) await frame(); };
  const shows = () => {
    const image = photo.querySelector('img');
    return fruit.dataset.open === 'yes' && image !== null && image.complete && image.naturalWidth > 0;
  };
  const took = [];
  await until(() => fruit.checkVisibility() && shows());
  while (took.length < wanted) {
    await new Promise((resolve) => setTimeout(resolve, paceMs));
    const before = photo.dataset.id;
    const beganMs = performance.now();
    document.getElementById('right').click();
    await until(() => photo.dataset.id !== before && shows());
    await frame(); // the frame that has it was drawn
    took.push(performance.now() - beganMs);
  }
  return took;
}"""
SENT = "() => !Object.keys(localStorage).some((each) => each.startsWith('senka_review/'))"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--answers", type=int, default=200)
    arguments.add_argument("--pace-ms", type=float, default=300, help="between a photograph and the tap on its answer")
    arguments.add_argument("--side-px", type=int, default=480, help="of the photographs")
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder, shed(Path(folder), fruit=0, keep_share=1) as service:
        fill(service, chosen.answers + 10, chosen.side_px)
        with chromium() as browser:
            page = browser.new_page(viewport={"width": 1024, "height": 768})
            page.set_default_timeout(60_000)
            page.goto(f"{service}/review")
            took = page.evaluate(TAP, [chosen.answers, chosen.pace_ms])
            page.wait_for_function(SENT)
        print(json.dumps({**figures(took), "answers": len(took), "on_record": on_record(service)}))


def fill(service: LiveService, count: int, side_px: int) -> None:
    """So many different photographs, all of the audit sample."""
    for seed in range(count):
        content = encode_png(render(GRADES[seed % 9], (side_px, side_px), np.random.default_rng(seed)).pixels)
        answer = service.grade(content, "line=1&camera=line1-top")
        if answer.status != 200:
            raise SystemExit(f"not graded: {answer.body.decode()}")


def figures(took_ms: list[float]) -> dict[str, float]:
    return {f"p{percent}_ms": round(float(np.percentile(took_ms, percent)), 1) for percent in (50, 95, 100)}


def on_record(service: LiveService) -> int:
    """Corrections that the service has."""
    count, cursor = 0, ""
    while True:
        answer = service.get(f"/v1/corrections?limit=200{cursor}").json
        count += len(answer["corrections"])
        if not answer["next_cursor"]:
            return count
        cursor = f"&cursor={answer['next_cursor']}"


if __name__ == "__main__":
    main()
