"""What the service answers is what PyTorch computes for the same photograph, in every format and from small to large."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from fastapi.testclient import TestClient
from PIL import Image

from models.grades import GRADES
from models.repository import ModelRepository
from service.app import create_app
from service.settings import Settings
from tests.data import require_data
from tests.service.running import local_client
from training.config import default_config
from training.export import export, load_network
from training.fit import fit
from training.run import Run
from training.sources import load
from training.synth import render, synthesize

FORMATS = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp", "BMP": "image/bmp"}
SIZES = ((32, 32), (160, 120), (96, 256), (640, 480))


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> tuple[Run, Path]:
    """A LeNet that has seen enough to be sure of something, in a repository."""
    folder = tmp_path_factory.mktemp("parity")
    synthesize(folder / "samples", 270, seed=3, sizes=[(32, 32)])
    from models.architectures import default_spec

    settings = default_config("lenet", default_spec("lenet"), epochs=3)
    run = fit(settings, load(folder / "samples"), folder / "run")
    export(run, folder / "model.onnx")
    ModelRepository(folder / "home" / "models").publish(folder / "model.onnx", promote=True)
    return run, folder / "home"


@pytest.fixture(scope="module")
def client(trained):
    with local_client(create_app(Settings(home=trained[1], host="127.0.0.1"))) as client:
        yield client


def by_pytorch(run: Run, photograph: bytes) -> dict[str, float]:
    """Calibrated probabilities of the trained network, without ONNX and without the service."""
    network, _ = load_network(run)
    inputs = run.facts.config.preprocess.from_bytes(photograph)
    with torch.no_grad():
        logits = network.logits(torch.from_numpy(inputs)[None])[0]
    probabilities = torch.softmax(logits / run.metrics().calibration.temperature, dim=0)
    return dict(zip(run.facts.grades, probabilities.tolist(), strict=True))


def assert_parity(client: TestClient, run: Run, photograph: bytes, media_type: str) -> None:
    answer = client.post("/v1/grade", content=photograph, headers={"Content-Type": media_type})
    assert answer.status_code == 200, answer.text
    expected = by_pytorch(run, photograph)
    found = answer.json()["probabilities"]
    assert list(found) == list(GRADES)
    for grade in GRADES:
        assert found[grade] == pytest.approx(expected[grade], abs=1e-4)
    assert answer.json()["grade"] == max(expected, key=expected.__getitem__)


def encoded(kind: str, size: tuple[int, int], seed: int) -> bytes:
    grade = GRADES[seed % len(GRADES)]
    buffer = BytesIO()
    Image.fromarray(render(grade, size, np.random.default_rng(seed)).pixels).save(buffer, kind)
    return buffer.getvalue()


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("kind", FORMATS)
def test_probabilities_equal_pytorchs(client, trained, kind, size):
    for seed in range(5):
        assert_parity(client, trained[0], encoded(kind, size, seed), FORMATS[kind])


@pytest.mark.parametrize("kind", FORMATS)
def test_trailing_bytes_change_nothing(client, trained, kind):
    photograph = encoded(kind, (160, 120), 4)
    plain = client.post("/v1/grade", content=photograph).json()["probabilities"]
    padded = client.post("/v1/grade", content=photograph + b"\x00trailer" * 50)
    assert padded.status_code == 200, padded.text
    assert padded.json()["probabilities"] == pytest.approx(plain, abs=1e-6)


def test_real_photographs(client, trained):
    for path in sorted((require_data() / "cucumber-frames").glob("*.jpg")):
        assert_parity(client, trained[0], path.read_bytes(), "image/jpeg")
