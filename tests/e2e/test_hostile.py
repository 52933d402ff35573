"""What strangers send: every one gets a clear answer, and the service grades on with the memory it had."""

import random
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from service.errors import STATUS
from tests.e2e.conftest import Serve
from tests.e2e.live import Answer, LiveService, ask
from tests.service.pictures import declares, picture

GOOD = picture(1)
MAY_GROW = 200 * 2**20
MEGABYTE = bytes(2**20)


def clear_problem(answer: Answer, status: int, code: str) -> None:
    assert (answer.status, answer.headers["content-type"]) == (status, "application/problem+json"), answer
    problem = answer.json
    assert (problem["status"], problem["code"]) == (status, code)
    assert {"type", "title", "status", "detail", "code"} <= set(problem)
    assert problem["detail"]


def hundred_megabytes() -> Iterator[bytes]:
    for _ in range(100):
        yield MEGABYTE


def test_hostile_bodies(serve: Serve, home: Path) -> None:
    with serve(home) as service:
        assert service.grade(GOOD).status == 200
        before = service.rss_bytes()
        for _ in range(3):
            clear_problem(service.grade(GOOD[:-100]), 422, "undecodable_image")
            clear_problem(service.grade(b""), 422, "empty_body")
            clear_problem(service.grade(declares(30_000, 30_000)), 422, "too_many_pixels")
            text = {"Content-Type": "image/jpeg"}
            answer = service.request("POST", "/v1/grade", b"photo.jpg, but a text file\n" * 100, text)
            clear_problem(answer, 422, "undecodable_image")
            declared = {"Content-Length": str(100 * 2**20), "Content-Type": "image/jpeg"}
            clear_problem(service.request("POST", "/v1/grade", hundred_megabytes(), declared), 413, "body_too_large")
            chunked = {"Transfer-Encoding": "chunked", "Content-Type": "image/jpeg"}
            answer = service.request("POST", "/v1/grade", hundred_megabytes(), chunked, encode_chunked=True)
            clear_problem(answer, 413, "body_too_large")
            assert service.grade(GOOD).status == 200
        assert service.rss_bytes() - before < MAY_GROW
        assert "Traceback" not in service.said


def test_a_client_that_asks_first_is_refused_before_it_sends(serve: Serve, home: Path) -> None:
    with serve(home) as service, socket.create_connection(("127.0.0.1", service.port)) as client:
        client.settimeout(20)
        client.sendall(head(100 * 2**20, "Expect: 100-continue"))
        assert client.recv(100).startswith(b"HTTP/1.1 413 ")


def test_uploads_that_are_slow_or_given_up(serve: Serve, home: Path) -> None:
    with serve(home) as service:
        slow, gone = (socket.create_connection(("127.0.0.1", service.port)) for _ in range(2))
        slow.settimeout(20)
        for client in (slow, gone):
            client.sendall(head(len(GOOD)) + GOOD[:50])
        gone.close()
        for _ in range(20):
            half = socket.create_connection(("127.0.0.1", service.port))
            half.sendall(head(10_000_000) + MEGABYTE)
            half.close()
        assert service.grade(GOOD).status == 200  # nobody waits for the slow one
        for byte in GOOD[50:100]:
            slow.sendall(bytes([byte]))
        slow.sendall(GOOD[100:])
        assert slow.recv(100).startswith(b"HTTP/1.1 200 ")
        slow.close()
        until_counted(service, 21)
        assert service.get("/v1/stats").json["total"] == 2
        assert "Traceback" not in service.said
        assert " ERROR " not in service.said


def until_counted(service: LiveService, expected: int) -> None:
    end = time.monotonic() + 20
    while service.metric('senka_rejected_total{code="client_gone"}') < expected:
        assert time.monotonic() < end
        time.sleep(0.05)
    assert 'route="/v1/grade",status="500"' not in service.get("/metrics").body.decode()


def test_a_thousand_junk_requests(serve: Serve, home: Path) -> None:
    with serve(home) as service:
        assert service.grade(GOOD).status == 200
        before = service.rss_bytes()
        with closing(service.connection()) as connection:
            for number in range(1000):
                method, path, body, headers = junk(random.Random(number))
                answer = ask(connection, method, path, body, headers)
                assert answer.status in (404, 405, 422), (number, method, path, headers, answer)
                clear_problem(answer, answer.status, answer.json["code"])
                assert answer.json["code"] in {*STATUS, "not_found", "method_not_allowed"}
        assert service.grade(GOOD).status == 200
        assert service.rss_bytes() - before < MAY_GROW
        assert "Traceback" not in service.said
        assert len(service.get("/metrics").body) < 100_000


def junk(chance: random.Random) -> tuple[str, str, bytes, dict[str, str]]:
    """A request that nobody should send, valid as HTTP."""
    noise = chance.randbytes(chance.randrange(1, 3000))
    starts = (b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF\x10\0\0\0WEBP", b"BM", GOOD[: chance.randrange(4, 200)])
    query = "".join(chance.choice("abc=&%+;[]{}0129") for _ in range(chance.randrange(60)))
    word = noise[:8].hex()
    return chance.choice(
        [
            (
                "POST",
                "/v1/grade",
                chance.choice(starts) + noise,
                {"Content-Type": chance.choice(["image/jpeg", "", "x/y", "text/html"])},
            ),
            ("POST", "/v1/grade", noise, {"Content-Type": f"multipart/form-data; boundary={word}"}),
            ("POST", "/v1/grade", f"--{word}\r\n".encode() + noise, {"Content-Type": f"multipart/form-data; boundary={word}"}),
            ("POST", "/v1/grade", noise, {"Content-Type": f"multipart/form-data; charset={word}"}),
            ("POST", f"/v1/grade?{query}", noise, {}),
            ("POST", f"/v1/{word}", noise, {}),
            ("PUT", "/v1/grade", noise, {}),
            ("GET", f"/v1/gradings/{word}/image", b"", {}),
            ("GET", f"/v1/gradings?cursor={word}!", b"", {}),
            ("GET", f"/v2/models/{word}", b"", {}),
            ("DELETE", f"/{word}/../..//%00%ff", b"", {}),
        ]
    )


def test_what_is_not_even_http_is_hung_up(serve: Serve, home: Path) -> None:
    with serve(home) as service:
        for noise in (b"\x16\x03\x01\x02\x00\x01", b"NONSENSE\r\n\r\n", b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n"):
            with socket.create_connection(("127.0.0.1", service.port)) as client:
                client.settimeout(20)
                client.sendall(noise)
                assert client.recv(100).startswith(b"HTTP/1.1 400 ")
        assert service.grade(GOOD).status == 200
        assert "Traceback" not in service.said


def head(length: int, *more: str) -> bytes:
    lines = ["POST /v1/grade HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {length}", *more]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def test_a_head_without_end_is_refused(serve: Serve, home: Path) -> None:
    with serve(home) as service:
        before = service.rss_bytes()
        with socket.create_connection(("127.0.0.1", service.port)) as client:
            client.settimeout(20)
            client.sendall(b"POST /v1/grade HTTP/1.1\r\nHost: x\r\nX-Long: ")
            try:
                for _ in range(200):
                    client.sendall(MEGABYTE)
            except OSError:
                pass  # it hung up, as it should
            else:
                assert client.recv(100).startswith(b"HTTP/1.1 431 ")
        usual = service.request("POST", "/v1/grade", GOOD, {"X-Long": "a" * 20_000})
        assert usual.status == 200
        assert service.rss_bytes() - before < MAY_GROW


def test_uploads_that_stall_together_hold_little_and_do_not_last(serve: Serve, home: Path) -> None:
    with serve(home, max_held_bytes=20 * 2**20, body_timeout_ms=4000) as service:
        before = service.rss_bytes()
        stalled = [socket.create_connection(("127.0.0.1", service.port)) for _ in range(40)]
        for client in stalled:
            client.settimeout(20)
            client.sendall(head(8 * 2**20) + MEGABYTE)
        answers = [client.recv(100).partition(b"\r\n")[0] for client in stalled]
        for client in stalled:
            client.close()
        assert set(answers) == {b"HTTP/1.1 503 Service Unavailable", b"HTTP/1.1 408 Request Timeout"}
        assert service.rss_bytes() - before < MAY_GROW
        assert service.grade(GOOD).status == 200


@pytest.mark.parametrize("filler", [b"\xff" * 8_000_000, b"\xff\xfe\x00\x02" * 2_000_000], ids=["fill bytes", "empty comments"])
def test_a_photograph_of_nothing_but_segments_keeps_nobody_waiting(serve: Serve, home: Path, filler: bytes) -> None:
    with serve(home) as service:
        clear_problem(service.grade(b"\xff\xd8" + filler + GOOD[2:]), 422, "undecodable_image")
        assert service.grade(GOOD).status == 200
