"""A packing shed for tests of pages: a real service with a model, two lines with cameras, lots of two growers, graded fruit."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from models.grades import GRADES
from models.imaging import encode_png
from models.repository import ModelRepository
from tests.e2e.live import LiveService
from tests.service.models import make_model
from training.synth import render

LINES = {"1": ("line1-top", "2026-11-29-A", "Koike"), "2": ("line2-top", "2026-11-29-B", "Tanaka")}
"""line -> camera, lot, grower."""


def photograph(seed: int, size: tuple[int, int] = (96, 96)) -> bytes:
    """A rendered cucumber; the grades take turns."""
    return encode_png(render(GRADES[seed % 9], size, np.random.default_rng(seed)).pixels)


@contextmanager
def shed(folder: Path, fruit: int = 24, workers: int = 1, **settings: object) -> Iterator[LiveService]:
    """The service over an empty folder, with so many gradings, the lines taking turns. Nobody has to log in."""
    home = folder / "home"
    ModelRepository(home / "models").publish(make_model(folder / "first.onnx"), "first", promote=True)
    service = LiveService(home, folder / "serve.log", workers, settings)
    try:
        service.wait_listening()
        service.wait_ready()
        for line, (camera, lot, grower) in LINES.items():
            for path, body in (
                ("/v1/growers", {"name": grower}),
                ("/v1/lots", {"name": lot, "grower": grower}),
                ("/v1/lines", {"name": line, "lot": lot}),
                ("/v1/cameras", {"name": camera, "line": line}),
            ):
                answer = service.request("POST", path, json.dumps(body).encode(), {"Content-Type": "application/json"})
                assert answer.status == 201, answer.body
        for seed in range(fruit):
            line = str(1 + seed % 2)
            assert service.grade(photograph(seed), f"line={line}&camera={LINES[line][0]}").status == 200
        yield service
    finally:
        if service.process.poll() is None:
            service.kill()
