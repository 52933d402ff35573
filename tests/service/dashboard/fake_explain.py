"""The HTTP contract of explanations, over answers that a test makes up: what the pages of the reasons see."""

import base64
import threading
from typing import Any

import numpy as np
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from models.explain.catalogue import METHODS
from models.grades import GRADES
from tests.service.dashboard.fake_line import MODEL, FakeLine, create_fake, grading, picture

Json = dict[str, Any]

SIDE = 8
"""Of the network's input, and of conv1's maps, in pixels; the photograph is twice as large."""
MEAN, STD = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)
BIAS = 0.125
LAYERS = {"conv1": ("Conv2d", (4, SIDE, SIDE)), "relu1": ("ReLU", (4, SIDE, SIDE)), "pool1": ("MaxPool2d", (4, 4, 4))}
PLACEMENT = {"rotated": False, "left": 0, "top": 0, "width": SIDE, "height": SIDE, "input_width": SIDE, "input_height": SIDE}
PARTS = [
    ("left end", 1.25, [0, 4, 5, 12]),
    ("middle", -0.5, [5, 4, 11, 12]),
    ("right end", 0.75, [11, 4, 16, 12]),
    ("belt", 0.5, None),
]


def why_of(grading_id: str, **changes: Any) -> Json:
    """An answer of `/v1/explain/why`: M before S by 2.25 points, 2.0 of them from the photograph. Its map adds up to those."""
    values = np.zeros((4, 4))
    values[1:3, 0] = 0.75
    values[1:3, 1] = -0.25
    values[1:3, 3] = 0.5
    return {
        "grading_id": grading_id,
        "grade": "M",
        "runner_up": "S",
        "probabilities": {**dict.fromkeys(GRADES, 0.01), "M": 0.62, "S": 0.31},
        "margin": 2.25,
        "additive": True,
        "method": "contrastive_cam",
        "parts": [{"name": name, "share": share, "box": box} for name, share, box in PARTS],
        "bias": 0.25,
        "map": {"shape": [4, 4], "values": values.tolist(), "minimum": -0.25, "maximum": 0.75, "weak": False},
        "fruit_share": 0.8,
        "counterfactual": {"box": [0, 4, 5, 12], "grade": "S", "confidence": 0.7},
        "neighbours": [{"image": "/v1/explain/gallery/thumbnails/00001.png", "grade": "M", "similarity": 0.98}],
        "neighbours_hint": None,
        "model": MODEL,
        "photograph": {"width": 2 * SIDE, "height": 2 * SIDE},
        "placement": PLACEMENT,
        **changes,
    }


def problem(status: int, code: str, detail: str, **facts: Any) -> Json:
    return {"type": "about:blank", "title": code, "status": status, "code": code, "detail": detail, **facts}


def gallery_of(**changes: Any) -> Json:
    """A gallery with one layer of two channels, the second of them dead."""
    top = {"crop": "c.png", "photograph": "t.png", "activation": 3.5, "box": [0, 0, 3, 3], "deconvolution": "d.png"}
    pictures = {
        "image": "0.png",
        "frames": ["0-0.png", "0-1.png", "0-2.png"],
        "objective": [0.5, 1.5, 2.5, 4.5],
        "top": [top] * 9,
    }
    figures = {"mean": 0.25, "maximum": 3.5, "active_share": 0.4, "weights_to_grades": {"2L": 0.5, "M": -0.25}}
    dead = {"mean": 0.0, "maximum": 0.0, "active_share": 0.0, "weights_to_grades": None}
    bare: Json = {"image": None, "frames": [], "objective": [], "top": []}
    layer = {
        "name": "conv1",
        "kind": "Conv2d",
        "shape": [4, SIDE, SIDE],
        "receptive_px": 3,
        "stride_px": 1,
        "filters": "layers/conv1/filters.png",
        "autocorrelation": {"trained": 0.62, "random": 0.0, "random_std": 0.02},
        "dead": [1],
        "channels": [{"index": 0, **pictures, **figures}, {"index": 1, **bare, **dead}],
    }
    data = {"name": "synth", "sha256": "", "images": 90}
    return {"format": 1, "id": "g1", "model": MODEL, "architecture": "lenet", "data": data, "layers": [layer], **changes}


class FakeExplainer:
    """A test sets what is answered: changes of `why`, `gallery` (None: not made), problems, and which methods wait (`hold`)."""

    def __init__(self) -> None:
        self.line = FakeLine()
        self.line.image = picture((2 * SIDE, 2 * SIDE))
        for number in range(3):
            self.line.add(grading(number, "M", second="S", probabilities=dict.fromkeys(GRADES, 0.0)))
        self.why: Json = {}
        self.why_problem: Json | None = None
        self.methods_problem: Json | None = None
        self.gallery: Json | None = None
        self.refusals: dict[str, Json] = {}
        self.hold: dict[str, threading.Event] = {}
        self.asked: list[Json] = []
        rng = np.random.default_rng(0)
        self.input = rng.random((3, SIDE, SIDE)).round(3)
        self.filters = rng.normal(size=(4, 3, 3, 3)).round(3)

    def convolved(self) -> np.ndarray:
        """(4, SIDE, SIDE): what conv1 gives for the input, same padding, plus its bias."""
        seen = (self.input - np.array(MEAN)[:, None, None]) / np.array(STD)[:, None, None]
        padded = np.pad(seen, ((0, 0), (1, 1), (1, 1)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
        sums: np.ndarray = np.einsum("chwyx,ncyx->nhw", windows, self.filters)
        return sums + BIAS

    def methods(self) -> Json:
        def described(name: str) -> Json:
            method = METHODS[name]
            layers = {"none": [], "maps": list(LAYERS), "convolutions": ["conv1"]}[method.layers]
            return {
                **{key: getattr(method, key) for key in ("name", "shows", "kind", "what", "source", "target", "photograph")},
                "layers": layers,
                "default_layer": layers[-1] if layers else None,
                "parameters": [parameter.to_json() for parameter in method.parameters],
            }

        layers = [
            {"name": name, "kind": kind, "shape": shape, "receptive_px": 3, "stride_px": 1}
            for name, (kind, shape) in LAYERS.items()
        ]
        size = {"width": SIDE, "height": SIDE, "channels": 3, "mean": MEAN, "std": STD}
        return {
            "model": MODEL,
            "architecture": "lenet",
            "input": size,
            "methods": [described(n) for n in METHODS],
            "layers": layers,
        }

    def values(self, method: str, layer: str | None) -> np.ndarray:
        if method == "filters":
            return self.filters
        if method == "feature_maps":
            conv = self.convolved()
            relu = conv.clip(0)
            pooled = relu.reshape(4, 4, 2, 4, 2).max(axis=(2, 4))
            maps: dict[str, np.ndarray] = {"input": self.input, "conv1": conv, "relu1": relu, "pool1": pooled}
            return maps[layer or ""]
        shapes = {"pixels": (3, SIDE, SIDE), "image": (SIDE, SIDE, 3), "map": (4, 4)}
        return np.random.default_rng(1).random(shapes[METHODS[method].kind])

    def explain(self, query: Json) -> Json:
        method = METHODS[query["method"]]
        layer = query.get("layer")
        values = self.values(method.name, layer)
        frames = [base64.b64encode(picture()).decode()] * 3
        made = {"frames": frames, "objective": [1.0, 2.0, 4.0]} if method.kind == "image" else {}
        return {
            "method": method.name,
            "shows": method.shows,
            "kind": method.kind,
            "layer": layer,
            "target": query.get("target"),
            "shape": list(values.shape),
            "values": values.tolist(),
            "minimum": float(values.min()),
            "maximum": float(values.max()),
            "signed": bool(values.min() < 0),
            "evidence": 0.75 if method.kind == "map" else None,
            "weak": method.name == "saliency",
            "model": MODEL,
            "seed": None,
            "parameters": {},
            "logits": dict.fromkeys(GRADES, 0.5),
            "photograph": {"width": 2 * SIDE, "height": 2 * SIDE} if method.photograph else None,
            "placement": PLACEMENT if method.photograph else None,
            **made,
        }


def create_fake_explainer(fake: FakeExplainer) -> FastAPI:
    """The dashboard over a fake service that explains."""
    app = create_fake(fake.line)

    def refused(found: Json) -> Response:
        headers = {"Retry-After": "2"} if found["status"] == 429 else {}
        return JSONResponse(found, found["status"], headers, media_type="application/problem+json")

    @app.get("/v1/gradings/{grading_id}")
    async def one(grading_id: str) -> Any:
        found = next((each for each in fake.line.gradings if each["id"] == grading_id), None)
        return found or refused(problem(404, "grading_not_found", f"There is no grading {grading_id}."))

    @app.get("/v1/explain/why/{grading_id}")
    async def why(grading_id: str) -> Any:
        return refused(fake.why_problem) if fake.why_problem else why_of(grading_id, **fake.why)

    @app.get("/v1/explain/methods")
    async def methods() -> Any:
        return refused(fake.methods_problem) if fake.methods_problem else fake.methods()

    @app.post("/v1/explain")
    def explain(request: Request) -> Any:
        query = dict(request.query_params)
        fake.asked.append({**query, "accept": request.headers["accept"]})
        if query["method"] in fake.hold:
            fake.hold[query["method"]].wait(10)
        if query["method"] in fake.refusals:
            return refused(fake.refusals[query["method"]])
        if request.headers["accept"] != "application/json":
            return Response(picture(), media_type=request.headers["accept"])
        return fake.explain(query)

    @app.get("/v1/explain/gallery")
    async def gallery() -> Any:
        missing = problem(404, "gallery_not_made", "No gallery of version 3 has been made. Make it: senka gallery --model 3.")
        return fake.gallery or refused(missing)

    @app.get("/v1/explain/gallery/{path:path}")
    async def file(path: str) -> Response:
        return Response(picture(), media_type="image/png")

    return app
