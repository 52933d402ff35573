"""`/v1/explain/gallery`: what `senka gallery` made of a published model, and its files."""

import asyncio
from pathlib import Path
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request, Response

from models.gallery import GALLERY_FILE, MEDIA_TYPES, Galleries, Gallery
from service.api.context import Context, Parts
from service.schemas import Problem

router = APIRouter(prefix="/v1/explain", tags=["explain"])

Version = Annotated[
    int | None,
    Query(ge=1, description="version of the model; the one that grades by default", openapi_examples={"1": {"value": 1}}),
]

REVALIDATED: Final = "private, no-cache"
FOREVER: Final = "private, max-age=31536000, immutable"
_FILES: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {kind: {} for kind in MEDIA_TYPES.values()}},
    304: {"description": "not changed since the ETag in If-None-Match"},
    404: {"model": Problem},
    503: {"model": Problem, "description": "no model grades yet"},
}


@router.get(
    "/gallery",
    responses={200: {"model": Gallery}, **{code: _FILES[code] for code in (304, 404, 503)}},
    response_class=Response,
)
async def gallery(request: Request, parts: Parts, version: Version = None) -> Response:
    """What the model has learned: layers and channels with their pictures, trust figures, errors. Paths are of its files."""
    return await asyncio.to_thread(_answer, parts.settings.galleries, await _model(parts, version), GALLERY_FILE, request, "")


@router.get("/gallery/{path:path}", responses=_FILES, response_class=Response)
async def gallery_file(
    request: Request,
    parts: Parts,
    path: str,
    version: Version = None,
    made: Annotated[str, Query(alias="id", description="`id` of the gallery: its files never change, and are cached")] = "",
) -> Response:
    """One file that the gallery names. With the `id` of the gallery it may be kept for a year, else it is asked for again."""
    return await asyncio.to_thread(_answer, parts.settings.galleries, await _model(parts, version), path, request, made)


async def _model(parts: Context, version: int | None) -> tuple[str, int]:
    """sha256 and number of a version, or of the champion that serves. Raises ModelNotFound, ModelNotReady."""
    if version is None:
        ref = parts.champion.current.ref
        return ref.sha256, ref.version
    found = await asyncio.to_thread(parts.champion.repository.get, version)
    return found.sha256, found.number


def _answer(galleries: Galleries, model: tuple[str, int], path: str, request: Request, made: str) -> Response:
    """Reads files: not for the event loop."""
    try:
        return _read(galleries, model, path, request, made)
    except FileNotFoundError:  # the gallery was made anew between finding the file and reading it
        return _read(galleries, model, path, request, made)


def _read(galleries: Galleries, model: tuple[str, int], path: str, request: Request, made: str) -> Response:
    file = galleries.file(*model, path)
    lasting = bool(made) and galleries.id_of(model[0]) == made
    headers = {"Cache-Control": FOREVER if lasting else REVALIDATED, "ETag": _tag(file), "X-Content-Type-Options": "nosniff"}
    if headers["ETag"] in (tag.strip() for tag in request.headers.get("if-none-match", "").split(",")):
        return Response(status_code=304, headers=headers)
    return Response(file.read_bytes(), headers=headers, media_type=MEDIA_TYPES[file.suffix])


def _tag(file: Path) -> str:
    facts = file.stat()
    return f'"{facts.st_ino:x}-{facts.st_mtime_ns:x}-{facts.st_size:x}"'
