"""`/v1/export`: gradings as a file, for a spreadsheet or for analysis."""

import asyncio
import logging
import threading
from collections.abc import Generator
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Response
from pydantic import Field
from starlette.types import Receive, Scope, Send

from service.api.context import Parts
from service.api.gradings import FilterQuery
from service.errors import TooManyExports
from service.records.export import COLUMNS, MEDIA_TYPES, Format, export, write
from service.schemas import Problem

router = APIRouter(prefix="/v1", tags=["records"])

log = logging.getLogger(__name__)

AT_ONCE: Final = 2
"""Exports of each worker at the same time: each holds a connection and a snapshot of the database."""
STALLED_S: Final = 60.0
"""A client that takes nothing for so long is hung up on: the database cannot tidy up behind a snapshot that is held."""
_open = threading.BoundedSemaphore(AT_ONCE)


class ExportQuery(FilterQuery):
    """Which gradings, and as what."""

    format: Format = Field("csv", description="csv for spreadsheets, parquet for analysis")


_DESCRIPTION = (
    "Gradings and the correction in effect of each, oldest first, as they were when the export began. A text cell of the CSV "
    "that starts with one of `= + - @`, a tab or a line break has an apostrophe in front, so that no spreadsheet runs it as a "
    "formula; Parquet has the texts as they were sent, and times as timestamps in UTC.\n\n"
    "| column | type | |\n|---|---|---|\n" + "\n".join(f"| `{one.name}` | {one.kind} | {one.words} |" for one in COLUMNS)
)
_FILES: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {kind.partition(";")[0]: {} for kind in MEDIA_TYPES.values()}, "description": "the file"},
    **{code: {"model": Problem} for code in (422, 429, 503)},
}


@router.get("/export", responses=_FILES, response_class=Response, description=_DESCRIPTION)
async def export_gradings(parts: Parts, query: Annotated[ExportQuery, Query()]) -> Response:
    """A day, a lot or a season as a file."""
    headers = {"Content-Disposition": f'attachment; filename="{_filename(query)}"'}
    media_type = MEDIA_TYPES[query.format]
    if parts.records is None:
        return Response(b"".join(write(query.format, iter(()))), headers=headers, media_type=media_type)
    if not _open.acquire(blocking=False):
        raise TooManyExports(AT_ONCE)
    pieces = _Pieces(export(parts.records.engine, query.filters(), query.format))
    try:
        first = await pieces.next()  # before the status is sent: a database that is away is still a 503
    except BaseException:
        pieces.close()
        raise
    return _Streamed(first, pieces, headers, media_type)


class _Pieces:
    """The pieces of one export, made in threads, and its place among AT_ONCE."""

    def __init__(self, made: Generator[bytes]) -> None:
        self._made = made
        self._turn = threading.Lock()

    async def next(self) -> bytes | None:
        """The next piece; None after the last."""
        return await asyncio.to_thread(self._next)

    def close(self) -> None:
        """Give the connection and the place back, once; waits for nothing."""
        asyncio.get_running_loop().run_in_executor(None, self._close)

    def _next(self) -> bytes | None:
        with self._turn:
            return next(self._made, None)

    def _close(self) -> None:
        try:
            with self._turn:  # a piece may still be in the making when its client is gone
                self._made.close()
        finally:
            _open.release()


class _Streamed(Response):
    """Sends pieces while the client takes them."""

    def __init__(self, first: bytes | None, pieces: _Pieces, headers: dict[str, str], media_type: str) -> None:
        super().__init__(headers=headers, media_type=media_type)
        del self.headers["content-length"]
        self._first, self._pieces = first, pieces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        gone = asyncio.ensure_future(_disconnected(receive))
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            piece = self._first
            while piece is not None:
                message = {"type": "http.response.body", "body": piece, "more_body": True}
                await asyncio.wait_for(send(message), STALLED_S)
                if gone.done():
                    return
                piece = await self._pieces.next()
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        except TimeoutError:
            # without its end the server hangs up, so that nobody takes a part for the whole
            log.warning("an export was given up: its client took nothing for %g s", STALLED_S)
        finally:
            gone.cancel()
            self._pieces.close()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue


def _filename(query: ExportQuery) -> str:
    """senka-2026-11-01-to-2026-12-01.csv: the days asked for, in UTC."""
    days = [f"{moment:%Y-%m-%d}" for moment in (query.since, query.until) if moment]
    return f"senka-{'-to-'.join(days) or 'all'}.{query.format}"
