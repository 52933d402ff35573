"""Probes and metrics."""

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from service.api.context import Context, Parts, json_response
from service.errors import Draining
from service.metrics import exposition
from service.schemas import Model, Problem

router = APIRouter(tags=["operation"])


class LiveOut(BaseModel):
    status: str = Field(description="live")


class ReadyOut(BaseModel):
    """Who grades, and where."""

    status: str = Field(description="ready")
    model: Model
    provider: str = Field(description="the execution provider that the network runs on")


def require_ready(parts: Context) -> None:
    """Raise Draining or ModelNotReady unless a photograph sent now would be graded."""
    if parts.pipeline.draining:
        raise Draining
    _ = parts.champion.current


@router.get("/health/live", responses={200: {"model": LiveOut}}, response_class=Response)
async def live() -> Response:
    """200 while the event loop turns."""
    return json_response({"status": "live"})


@router.get("/health/ready", responses={200: {"model": ReadyOut}, 503: {"model": Problem}}, response_class=Response)
async def ready(parts: Parts) -> Response:
    """200 while a photograph sent now would be graded."""
    require_ready(parts)
    serving = parts.champion.current
    model = {"name": serving.ref.name, "version": serving.ref.version, "sha256": serving.ref.sha256}
    return json_response({"status": "ready", "model": model, "provider": serving.model.provider})


@router.get("/metrics", responses={200: {"content": {"text/plain": {}}}}, response_class=Response)
async def metrics() -> Response:
    """Prometheus text, summed over all workers."""
    body, media_type = exposition()
    return Response(body, media_type=media_type)


for _path, _probe in (("/health/live", live), ("/health/ready", ready)):  # some balancers probe with HEAD
    router.head(_path, include_in_schema=False)(_probe)
