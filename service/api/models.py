"""`GET /v1/models`: published versions and who grades."""

import asyncio

from fastapi import APIRouter, Response

from service.api.context import Parts, json_response
from service.schemas import Models

router = APIRouter(prefix="/v1", tags=["models"])


@router.get("/models", responses={200: {"model": Models}}, response_class=Response)
async def models(parts: Parts) -> Response:
    """The model repository."""
    serving = parts.champion.current.ref.version if parts.champion.ready else None
    return json_response({**await asyncio.to_thread(parts.champion.repository.describe), "serving": serving})
