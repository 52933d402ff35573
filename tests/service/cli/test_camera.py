"""The camera of the demo against small services that misbehave."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from service.cli import camera as module
from service.cli.camera import Camera, LineStopped
from tests.service.pictures import picture

GRADED = (200, {"grade": "L", "lane": "L"})
DROP = None


@dataclass
class FakeService:
    """Gives the answers in order, the last one for ever; DROP closes the connection without any."""

    answers: list[Any]
    port: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, str | None, bytes]] = field(default_factory=list)
    """Path, content type and body of each request."""
    keys: list[str | None] = field(default_factory=list)
    """The idempotency key of each request."""
    connections: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def serving(fake: FakeService) -> Iterator[FakeService]:
    open_sockets: list[socket.socket] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            fake.connections += 1
            open_sockets.append(self.connection)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            fake.asked.append((self.path, self.headers["Content-Type"], body))
            fake.keys.append(self.headers["Idempotency-Key"])
            answer = fake.answers.pop(0) if len(fake.answers) > 1 else fake.answers[0]
            if answer is DROP:
                self.close_connection = True
                return
            status, content = answer
            data = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            for name, value in fake.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
            pass

    server = ThreadingHTTPServer(("127.0.0.1", fake.port), Handler)
    server.daemon_threads = False
    fake.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield fake
    finally:
        for connection in open_sockets:
            break_off(connection)
        server.shutdown()
        thread.join()
        server.server_close()


def break_off(connection: socket.socket) -> None:
    """As a process that ends: its connections break."""
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


@contextmanager
def camera_of(fake: FakeService) -> Iterator[Camera]:
    camera = Camera(fake.url, line="1", camera="top of the line")
    try:
        yield camera
    finally:
        camera.close()


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that the camera would have waited."""
    waited: list[float] = []
    monkeypatch.setattr(module.time, "sleep", waited.append)
    return waited


def test_one_connection_carries_every_photograph_with_its_type_and_place():
    with serving(FakeService([GRADED])) as fake, camera_of(fake) as camera:
        assert [camera.post(picture(number))["grade"] for number in range(3)] == ["L"] * 3
    assert fake.connections == 1
    assert fake.asked[2] == ("/v1/grade?line=1&camera=top+of+the+line", "image/jpeg", picture(2))


def test_bytes_of_no_known_format_are_sent_all_the_same():
    with serving(FakeService([GRADED])) as fake, camera_of(fake) as camera:
        camera.post(b"a format of tomorrow")
    assert fake.asked[0][1:] == ("application/octet-stream", b"a format of tomorrow")


@pytest.mark.parametrize(
    ("retry_after", "pause_s"), [("2", 2.0), ("3600", 30.0), ("Wed, 21 Oct 2026 07:28:00 GMT", 0.5), ("-1", 0.5), ("nan", 0.5)]
)
def test_a_busy_service_is_asked_again_when_it_says(pauses, retry_after, pause_s):
    busy = (503, {"code": "overloaded", "detail": "The queue is full."})
    with serving(FakeService([busy, GRADED], headers={"Retry-After": retry_after})) as fake, camera_of(fake) as camera:
        assert camera.post(picture(1))["grade"] == "L"
    assert pauses == [pause_s]
    assert len(fake.asked) == 2
    assert fake.connections == 1


def test_a_dropped_connection_is_opened_again():
    with serving(FakeService([GRADED, DROP, DROP, GRADED])) as fake, camera_of(fake) as camera:
        camera.post(picture(1))
        assert camera.post(picture(2))["grade"] == "L"
    assert [body for _, _, body in fake.asked] == [picture(1), picture(2), picture(2), picture(2)]
    assert fake.connections == 3


def test_a_service_that_restarts_under_an_open_connection_gets_the_next_photographs():
    first = FakeService([GRADED])
    with serving(first):
        camera = Camera(first.url)
        camera.post(picture(1))
    with serving(FakeService([GRADED], port=first.port)) as after:
        assert camera.post(picture(2))["grade"] == "L"
        camera.post(picture(3))
        camera.close()
    assert (len(after.asked), after.connections) == (2, 1)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            (422, {"code": "undecodable_image", "detail": "Not a readable photograph: truncated."}),
            "422 Not a readable photograph",
        ),
        ((413, b"<html>Too large</html>"), "413 Request Entity Too Large"),
        ((404, b'["not", "an object"]'), "404 Not Found"),
        ((200, b"<html>a proxy's page</html>"), "200 OK"),
    ],
)
def test_what_no_retry_can_mend_ends_the_line_with_the_reason(pauses, answer, words):
    with serving(FakeService([answer])) as fake, camera_of(fake) as camera:
        with pytest.raises(LineStopped, match=words):
            camera.post(picture(1))
        assert len(fake.asked) == 1
    assert pauses == []


def test_a_service_that_stays_away_ends_the_line(pauses):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        camera = Camera(f"http://127.0.0.1:{nobody.getsockname()[1]}")
        with pytest.raises(LineStopped, match="refused"):
            camera.post(picture(1))
    assert len(pauses) == module.TRIES


def test_what_is_sent_again_has_the_same_key_and_every_photograph_its_own() -> None:
    with serving(FakeService([DROP, (503, {}), (429, {}), GRADED])) as fake:
        camera = Camera(fake.url)
        camera.post(picture(1))
        camera.post(picture(1))
        camera.close()
    assert len(fake.keys) == 5
    assert len(set(fake.keys[:4])) == 1
    assert fake.keys[4] not in (None, fake.keys[0])
