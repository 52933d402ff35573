"""The explanations that the teaching pages ask for, of a small network in this process, and a gallery that a test makes up."""

import io
from functools import cache
from typing import Any, cast

import numpy as np
import torch
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from PIL import Image

from models.architectures import build
from models.architectures.network import Explained
from models.explain.frozen import UnitNetwork
from models.explain.layers import output_of
from models.grades import GRADES
from service.explain.worker import describe
from tests.models.architectures.small import small_spec, trained_statistics
from tests.service.dashboard.fake_line import MODEL, FakeLine, create_fake

Json = dict[str, Any]


@cache
def unit_network(architecture: str) -> UnitNetwork:
    network = build(architecture, len(GRADES), small_spec(architecture))
    trained_statistics(network)
    return UnitNetwork(network, small_spec(architecture))


@cache
def described(architecture: str) -> Json:
    return describe(unit_network(architecture))


def photograph(side: int) -> np.ndarray:
    """(side, side, 3) uint8: a green bar on noise."""
    pixels = np.random.default_rng(0).integers(120, 200, (side, side, 3), dtype=np.uint8)
    pixels[side * 2 // 5 : side * 3 // 5, side // 6 : side * 5 // 6] = (40, 110, 50)
    return pixels


def thumbnail() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(photograph(32)).save(buffer, "PNG")
    return buffer.getvalue()


def errors_of(confusion: list[list[int]], grades: list[str]) -> Json:
    """The gallery's part on errors, for that confusion matrix."""
    pairs = [(y, x) for y, line in enumerate(confusion) for x, count in enumerate(line) for _ in range(count) if x != y]
    items = [
        {"image": f"errors/{n:03d}.png", "true": grades[y], "predicted": grades[x], "confidence": round(0.4 + 0.05 * n, 2)}
        for n, (y, x) in enumerate(pairs)
    ]
    images = sum(map(sum, confusion))
    return {"images": images, "count": len(items), "confusion": confusion, "grades": grades, "items": items}


class FakeService:
    """What the teaching pages see. A test sets `architecture`, `gallery`, or `refusal`: a problem that explanations end in."""

    def __init__(self) -> None:
        self.architecture = "lenet"
        self.line = FakeLine()
        self.line.image = thumbnail()
        self.gallery: Json | None = None
        self.refusal: Json | None = None
        self.asked: list[str] = []
        self.temperature = 0.7

    def made(self, **parts: Any) -> None:
        """A gallery with these parts and no others."""
        empty: Json = {"trust": None, "errors": None, "neighbours": None, "layers": []}
        self.gallery = {"format": 1, "model": MODEL, "made_at": "2026-11-23T02:11:00Z", **empty, **parts}

    def explain(self, query: Json) -> Json:
        network = unit_network(self.architecture)
        x = network.unit(photograph(network.spec.width)[None])
        method, layer = query["method"], query.get("layer", "")
        with torch.no_grad():
            logits = network(x)[0]
            if method == "filters":
                values: torch.Tensor = network.bare.get_submodule(layer).get_parameter("weight")
            elif method == "feature_maps":
                values = x[0] if layer == "input" else output_of(network, x, layer)[0]
            else:
                _, cam, _ = cast("Explained", network.bare).explained(network.standardise(x))
                grade = query.get("target") or GRADES[int(logits.argmax())]
                values = cam[0, GRADES.index(grade)]
        told = dict(zip(GRADES, logits.tolist(), strict=True))
        sure = dict(zip(GRADES, (logits / self.temperature).softmax(0).tolist(), strict=True))
        target = query.get("target") or GRADES[int(logits.argmax())]
        return {"values": values.tolist(), "target": target, "logits": told, "probabilities": sure}


def create_fake_service(fake: FakeService) -> FastAPI:
    """The dashboard over a fake service."""
    app = create_fake(fake.line)

    def refused() -> Response | None:
        if fake.refusal is None:
            return None
        return JSONResponse(fake.refusal, fake.refusal["status"], media_type="application/problem+json")

    @app.get("/v1/explain/methods")
    async def methods() -> Any:
        spec = unit_network(fake.architecture).spec
        scale = {"mean": spec.mean[: spec.channels], "std": spec.std[: spec.channels]}
        size = {"width": spec.width, "height": spec.height, "channels": spec.channels, **scale}
        whole = {"model": MODEL, "architecture": fake.architecture, "input": size, **described(fake.architecture)}
        return refused() or whole

    @app.post("/v1/explain")
    async def explain(request: Request) -> Any:
        query = dict(request.query_params)
        fake.asked.append(query["method"])
        return refused() or fake.explain(query)

    @app.get("/v1/explain/architectures")
    async def architectures() -> Any:
        network = {"size": [1, 28, 28], "fully_connected": 2}
        published = {
            "parameters": 3_274_634,
            "macs": None,
            "top1": 99.2,
            "top5": None,
            "fully_connected": 2,
            "source": "a tutorial",
        }
        known = {"name": "deep-mnist", "parameters": 3_274_634, "macs": 13_883_904, "published": published, **network}
        own = {"name": "lenet", "parameters": 2_156_041, "macs": 17_700_000, "published": None, **network}
        return refused() or {"networks": [known, own]}

    @app.get("/v1/explain/gallery")
    async def gallery() -> Any:
        problem = {
            "title": "Not Found",
            "status": 404,
            "detail": "Make it: senka gallery --data SOURCE.",
            "code": "gallery_not_made",
        }
        return fake.gallery or JSONResponse(problem, 404, media_type="application/problem+json")

    @app.get("/v1/explain/gallery/{path:path}")
    async def gallery_file(path: str) -> Response:
        return Response(thumbnail(), media_type="image/png")

    return app
