"""`/v1/batches`: labelled photographs that people send to train with."""

import asyncio
from pathlib import Path as FilePath
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, Field
from sqlalchemy import and_, or_, select

from service.api.context import Context, Parts, engine_of, json_response
from service.api.paging import Id, moment_cursor, moment_of, page_of
from service.api.resource_schemas import Body, NewName, Page, PageQuery, problems
from service.errors import BodyTimeout, BodyTooLarge, InvalidRequest, NoRoom, NotFound
from service.grading import rfc3339
from service.intake import ARCHIVE, incoming, require_room, take_in
from service.records.tables import batches
from service.records.transactions import reading
from service.schemas import Moment
from service.security.principal import principal

router = APIRouter(prefix="/v1/batches", tags=["batches"])

SLOWEST_BYTES_PER_S: Final = 64 * 1024
"""A batch may take as long as it would at this rate, and SENKA_BODY_TIMEOUT_MS."""
_PIECE_BYTES: Final = 2**20
_WHAT: Final = "batches"


class DuplicateFile(BaseModel):
    path: str
    same_as: str


class BatchReport(BaseModel):
    """What came in."""

    id: str
    name: str
    rows: int = Field(description="of the manifest, each with a photograph that was decoded")
    grades: dict[str, int] = Field(description="rows of each grade")
    duplicates: int = Field(description="photographs that are another one's bytes again")
    duplicate_files: list[DuplicateFile] = Field(description="the first hundred of them")
    on_record: int = Field(description="photographs that gradings on record show; they are never deleted from now on")
    unlisted: int = Field(description="files that the manifest does not name; they were not kept")
    source: str = Field(description="below SENKA_HOME: what `senka train --data` takes")


class BatchOut(BatchReport):
    """A batch on record."""

    by: str
    at: Moment


class BatchesPage(Page):
    batches: list[BatchOut]


class BatchQuery(Body):
    name: NewName = Field("batch", description="what people call it")


_ZIP: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/zip": {"schema": {"type": "string", "format": "binary", "description": "manifest.csv + images"}}
        },
    }
}


@router.post(
    "",
    status_code=201,
    openapi_extra=_ZIP,
    responses={201: {"model": BatchReport}, **problems(408, 409, 413, 422, 429, 503, 507)},
    response_class=Response,
)
async def send_batch(parts: Parts, request: Request, query: Annotated[BatchQuery, Query()]) -> Response:
    """Send a labelled batch, the .zip itself as the body. It is taken as a whole or not at all."""
    engine, who = engine_of(parts, _WHAT), principal(request)
    assert parts.records is not None  # noqa: S101 - engine_of raised otherwise
    store = parts.records.photographs
    with parts.intake.turn(), incoming(parts.settings) as folder:
        await _receive(parts, request, folder / ARCHIVE)
        report = await asyncio.to_thread(
            take_in, folder, query.name, parts.settings, engine, store, by=who.name, address=who.address
        )
    return json_response(report, 201)


@router.get("", responses={200: {"model": BatchesPage}, **problems(409, 422, 503)}, response_class=Response)
async def listed(parts: Parts, query: Annotated[PageQuery, Query()]) -> Response:
    """Batches, newest first."""
    before = moment_of(query.cursor)
    found = await asyncio.to_thread(_page, parts, query.limit + 1, before)
    shown, cursor = page_of(found, query.limit, lambda row: moment_cursor(row.created_at, row.id))
    return json_response({"batches": [_json(row) for row in shown], "next_cursor": cursor})


@router.get("/{batch_id}", responses={200: {"model": BatchOut}, **problems(404, 409, 422, 503)}, response_class=Response)
async def one(parts: Parts, batch_id: Annotated[Id, Path()]) -> Response:
    """One batch."""
    return json_response(_json(await asyncio.to_thread(_one, parts, batch_id)))


def _page(parts: Context, limit: int, before: Any) -> list[Any]:
    c = batches.c
    wanted = select(batches).order_by(c.created_at.desc(), c.id.desc()).limit(limit)
    if before is not None:
        at, batch_id = before
        wanted = wanted.where(or_(c.created_at < at, and_(c.created_at == at, c.id < batch_id)))
    with reading(engine_of(parts, _WHAT)) as connection:
        return list(connection.execute(wanted))


def _one(parts: Context, batch_id: str) -> Any:
    with reading(engine_of(parts, _WHAT)) as connection:
        found = connection.execute(select(batches).where(batches.c.id == batch_id)).one_or_none()
    if found is None:
        raise NotFound("batch", batch_id)
    return found


def _json(row: Any) -> dict[str, Any]:
    return {**row.report, "id": row.id, "name": row.name, "by": row.created_by, "at": rfc3339(row.created_at)}


async def _receive(parts: Context, request: Request, target: FilePath) -> None:
    """The body into a file. Raises BodyTooLarge, BodyTimeout, NoRoom, InvalidRequest for a form or nothing."""
    settings = parts.settings
    if request.headers.get("content-type", "").lower().startswith("multipart/"):
        raise InvalidRequest("Send the .zip itself as the body, not a form with it.")
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > settings.max_batch_bytes:
        raise BodyTooLarge(settings.max_batch_bytes)
    loop = asyncio.get_running_loop()
    began, patience_s, arrived, held = loop.time(), settings.body_timeout_ms / 1e3, 0, bytearray()
    try:
        with await asyncio.to_thread(target.open, "wb") as file:
            async with asyncio.timeout(patience_s) as limit:
                async for chunk in request.stream():
                    arrived += len(chunk)
                    if arrived > settings.max_batch_bytes:
                        raise BodyTooLarge(settings.max_batch_bytes)
                    held += chunk
                    if len(held) >= _PIECE_BYTES:
                        require_room(settings, len(held))
                        await asyncio.to_thread(file.write, bytes(held))
                        held.clear()
                    limit.reschedule(began + patience_s + arrived / SLOWEST_BYTES_PER_S)
                await asyncio.to_thread(file.write, bytes(held))
    except TimeoutError:
        raise BodyTimeout(patience_s) from None
    except OSError as error:
        raise NoRoom(error.strerror or str(error)) from error
    if not arrived:
        raise InvalidRequest("The body is empty: send the .zip of a labelled batch.")
