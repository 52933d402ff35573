"""A photograph out of a request: raw bytes or multipart, counted while they arrive."""

from collections.abc import AsyncGenerator

from fastapi import Request
from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from models.errors import EmptyBody
from service.errors import BodyTooLarge, InvalidRequest

MAX_PARTS = 8


async def photograph(request: Request, limit_bytes: int) -> bytes:
    """The bytes of the body, or of the part `image` of a multipart body.

    Raises EmptyBody, BodyTooLarge as soon as too much is declared or has arrived, InvalidRequest for a broken multipart body.
    """
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limit_bytes:
        raise BodyTooLarge(limit_bytes)
    stream = _counted(request, limit_bytes)
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() == "multipart/form-data":
        data = await _part(request, stream)
    else:
        data = b"".join([chunk async for chunk in stream])
    if not data:
        raise EmptyBody
    return data


async def _counted(request: Request, limit_bytes: int) -> AsyncGenerator[bytes, None]:
    arrived = 0
    async for chunk in request.stream():
        arrived += len(chunk)
        if arrived > limit_bytes:
            raise BodyTooLarge(limit_bytes)
        yield chunk


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
    except UnicodeError as error:  # the body names its own charset, and some of Python's are strange
        raise InvalidRequest("The multipart body is broken: its names are not in the charset it declares.") from error
    try:
        part = form.get("image")
        if not isinstance(part, UploadFile):
            names = sorted(name.encode(errors="replace").decode() for name in form)
            raise InvalidRequest("The multipart body has no file part named 'image'.", parts=names)
        return await part.read()
    finally:
        await form.close()
