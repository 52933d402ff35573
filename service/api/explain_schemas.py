"""The JSON of `/v1/explain` for OpenAPI, with an example of every answer. A test compares it with what is answered."""

from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from models.explain.catalogue import METHODS
from models.grades import GRADES
from models.imaging import MEDIA_TYPES
from service.explain.answers import DRAWN_OVER, JSON, NPY, PNG
from service.schemas import Model, Problem

_MODEL: Final[JsonDict] = {"name": "cucumber", "version": 3, "sha256": "9f2c..."}
_LOGITS: Final[JsonDict] = {"2L": 3.1, "L": 1.2, "M": -0.4, "S": -1.0, "2S": -2.2, "BL": 0.3, "BM": -1.1, "BS": -1.9, "C": -0.7}
_PROBABILITIES: Final[JsonDict] = {
    "2L": 0.76,
    "L": 0.11,
    "M": 0.02,
    "S": 0.01,
    "2S": 0.0,
    "BL": 0.05,
    "BM": 0.01,
    "BS": 0.0,
    "C": 0.02,
}
_PLACEMENT: Final[JsonDict] = {
    "rotated": False, "left": 0, "top": 8, "width": 32, "height": 16, "input_width": 32, "input_height": 32,
}  # fmt: skip


class Size(BaseModel):
    """Pixels."""

    width: int
    height: int


class PlacementOut(BaseModel):
    """The box of the photograph inside the network's input, pixels."""

    rotated: bool = Field(description="the input holds the photograph turned by 90 degrees counterclockwise")
    left: int
    top: int
    width: int
    height: int
    input_width: int
    input_height: int


class ExplanationOut(BaseModel):
    """One explanation. What a method adds stands beside these: `delta`, `steps`, `objective`, `frames`, `channel`, `place`,
    `activation`, `against`, `autocorrelation`.
    """

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "example": {
                "method": "grad_cam",
                "shows": "reasons",
                "kind": "map",
                "layer": "pool2",
                "target": "2L",
                "shape": [2, 3],
                "values": [[0.0, 0.31, 0.02], [0.0, 0.87, 0.11]],
                "minimum": 0.0,
                "maximum": 0.87,
                "signed": False,
                "evidence": 1.31,
                "weak": False,
                "model": _MODEL,
                "seed": None,
                "parameters": {},
                "logits": _LOGITS,
                "probabilities": _PROBABILITIES,
                "photograph": {"width": 640, "height": 320},
                "placement": _PLACEMENT,
            }
        },
    )

    method: str
    shows: str = Field(description="`reasons`: why this grade. `features`: what a layer responds to, no reason for a grade")
    kind: str = Field(
        description="map: (h, w). pixels: (3 or 1, H, W), signed. maps: (C, h, w). filters: (N, C, kh, kw). image: (H, W, 3)"
    )
    layer: str | None
    target: str | None = Field(description="the grade explained; null for methods that explain none")
    shape: list[int]
    values: list[Any] = Field(description="raw floats, nested as `shape` says; nothing is stretched or clipped")
    minimum: float
    maximum: float
    signed: bool = Field(description="whether 0 is the middle of the scale")
    evidence: float | None = Field(description="logits that the positive part accounts for; null where values are no evidence")
    weak: bool = Field(description="so little evidence that a picture would be of noise: nothing is drawn")
    model: Model
    seed: int | None
    parameters: dict[str, Any]
    logits: dict[str, float] | None = Field(description="of the served graph, by grade; null without a photograph")
    probabilities: dict[str, float] | None = Field(description="calibrated")
    photograph: Size | None
    placement: PlacementOut | None


class ParameterOut(BaseModel):
    name: str
    kind: str
    default: Any
    what: str
    choices: list[str] | None = None
    least: float | None = None
    most: float | None = None


class MethodOut(BaseModel):
    name: str
    shows: str
    kind: str
    what: str
    source: str = Field(description="where it was published")
    target: bool = Field(description="whether it explains one grade")
    photograph: bool = Field(description="whether it needs a photograph")
    layers: list[str]
    default_layer: str | None
    parameters: list[ParameterOut]


class LayerOut(BaseModel):
    name: str
    kind: str
    shape: list[int] = Field(description="channels, height, width")
    receptive_px: int | None = Field(description="side of what one place sees of the input; null where it sees everything")
    stride_px: int | None


class InputOut(BaseModel):
    width: int
    height: int
    channels: int
    mean: list[float] = Field(description="of each channel: the network sees (value - mean) / std of values in 0..1")
    std: list[float]


class MethodsOut(BaseModel):
    """What a model's network offers."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "model": _MODEL,
                "architecture": "lenet",
                "input": {"width": 32, "height": 32, "channels": 3, "mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]},
                "methods": [
                    {
                        "name": "grad_cam",
                        "shows": "reasons",
                        "kind": "map",
                        "what": "maps of a layer, weighted by the mean gradient of the logit",
                        "source": "Selvaraju et al. 2017",
                        "target": True,
                        "photograph": True,
                        "layers": ["conv1", "pool2"],
                        "default_layer": "pool2",
                        "parameters": [],
                    }
                ],
                "layers": [{"name": "conv1", "kind": "Conv2d", "shape": [32, 32, 32], "receptive_px": 5, "stride_px": 1}],
            }
        }
    )

    model: Model
    architecture: str
    input: InputOut
    methods: list[MethodOut]
    layers: list[LayerOut]


Box = list[float]


class PartOut(BaseModel):
    name: str = Field(description="left end, middle, right end (upper and lower end of upright fruit) or belt")
    share: float = Field(description="logits of the margin")
    box: Box | None = Field(description="x0, y0, x1, y1 in pixels of the photograph")


class WhyMap(BaseModel):
    shape: list[int]
    values: list[list[float]]
    minimum: float
    maximum: float
    evidence: float
    weak: bool


class CounterfactualOut(BaseModel):
    """Hide this, and it becomes another grade."""

    box: Box
    grade: str
    confidence: float


class NeighbourOut(BaseModel):
    image: str
    grade: str
    similarity: float = Field(description="cosine of the angle between the embeddings")


class WhyOut(BaseModel):
    """Why this grade and not the runner-up."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "grading_id": "0193a2f0-7b1c-7d2e-9a57-1f0e4b6c2d11",
                "grade": "2L",
                "runner_up": "L",
                "probabilities": _PROBABILITIES,
                "margin": 1.9,
                "additive": True,
                "method": "contrastive_cam",
                "parts": [
                    {"name": "left end", "share": 1.3, "box": [52.0, 140.0, 180.0, 196.0]},
                    {"name": "middle", "share": 0.4, "box": [180.0, 132.0, 410.0, 190.0]},
                    {"name": "right end", "share": 0.1, "box": [410.0, 128.0, 588.0, 184.0]},
                    {"name": "belt", "share": -0.1, "box": [0.0, 0.0, 640.0, 320.0]},
                ],
                "bias": 0.2,
                "map": {"shape": [1, 2], "values": [[1.4, 0.3]], "minimum": 0.3, "maximum": 1.4, "evidence": 1.7, "weak": False},
                "fruit_share": 0.91,
                "counterfactual": {"box": [40.0, 120.0, 120.0, 200.0], "grade": "L", "confidence": 0.61},
                "neighbours": [{"image": "/v1/explain/gallery/thumbnails/00012.png", "grade": "2L", "similarity": 0.98}],
                "neighbours_hint": None,
                "model": _MODEL,
                "photograph": {"width": 640, "height": 320},
                "placement": _PLACEMENT,
            }
        }
    )

    grading_id: str
    grade: str
    runner_up: str
    probabilities: dict[str, float]
    margin: float = Field(description="logit of the grade less that of the runner-up")
    additive: bool = Field(description="shares and bias add up to the margin; else a share is its fall when the part is hidden")
    method: str
    parts: list[PartOut]
    bias: float | None
    map: WhyMap
    fruit_share: float | None = Field(description="share of the positive evidence that lies on the fruit")
    counterfactual: CounterfactualOut | None
    neighbours: list[NeighbourOut] = Field(description="training photographs most like it, from the model's gallery")
    neighbours_hint: str | None = Field(description="why there are none, and what to do")
    model: Model
    photograph: Size
    placement: PlacementOut


class NetworkOut(BaseModel):
    name: str
    size: list[int] = Field(description="input: channels, height, width")
    grades: int
    parameters: int
    macs: int = Field(description="multiply-accumulates for one image")
    fully_connected: int
    auxiliaries_left_out: bool
    published: dict[str, Any] | None


class ArchitecturesOut(BaseModel):
    """Every network, computed beside published."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "networks": [
                    {
                        "name": "googlenet",
                        "size": [3, 224, 224],
                        "grades": 1000,
                        "parameters": 6624904,
                        "macs": 1497353472,
                        "fully_connected": 1,
                        "auxiliaries_left_out": True,
                        "published": {"parameters": 6800000, "macs": 1502000000, "top1": 68.7, "top5": 89.0},
                    }
                ]
            }
        }
    )

    networks: list[NetworkOut]


_REFUSALS: Final = {
    404: "no such grading, photograph or model version",
    409: "the checkpoint is missing or is not what is served: `checkpoint_missing`, `checkpoint_mismatch`, `model_mismatch`",
    422: "an unknown method, layer, grade or parameter, with the valid ones in `valid`; or no photograph",
    429: "`too_many_explanations`: the queue is full; `Retry-After` says when to ask again",
    500: "`explanation_failed`: the worker died or the method failed",
    503: "`explanations_unavailable`, `model_not_ready`, `photograph_unavailable`, `draining`",
    504: "`explanation_timeout`: it took longer than its method may",
}


def _refusals(*codes: int) -> dict[int | str, dict[str, Any]]:
    return {code: {"model": Problem, "description": _REFUSALS[code]} for code in codes}


METHODS_DOCUMENTED: Final[dict[int | str, dict[str, Any]]] = {
    200: {"model": MethodsOut, "description": "methods and layers"},
    **_refusals(404, 409, 422, 429, 500, 503, 504),
}
WHY_DOCUMENTED: Final[dict[int | str, dict[str, Any]]] = {
    200: {"model": WhyOut, "description": "the reason for a grade"},
    **_refusals(404, 409, 422, 429, 500, 503, 504),
}
ARCHITECTURES: Final[dict[int | str, dict[str, Any]]] = {
    200: {"model": ArchitecturesOut, "description": "the table of all networks"},
    **_refusals(422, 429, 500, 503, 504),
}

_BINARY: Final = {"type": "string", "format": "binary"}


def _query(name: str, what: str, schema: dict[str, Any], example: Any, required: bool = False) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": required, "description": what, "schema": schema, "example": example}


def _method_parameters() -> list[dict[str, Any]]:
    """Those of all methods, once each, with the methods that take them."""
    takers: dict[str, list[str]] = {}
    for method in METHODS.values():
        for parameter in method.parameters:
            takers.setdefault(parameter.name, []).append(method.name)
    found = []
    for name, methods in takers.items():
        parameter = next(p for p in METHODS[methods[0]].parameters if p.name == name)
        kinds: dict[str, dict[str, Any]] = {
            "int": {"type": "integer", "minimum": parameter.least, "maximum": parameter.most},
            "float": {"type": "number", "minimum": parameter.least, "maximum": parameter.most},
            "choice": {"type": "string", "enum": list(parameter.choices)},
            "text": {"type": "string"},
        }
        found.append(_query(name, f"{parameter.what} ({', '.join(methods)})", kinds[parameter.kind], parameter.default))
    return found


EXPLAIN_DOCUMENTED: Final[dict[str, Any]] = {
    "extra": {
        "parameters": [
            _query("method", "what to show", {"type": "string", "enum": list(METHODS)}, "grad_cam", required=True),
            _query("layer", "a layer of GET /v1/explain/methods; the method's own by default", {"type": "string"}, "pool2"),
            _query("target", "the grade to explain; the one given by default", {"type": "string", "enum": list(GRADES)}, "2L"),
            _query("grading_id", "explain the photograph of this grading, with the model that graded it", {"type": "string"}, ""),
            _query("version", "of the model, a number or an alias", {"type": "string"}, "3"),
            _query("overlay", f"with {PNG}: draw it over the photograph ({', '.join(DRAWN_OVER)})", {"type": "boolean"}, False),
            _query("opacity", "of the overlay", {"type": "number", "minimum": 0, "maximum": 1}, 0.5),
            *_method_parameters(),
        ],
        "requestBody": {
            "required": False,
            "description": "One photograph, unless grading_id names one or the method needs none.",
            "content": {
                **{kind: {"schema": _BINARY} for kind in MEDIA_TYPES.values()},
                "multipart/form-data": {
                    "schema": {"type": "object", "required": ["image"], "properties": {"image": _BINARY}},
                },
            },
        },
    },
    "responses": {
        200: {
            "model": ExplanationOut,
            "description": "the explanation, as `Accept` asks",
            "content": {
                JSON: {},
                NPY: {"schema": {**_BINARY, "description": "the raw values, float32"}, "example": "(bytes of an NPY file)"},
                PNG: {"schema": {**_BINARY, "description": "heat map or overlay"}, "example": "(bytes of a PNG)"},
            },
        },
        **_refusals(404),
        406: {"model": Problem, "description": f"`Accept` names none of {JSON}, {NPY}, {PNG}"},
        408: {"model": Problem, "description": "the photograph did not arrive in time"},
        413: {"model": Problem, "description": "the photograph has too many bytes"},
        **_refusals(409, 422, 429, 500, 503, 504),
    },
}
