"""`/v2`: what clients of the Open Inference Protocol (KServe, Triton) ask a server before they use it."""

from importlib.metadata import version as installed
from typing import Any, Final

from fastapi import APIRouter, Response
from pydantic import BaseModel

from models.errors import ModelNotFound
from service.api.context import Context, Parts, json_response
from service.api.health import require_ready
from service.inference.reload import Serving
from service.schemas import Problem

router = APIRouter(prefix="/v2", tags=["open inference protocol"])


class ServerOut(BaseModel):
    name: str
    version: str
    extensions: list[str]
    provider: str | None


class ServerLive(BaseModel):
    live: bool


class ServerReady(BaseModel):
    ready: bool


class TensorOut(BaseModel):
    name: str
    datatype: str
    shape: list[int]


class ModelMetadata(BaseModel):
    """As the protocol names it; a size of -1 is the batch."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorOut]
    outputs: list[TensorOut]
    parameters: dict[str, Any]


class ModelReady(BaseModel):
    name: str
    ready: bool


_REFUSALS: Final[dict[int | str, dict[str, Any]]] = {code: {"model": Problem} for code in (404, 503)}
_METADATA: Final[dict[int | str, dict[str, Any]]] = {200: {"model": ModelMetadata}, **_REFUSALS}
_READY: Final[dict[int | str, dict[str, Any]]] = {200: {"model": ModelReady}, **_REFUSALS}


@router.get("", responses={200: {"model": ServerOut}}, response_class=Response)
async def server(parts: Parts) -> Response:
    """Name and version of this server, and the execution provider its network runs on."""
    provider = parts.champion.current.model.provider if parts.champion.ready else None
    return json_response({"name": "senka", "version": installed("senka"), "extensions": [], "provider": provider})


@router.get("/health/live", responses={200: {"model": ServerLive}}, response_class=Response)
async def live() -> Response:
    return json_response({"live": True})


@router.get("/health/ready", responses={200: {"model": ServerReady}, 503: {"model": Problem}}, response_class=Response)
async def ready(parts: Parts) -> Response:
    require_ready(parts)
    return json_response({"ready": True})


@router.get("/models/{name}", responses=_METADATA, response_class=Response)
@router.get("/models/{name}/versions/{number}", responses=_METADATA, response_class=Response)
async def metadata(parts: Parts, name: str, number: str | None = None) -> Response:
    """Inputs and outputs of the champion."""
    serving = _serving(parts, name, number)
    return json_response(describe(serving))


@router.get("/models/{name}/ready", responses=_READY, response_class=Response)
@router.get("/models/{name}/versions/{number}/ready", responses=_READY, response_class=Response)
async def model_ready(parts: Parts, name: str, number: str | None = None) -> Response:
    _serving(parts, name, number)
    require_ready(parts)
    return json_response({"name": name, "ready": True})


def describe(serving: Serving) -> dict[str, Any]:
    """Metadata of a model as the protocol names it; -1 is the batch."""
    card = serving.model.card
    spec = card.preprocess
    if serving.model.takes_bytes:
        image = {"name": "image", "datatype": "UINT8", "shape": [-1, spec.height, spec.width, 3]}
    else:
        image = {"name": "image", "datatype": "FP32", "shape": [-1, 3, spec.height, spec.width]}
    return {
        "name": serving.ref.name,
        "versions": [str(serving.ref.version)],
        "platform": "onnx_onnxruntime",
        "inputs": [image],
        "outputs": [{"name": "logits", "datatype": "FP32", "shape": [-1, len(card.grades)]}],
        "parameters": {"provider": serving.model.provider, "architecture": card.architecture, "grades": list(card.grades)},
    }


def _serving(parts: Context, name: str, number: str | None) -> Serving:
    serving = parts.champion.current
    if name != serving.ref.name or number not in (None, str(serving.ref.version)):
        raise ModelNotFound(name, f"version {number or 'in service'}", [f"{serving.ref.name} {serving.ref.version}"])
    return serving
