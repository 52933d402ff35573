"""Targets among the readers of requests, and of the journal that gradings wait in."""

import asyncio
import base64
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl
from zlib import crc32

from fastapi import Request
from pydantic import BaseModel, TypeAdapter, ValidationError
from starlette.types import Message

from models.errors import EmptyBody
from service.api import gradings, paging, resource_schemas
from service.api.gradings import PageQuery
from service.api.upload import Uploads
from service.errors import BodyTooLarge, InvalidIdempotencyKey, InvalidRequest, UploadsFull
from service.idempotency import read_key
from service.records.database import migrate, open_database
from service.records.entry import Entry
from service.records.journal import Line, decode, decode_all, encode
from service.records.repository import Position
from service.schemas import Moment
from service.security import cookies, csrf
from service.security.hosts import forwarded_hosts, host_of, is_loopback, network_of
from service.security.keys import Keys
from tests.fuzz.target import BrokenPromise, Target
from tests.service.gradings import grading
from tests.service.pictures import picture

_MOMENT: Final[TypeAdapter[Any]] = TypeAdapter(Moment)
_MOMENTS: Final = (
    b"2026-11-23T02:11:00Z",
    b"2026-11-23t02:11:00.123456+09:00",
    b"0001-01-01 00:00:00 00:00",
    b"9999-12-31T23:59:59+00:01",
)
_BOUNDARY: Final = b"--------boundary"
_MAX_BODY_BYTES: Final = 8192
_BODIES: Final = tuple(
    kind
    for kind in vars(resource_schemas).values()
    if isinstance(kind, type) and issubclass(kind, BaseModel) and kind is not BaseModel
)


def request_targets(folder: Path, runner: asyncio.Runner) -> list[Target]:
    """All of them; `folder` is theirs to write to, `runner` runs what is asynchronous."""
    return [
        Target("journal", _see_line, (ValueError,), journal_lines(), 12, mend=mend_line),
        Target("cursors", _see_cursor, (InvalidRequest,), cursors(), 14, mend=_encoded),
        Target(
            "moments", _see_moment, (ValidationError,), _MOMENTS, 10, (b"T", b"Z", b"+", b"-", b":", b".", b" ", b"0", b"9999")
        ),
        Target(
            "queries",
            _see_query,
            (ValidationError, InvalidRequest),
            QUERIES,
            8,
            (b"%00", b"&", b"=", b"cursor=", b"until=", b"nan"),
        ),
        Target("bodies", _see_body, (ValidationError,), BODIES, 10),
        Target("idempotency", _see_idempotency, (InvalidIdempotencyKey,), (b"3f0e9c1a-77", b"a" * 200, b"k\nk"[:1]), 10),
        _bearers(folder),
        Target(
            "headers", _see_headers, (), HEADERS, 10, (b"[", b"]", b"::1", b"127.0.0.1", b"for=", b";", b"=", b"%", b"localhost")
        ),
        _multipart(runner),
    ]


def _fits_a_database(text: str | None) -> None:
    if text is not None and "\0" in text:
        raise BrokenPromise("PostgreSQL takes no NUL in a text")
    if text is not None:
        text.encode()


def journal_lines() -> tuple[bytes, ...]:
    full = grading(
        idempotency_key=":k", body_sha256="a" * 64, captured_at=grading().received_at, lot="北\n", key_id="c", interest=2
    )
    return encode(Entry(full, shared=True)), encode(Entry(grading(grade=None)))


def mend_line(data: bytes) -> bytes:
    text = data.partition(b" ")[2]
    return b"%08x " % crc32(text) + text


def _see_line(data: bytes) -> None:
    decode_all([Line(data, len(data))])  # says what is damaged, and raises nothing
    encode(decode(data))


def cursors() -> tuple[bytes, ...]:
    return (
        gradings._cursor(Position(grading().received_at, 12)).encode(),
        paging.moment_cursor(grading().received_at, "0193a2f0").encode(),
        paging.seq_cursor(7).encode(),
        paging.name_cursor("北 1").encode(),
        b'[1763899200123456, "0193a2f0"]',
        b"[7]",
        b'["north"]',
        b"1763899200123456.12",
    )


def _encoded(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _see_cursor(data: bytes) -> None:
    """Every kind of cursor reads it; refused by all is refused."""
    cursor = data.decode("utf-8", "replace")
    taken = 0
    for read in (gradings._position, paging.moment_of, paging.seq_of, paging.name_of):
        try:
            found: Any = read(cursor)
        except InvalidRequest:
            continue
        taken += 1
        for part in found if isinstance(found, tuple) else (found,):
            if isinstance(part, str):
                _fits_a_database(part)
            if isinstance(part, int) and not 0 <= part < 2**63:
                raise BrokenPromise(f"{part} is no number of a row")
    if not taken and data not in cursors():
        raise InvalidRequest("no cursor of any kind")


def _see_moment(data: bytes) -> None:
    found = _MOMENT.validate_python(data.decode("utf-8", "replace"))
    if found.utcoffset() is None or found.utcoffset().total_seconds():
        raise BrokenPromise(f"{found!r} is not in UTC")


QUERIES: Final = (
    b"since=2026-11-23T02:11:00Z&until=2026-11-24T02:11:00%2B09:00&line=1&lot=%E5%8C%97&camera=top&grade=2L&lane=manual",
    b"max_confidence=0.5&limit=50&cursor=MTc2Mzg5OTIwMDEyMzQ1Ni4xMg",
    b"limit=500",
)


def _see_query(data: bytes) -> None:
    pairs = parse_qsl(data.decode("latin-1"), keep_blank_values=True)  # as Starlette reads it
    query = PageQuery.model_validate(dict(pairs))
    filters = query.filters()
    for text in (filters.line, filters.lot, filters.camera):
        _fits_a_database(text)


BODIES: Final = (
    b'{"grading_id":"0193a2f0","grade":"M","note":"a"}',
    b'{"name":"A-1","grower":"north","note":null}',
    b'{"line":"1","since":"2026-11-23T02:11:00Z","until":"2026-11-24T02:11:00Z","to":"A-2"}',
    b'{"lot":"A-1"}',
)


def _see_body(data: bytes) -> None:
    """Every body of the resources reads it; refused by all is refused."""
    last: ValidationError | None = None
    taken = 0
    for kind in _BODIES:
        try:
            found = kind.model_validate_json(data)
        except ValidationError as error:
            last = error
            continue
        taken += 1
        found.model_dump_json()
    if not taken and last is not None:
        raise last


def _see_idempotency(data: bytes) -> None:
    """Header values, separated as lines."""
    key = read_key([value.decode("latin-1") for value in data.split(b"\n")])
    if key is not None and not (key.isascii() and key.isprintable() and " " not in key and 1 <= len(key) <= 200):
        raise BrokenPromise(f"{key!r} was taken for a key")


def _bearers(folder: Path) -> Target:
    engine = open_database(f"sqlite:///{folder / 'keys.db'}")
    migrate(engine)
    keys = Keys(engine)
    good = keys.add("top", by="fuzz")[1]

    def feed(data: bytes) -> None:
        bearer = data.decode("latin-1")
        if (keys.verify(bearer) is not None) is not (bearer == good):
            raise BrokenPromise(f"{bearer!r} beside {good!r}")

    return Target("bearers", feed, (), (good.encode(), b"senka_00000000_" + b"a" * 43), 8, (b"senka_", b"_", b"-", good.encode()))


HEADERS: Final = (
    b"127.0.0.1:8000",
    b"[::1]:8000",
    b'for=192.0.2.60;proto=http;by=203.0.113.43, for="[2001:db8::1]:80"',
    b"senka_session=abc; senka_csrf=def; __Host-senka_session=ghi",
    b"10.0.0.1, localhost",
    b"fe80::1%eth0",
)


def _see_headers(data: bytes) -> None:
    """What the guard reads of whoever comes: nothing is refused with an exception there."""
    text = data.decode("latin-1")
    name = host_of(text)
    is_loopback(name)
    network_of(text)
    for header in (b"forwarded", b"x-forwarded-for"):
        forwarded_hosts(header, text)
    for https in (True, False):
        cookies.session_token(data, https)
    csrf.matches("a" * 43, text)
    csrf.from_elsewhere({b"origin": data, b"host": b"senka"})


def _multipart(runner: asyncio.Runner) -> Target:
    """The Content-Type, a line end, the body; it arrives in two pieces."""
    uploads = Uploads(_MAX_BODY_BYTES, 4 * _MAX_BODY_BYTES, 10_000)

    async def take(data: bytes) -> None:
        kind, _, body = data.partition(b"\n")
        scope = {"type": "http", "method": "POST", "path": "/v1/grade", "headers": [(b"content-type", kind)], "query_string": b""}
        cut = len(body) // 3
        messages: list[Message] = [
            {"type": "http.request", "body": body[:cut], "more_body": True},
            {"type": "http.request", "body": body[cut:], "more_body": False},
        ]

        async def receive() -> Message:
            return messages.pop(0)

        async with uploads.photograph(Request(scope, receive)) as photograph:
            if not photograph:
                raise BrokenPromise("an empty photograph")

    def feed(data: bytes) -> None:
        try:
            runner.run(take(data))
        finally:
            if uploads.held_bytes:
                raise BrokenPromise(f"{uploads.held_bytes} bytes are still held")

    words = (
        _BOUNDARY,
        b"--" + _BOUNDARY,
        b"\r\n",
        b"\r\n\r\n",
        b"filename=",
        b"name=",
        b"; charset=",
        b"_charset_",
        b"utf-16",
        b"idna",
        b"--",
    )
    return Target("multipart", feed, (EmptyBody, BodyTooLarge, UploadsFull, InvalidRequest), bodies(), 6, words)


def bodies() -> tuple[bytes, ...]:
    part = b'Content-Disposition: form-data; name="image"; filename="a.jpg"\r\nContent-Type: image/jpeg\r\n\r\n' + picture()
    field = b'Content-Disposition: form-data; name="lot"\r\n\r\nA-1'
    whole = b"".join(b"--" + _BOUNDARY + b"\r\n" + one + b"\r\n" for one in (field, part)) + b"--" + _BOUNDARY + b"--\r\n"
    head = b"multipart/form-data; boundary=" + _BOUNDARY
    return head + b"\n" + whole, head + b"; charset=utf-8\n" + whole, b"image/jpeg\n" + picture()
