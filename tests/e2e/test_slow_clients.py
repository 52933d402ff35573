"""Clients that send a byte a second, and clients that only connect: they cost a socket each, and nobody waits for them."""

import selectors
import socket
import time
from contextlib import ExitStack, suppress
from pathlib import Path

from tests.e2e.conftest import Serve
from tests.service.pictures import picture

GOOD = picture(1)
MAY_GROW = 200 * 2**20
HEAD = b"POST /v1/grade HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: " + b"a" * 500
BODY = b"POST /v1/grade HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5000000\r\n\r\n"
JSON_HEAD = b"POST /v1/corrections HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 5000\r\n\r\n"
CLIENTS = 210
HUNG_UP_WITHIN_S = 60


def test_two_hundred_clients_of_a_byte_a_second(serve: Serve, home: Path) -> None:
    with serve(home, head_timeout_ms=6000, body_timeout_ms=6000) as service, ExitStack() as opened:
        assert service.grade(GOOD).status == 200
        before = service.rss_bytes()
        slow = {}
        for number in range(CLIENTS):
            client = opened.enter_context(socket.create_connection(("127.0.0.1", service.port)))
            client.setblocking(False)
            slow[client] = [HEAD, BODY, JSON_HEAD][number % 3]
            client.send(slow[client][:60] if number % 3 == 0 else slow[client])
        most, served, said = 0, 0, dict.fromkeys(slow, b"")
        waiting = selectors.DefaultSelector()
        for client in slow:
            waiting.register(client, selectors.EVENT_READ)
        end = time.monotonic() + HUNG_UP_WITHIN_S
        while waiting.get_map() and time.monotonic() < end:
            for client in [key.fileobj for key in waiting.get_map().values()]:
                with suppress(OSError):  # hung up; what it said is read below
                    client.send(b"a")  # type: ignore[union-attr]
            began = time.monotonic()
            assert service.grade(GOOD).status == 200
            served += 1
            most = max(most, service.rss_bytes())
            for key, _ in waiting.select(max(0.01, 1 - (time.monotonic() - began))):
                try:
                    heard = key.fileobj.recv(4096)  # type: ignore[union-attr]
                except OSError:
                    heard = b""
                said[key.fileobj] += heard  # type: ignore[index]
                if not heard:
                    waiting.unregister(key.fileobj)
        assert not waiting.get_map(), f"{len(waiting.get_map())} were not hung up on"
        assert served >= 3
        assert most - before < MAY_GROW
        # A client that was still sending may be told by a reset alone, which takes the words with it
        assert sum(heard.startswith(b"HTTP/1.1 408 ") for heard in said.values()) > CLIENTS // 2
        assert "Traceback" not in service.said


def test_more_connections_than_allowed_keep_nobody_out(serve: Serve, home: Path) -> None:
    with serve(home, max_connections=32, head_timeout_ms=60_000) as service, ExitStack() as opened:
        before = service.rss_bytes()
        for number in range(300):
            client = opened.enter_context(socket.create_connection(("127.0.0.1", service.port)))
            client.sendall(HEAD[: number % 90])
        for _ in range(20):
            assert service.grade(GOOD).status == 200
        assert service.rss_bytes() - before < MAY_GROW
        assert "Traceback" not in service.said
