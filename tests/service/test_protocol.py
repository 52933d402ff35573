"""Connections at their worst, against the real protocol around an application of three lines."""

import asyncio
import logging
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from starlette.types import Receive, Scope, Send

from service import protocol
from service.protocol import BoundedConfig, BoundedHttpProtocol, BoundedServer, Bounds, NoNoise

pytestmark = pytest.mark.anyio

GET = b"GET / HTTP/1.1\r\nHost: senka\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: senka\r\nTransfer-Encoding: chunked\r\n\r\n"
ANSWER = bytes(1000)
Run = Callable[..., AbstractAsyncContextManager[int]]


async def answers(scope: Scope, receive: Receive, send: Send) -> None:
    """Reads a body of /body and of uploads first; a path that is a number is answered with so many bytes."""
    path = scope["path"].strip("/")
    while path in ("body", "v1/grade") and (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for _ in range(int(path or 1) if path.isdecimal() or not path else 1):
        await send({"type": "http.response.body", "body": ANSWER, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


@pytest.fixture
def run() -> Run:
    """`async with run(Bounds()) as port`: a server on that port of this machine."""

    @asynccontextmanager
    async def serve(bounds: Bounds, **more: Any) -> AsyncIterator[int]:
        http: Any = partial(BoundedHttpProtocol, bounds=bounds)
        config = BoundedConfig(
            answers, port=0, http=http, ws="none", lifespan="off", log_config=None, timeout_keep_alive=30, **more
        )
        server = BoundedServer(config)
        server.capture_signals = nullcontext  # type: ignore[method-assign]
        running = asyncio.create_task(server.serve())
        while not server.started:  # noqa: ASYNC110 - a flag is all it has
            await anyio.sleep(0.01)
        yield server.servers[0].sockets[0].getsockname()[1]
        server.should_exit = server.force_exit = True
        await running

    return serve


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def status(self) -> int | None:
        """Of the next answer; None where the connection ends first."""
        with anyio.fail_after(20):
            try:
                line = await self.reader.readline()
            except ConnectionError:
                return None
        return int(line.split()[1]) if line else None

    async def rest(self) -> bytes:
        """Whatever comes until the connection ends."""
        with anyio.fail_after(20):
            try:
                return await self.reader.read()
            except ConnectionError:
                return b""


@asynccontextmanager
async def client(port: int, tls: ssl.SSLContext | None = None) -> AsyncIterator[Client]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**20, ssl=tls)
    try:
        yield Client(reader, writer)
    finally:
        writer.transport.abort()


async def test_a_head_that_takes_too_long_is_told_so(run: Run) -> None:
    async with run(Bounds(head_timeout_s=0.5)) as port, client(port) as slow, client(port) as silent:
        await slow.send(GET[:20])
        assert await slow.status() == 408
        assert b'"code":"head_timeout"' in await slow.rest()
        assert await silent.status() == 408


async def test_a_second_head_has_a_time_too_and_so_has_what_nobody_asked_for(run: Run) -> None:
    async with run(Bounds(head_timeout_s=0.5)) as port, client(port) as second, client(port) as blank:
        for one in (second, blank):
            await one.send(GET)
            assert await one.status() == 200
            await one.reader.readuntil(b"0\r\n\r\n")
        await second.send(GET[:10])
        assert await second.status() == 408
        await blank.send(b"\r\n")
        assert await blank.status() == 408


async def test_the_rest_of_a_body_that_nobody_asked_for_has_a_time(run: Run) -> None:
    async with run(Bounds(head_timeout_s=0.5)) as port, client(port) as body:
        await body.send(b"GET / HTTP/1.1\r\nHost: senka\r\nContent-Length: 1000000\r\n\r\n")
        assert await body.status() == 200
        await body.send(b"x")
        assert b"head_timeout" in await body.rest()


async def test_requests_in_time_are_served_one_after_the_other(run: Run) -> None:
    async with run(Bounds(head_timeout_s=0.5)) as port, client(port) as steady:
        for _ in range(3):
            await steady.send(GET[:10])
            await anyio.sleep(0.2)
            await steady.send(GET[10:])
            assert await steady.status() == 200
            await steady.reader.readuntil(b"0\r\n\r\n")
        await anyio.sleep(1)  # idle between two requests is uvicorn's to end, 30 s from now
        await steady.send(GET)
        assert await steady.status() == 200


async def test_a_newcomer_takes_the_place_of_who_waits_longest(run: Run) -> None:
    bounds = Bounds(head_timeout_s=30, max_connections=3)
    async with run(bounds) as port, client(port) as first, client(port) as second, client(port) as third:
        for one in (second, third, first):
            await one.send(GET)
            assert await one.status() == 200
            await one.reader.readuntil(b"0\r\n\r\n")
        async with client(port) as fourth:
            await fourth.send(GET)
            assert await fourth.status() == 200
            assert await second.status() is None
            await first.send(GET)
            assert await first.status() == 200


async def test_where_all_are_busy_a_newcomer_is_refused(run: Run) -> None:
    async with run(Bounds(max_connections=2)) as port, client(port) as first, client(port) as second:
        for busy in (first, second):
            await busy.send(CHUNKED.replace(b"POST /", b"POST /v1/grade"))
        await anyio.sleep(0.3)
        async with client(port) as third:
            assert await third.status() == 503
            said = await third.rest()
            assert b'"code":"too_many_connections"' in said
            assert b"retry-after: 1" in said
        await first.send(b"0\r\n\r\n")
        assert await first.status() == 200


@pytest.mark.parametrize("started", [GET[:-2] + b"X: ", CHUNKED.replace(b"POST /", b"POST /body") + b"0\r\nX: "])
async def test_heads_and_trailers_without_end(run: Run, started: bytes) -> None:
    async with run(Bounds()) as port, client(port) as endless:
        await endless.send(started)
        with pytest.raises(ConnectionError):  # noqa: PT012 - whichever write meets the end
            for _ in range(2000):
                await endless.send(b"a" * 65536)
                await anyio.lowlevel.checkpoint()


async def test_who_does_not_read_the_answer_is_hung_up_on(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "WRITE_STALLED_S", 0.5)
    bounds = Bounds()
    async with run(bounds) as port, client(port) as deaf:
        await deaf.send(b"GET /50000 HTTP/1.1\r\nHost: senka\r\n\r\n")
        deaf.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await anyio.sleep(3)
        deaf.writer.transport.resume_reading()  # type: ignore[attr-defined]
        assert len(await deaf.rest()) < 50_000_000


async def test_noise_is_told_that_it_is_no_http(run: Run) -> None:
    async with run(Bounds()) as port, client(port) as noise, client(port) as upgrading:
        await noise.send(b"\x16\x03\x01\x02\x00\x01")
        assert await noise.status() == 400
        assert b'"code":"invalid_http"' in await noise.rest()
        await upgrading.send(GET[:-2] + b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n")
        assert await upgrading.status() == 200


async def test_bodies_without_end_make_room_and_so_do_answers_that_nobody_reads(run: Run) -> None:
    async with run(Bounds(max_connections=3)) as port, client(port) as one, client(port) as other, client(port) as deaf:
        await deaf.send(b"GET /50000 HTTP/1.1\r\nHost: senka\r\n\r\n")
        deaf.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await anyio.sleep(0.3)
        await one.send(CHUNKED.replace(b"POST /", b"POST /body"))
        await other.send(GET + CHUNKED.replace(b"POST /", b"POST /body"))  # behind a request that is answered at once
        assert await other.status() == 200
        async with client(port) as first, client(port) as second, client(port) as third:
            for late in (first, second, third):
                await late.send(CHUNKED.replace(b"POST /", b"POST /v1/grade") + b"1\r\na\r\n")
                await anyio.sleep(0.1)
            for late in (first, second, third):
                await late.send(b"0\r\n\r\n")
                assert await late.status() == 200
            assert await one.status() is None


async def test_a_body_in_time_keeps_its_place(run: Run) -> None:
    async with run(Bounds(max_connections=2)) as port, client(port) as silent, client(port) as slow:
        await slow.send(CHUNKED.replace(b"POST /", b"POST /body") + b"1\r\na\r\n")
        await anyio.sleep(0.1)
        async with client(port) as late:
            await late.send(GET)
            assert await late.status() == 200
        assert await silent.status() is None
        await slow.send(b"0\r\n\r\n")
        assert await slow.status() == 200


async def test_requests_behind_one_another_on_a_connection_that_ends(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    caplog.handler.addFilter(NoNoise())
    upload = CHUNKED.replace(b"POST /", b"POST /v1/grade")
    async with run(Bounds()) as port:
        for sent in (
            GET * 3 + b"\0\0",
            GET[:-2] + b"Connection: close\r\n\r\n" + GET * 3,
            upload + b"zz",
            upload + b"0\r\n\r\n" + GET,
        ):
            async with client(port) as rude:
                await rude.send(sent)
                await anyio.sleep(0.05)
        async with client(port) as deaf:
            await deaf.send(b"GET /50000 HTTP/1.1\r\nHost: senka\r\n\r\n" + GET * 5)
            await anyio.sleep(0.2)
        await anyio.sleep(0.3)
    assert [one.getMessage() for one in caplog.records if one.levelno >= logging.WARNING] == []


@pytest.fixture
def tls(tmp_path: Path) -> dict[str, str]:
    files = {"ssl_certfile": str(tmp_path / "chain.pem"), "ssl_keyfile": str(tmp_path / "key.pem")}
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-days", "2", "-nodes"]
    command += ["-subj", "/CN=senka", "-out", files["ssl_certfile"], "-keyout", files["ssl_keyfile"]]
    subprocess.run(command, check=True, capture_output=True)
    return files


async def test_who_does_not_shake_hands_makes_room_and_has_a_time(run: Run, tls: dict[str, str]) -> None:
    anybody = ssl.create_default_context()
    anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
    async with run(Bounds(head_timeout_s=1.5, max_connections=3), **tls) as port, AsyncExitStack() as opened:
        silent = [await opened.enter_async_context(client(port)) for _ in range(30)]
        await silent[-1].send(b"\x16\x03\x01")
        async with client(port, anybody) as spoken:
            for _ in range(2):
                await spoken.send(GET)
                assert await spoken.status() == 200
                await spoken.reader.readuntil(b"0\r\n\r\n")
            with anyio.fail_after(5):
                for one in silent:
                    assert await one.rest() == b""
            await spoken.send(GET)
            assert await spoken.status() == 200
        async with client(port) as plain:
            await plain.send(GET)
            assert not (await plain.rest()).startswith(b"HTTP")
