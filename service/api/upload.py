"""A photograph out of a request: raw bytes or multipart, counted while they arrive."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from fastapi import Request
from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from models.errors import EmptyBody
from service.errors import BodyTimeout, BodyTooLarge, InvalidRequest, UploadsFull
from service.metrics import stage

MAX_PARTS = 8


class Uploads:
    """Takes photographs in, with a bound on the bytes that all requests together hold in memory."""

    def __init__(self, max_body_bytes: int, max_held_bytes: int, body_timeout_ms: float) -> None:
        self._max_body_bytes, self._max_held_bytes = max_body_bytes, max(max_held_bytes, max_body_bytes)
        self._body_timeout_s = body_timeout_ms / 1e3
        self.held_bytes = 0

    @asynccontextmanager
    async def photograph(self, request: Request) -> AsyncGenerator[bytes, None]:
        """The bytes of the body, or of the part `image` of a multipart body; they count as held until the block ends.

        Raises EmptyBody, BodyTooLarge as soon as too much is declared or has arrived, BodyTimeout, UploadsFull,
        InvalidRequest for a broken multipart body.
        """
        declared = request.headers.get("content-length", "")
        if declared.isdecimal() and int(declared) > self._max_body_bytes:
            raise BodyTooLarge(self._max_body_bytes)
        arrived = _Arrived()
        try:
            try:
                with stage("read"):
                    async with asyncio.timeout(self._body_timeout_s):
                        data = await self._read(request, arrived)
            except TimeoutError:
                raise BodyTimeout(self._body_timeout_s) from None
            if not data:
                raise EmptyBody
            yield data
        finally:
            self.held_bytes -= arrived.count

    async def _read(self, request: Request, arrived: "_Arrived") -> bytes:
        stream = self._counted(request, arrived)
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() == "multipart/form-data":
            return await _part(request, stream)
        return b"".join([chunk async for chunk in stream])

    async def _counted(self, request: Request, arrived: "_Arrived") -> AsyncGenerator[bytes, None]:
        async for chunk in request.stream():
            arrived.count += len(chunk)
            self.held_bytes += len(chunk)
            if arrived.count > self._max_body_bytes:
                raise BodyTooLarge(self._max_body_bytes)
            if self.held_bytes > self._max_held_bytes:
                raise UploadsFull(self._max_held_bytes)
            yield chunk


@dataclass(slots=True)
class _Arrived:
    """Bytes of one request so far."""

    count: int = 0


class _Parser(MultiPartParser):
    """One that does not take a body cut off in transfer for a whole one."""

    def __init__(self, headers: Headers, stream: AsyncGenerator[bytes, None]) -> None:
        super().__init__(headers, self._to_the_end(stream), max_files=MAX_PARTS, max_fields=MAX_PARTS)
        self._ended = False

    def on_end(self) -> None:
        self._ended = True

    async def _to_the_end(self, stream: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
        async for chunk in stream:
            yield chunk
        if not self._ended:
            raise MultiPartException("it ends before its last boundary")


async def _part(request: Request, stream: AsyncGenerator[bytes, None]) -> bytes:
    try:
        form = await _Parser(request.headers, stream).parse()
    except MultiPartException as error:
        raise InvalidRequest(f"The multipart body is broken: {error.message.rstrip('.')}.") from error
    except ValueError as error:  # the body names its own charset: with a NUL in it, or one of Python's that are strange
        raise InvalidRequest("The multipart body is broken: its names are not in the charset it declares.") from error
    try:
        part = form.get("image")
        if not isinstance(part, UploadFile):
            names = sorted(name.encode(errors="replace").decode() for name in form)
            raise InvalidRequest("The multipart body has no file part named 'image'.", parts=names)
        return await part.read()
    finally:
        await form.close()
