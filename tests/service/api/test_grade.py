"""`POST /v1/grade`: formats, multipart, parameters, and every refusal of the contract."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from starlette.datastructures import Headers
from starlette.formparsers import MultiPartParser
from starlette.requests import ClientDisconnect, Request

from service.api.upload import Uploads
from service.errors import BodyTimeout, UploadsFull
from service.schemas import GradingOut
from tests.service.pictures import FORMATS, declares, picture
from tests.service.running import Running, until

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("champion")]

Service = Callable[..., AbstractAsyncContextManager[Running]]
BOUNDARY = "line"
MULTIPART = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


def refused(response: Any, status: int, code: str) -> dict[str, Any]:
    """The problem document, after checking its shape."""
    assert response.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = response.json()
    assert (response.status_code, problem["status"], problem["code"]) == (status, status, code), problem
    assert set(problem) >= {"type", "title", "status", "detail", "code"}
    assert problem["detail"]
    assert ("retry-after" in response.headers) == (status == 503)
    return problem


def part(name: str, content: bytes, file: str | None = "photo.jpg") -> bytes:
    extra = f'; filename="{file}"' if file else ""
    return f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{extra}\r\n\r\n'.encode() + content + b"\r\n"


END = f"--{BOUNDARY}--\r\n".encode()


@pytest.mark.parametrize("kind", FORMATS)
async def test_raw_and_multipart_grade_alike(service: Service, kind: str) -> None:
    async with service() as running:
        data = picture(3, kind)
        raw = await running.client.post("/v1/grade", content=data, headers={"Content-Type": f"image/{kind}"})
        form = await running.client.post("/v1/grade", files={"image": (f"p.{kind}", data, f"image/{kind}")})
    assert raw.status_code == form.status_code == 200
    assert raw.headers["content-type"] == "application/json"
    assert set(raw.json()) == set(GradingOut.model_fields)
    assert GradingOut.model_validate(raw.json()).probabilities == form.json()["probabilities"]


@pytest.mark.parametrize(
    "content_type", ["text/plain", "image/png", "application/json", "application/x-www-form-urlencoded", None]
)
async def test_the_bytes_say_what_it_is_and_not_the_header(service: Service, content_type: str | None) -> None:
    async with service() as running:
        headers = {"Content-Type": content_type} if content_type else {}
        response = await running.client.post("/v1/grade", content=picture(1, "jpeg"), headers=headers)
    assert response.status_code == 200


async def test_the_parameters_are_answered_and_kept(service: Service) -> None:
    query = {"camera": "top & left", "line": "1", "lot": "2026-11-23-A", "captured_at": "2026-11-23T11:10:59.987+09:00"}
    async with service() as running:
        answer = (await running.client.post("/v1/grade", content=picture(1), params=query)).json()
        assert answer == (await running.client.get(f"/v1/gradings/{answer['id']}")).json()
    assert (answer["camera"], answer["line"], answer["lot"]) == ("top & left", "1", "2026-11-23-A")
    assert answer["captured_at"] == "2026-11-23T02:10:59.987Z"


async def test_a_dry_run_is_answered_and_not_kept(service: Service) -> None:
    async with service() as running:
        answer = (await running.client.post("/v1/grade?dry_run=true", content=picture(1))).json()
        refused(await running.client.get(f"/v1/gradings/{answer['id']}"), 404, "grading_not_found")
    assert answer["grade"]


async def test_a_deadline_that_cannot_be_met_is_answered_with_the_manual_lane(service: Service) -> None:
    async with service() as running:
        response = await running.client.post("/v1/grade?deadline_ms=0.001", content=picture(1))
        assert response.status_code == 200
        answer = response.json()
        GradingOut.model_validate(answer)
        assert (answer["grade"], answer["confidence"], answer["runner_up"]) == (None, None, None)
        assert (answer["lane"], answer["reasons"]) == ("manual", ["deadline_missed"])
        assert (await running.client.get(f"/v1/gradings/{answer['id']}")).json() == answer


BROKEN = {
    "text": b"this is a text file that somebody called photo.jpg",
    "gif": b"GIF89a" + bytes(200),
    "pdf": b"%PDF-1.7 " + bytes(200),
    "only a magic number": b"\xff\xd8\xff",
    "truncated jpeg": picture(1)[:-150],
    "truncated png": picture(1, "png")[:-40],
    "truncated webp": picture(1, "webp")[:-40],
    "truncated bmp": picture(1, "bmp")[:-40],
    "header of a png": picture(1, "png")[:20],
    "header of a bmp": picture(1, "bmp")[:10],
    "zeros": bytes(1000),
}


@pytest.mark.parametrize("what", BROKEN)
async def test_what_is_no_photograph_is_422(service: Service, what: str) -> None:
    async with service() as running:
        refused(await running.client.post("/v1/grade", content=BROKEN[what]), 422, "undecodable_image")
        refused(await running.client.post("/v1/grade", files={"image": BROKEN[what]}), 422, "undecodable_image")
        assert (await running.client.get("/v1/stats")).json()["total"] == 0


async def test_nothing_sent_is_422(service: Service) -> None:
    async with service() as running:
        refused(await running.client.post("/v1/grade"), 422, "empty_body")
        refused(await running.client.post("/v1/grade", files={"image": b""}), 422, "empty_body")


async def test_a_header_that_declares_too_much_is_422_with_the_facts(service: Service) -> None:
    async with service() as running:
        problem = refused(await running.client.post("/v1/grade", content=declares(30_000, 30_000)), 422, "too_many_pixels")
    assert (problem["width_px"], problem["height_px"], problem["limit_px"]) == (30_000, 30_000, 25_000_000)


async def test_too_many_bytes_are_413_declared_or_not(service: Service) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(64):
            yield bytes(1000)

    async with service(max_body_bytes=10_000) as running:
        problem = refused(await running.client.post("/v1/grade", content=bytes(10_001)), 413, "body_too_large")
        assert problem["limit_bytes"] == 10_000
        refused(await running.client.post("/v1/grade", content=chunks()), 413, "body_too_large")
        refused(await running.client.post("/v1/grade", files={"image": bytes(10_001)}), 413, "body_too_large")
        refused(await running.client.post("/v1/grade", content=bytes(10_000)), 422, "undecodable_image")


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("camra=top", "camra: there is no such parameter"),
        ("deadline_ms=0", "deadline_ms"),
        ("deadline_ms=-5", "deadline_ms"),
        ("deadline_ms=600001", "deadline_ms"),
        ("deadline_ms=nan", "deadline_ms"),
        ("deadline_ms=soon", "deadline_ms"),
        ("captured_at=yesterday", "captured_at"),
        ("captured_at=2026-11-23T02:11:00", "captured_at"),
        ("captured_at=9999-12-31T23:59:59-14:00", "captured_at"),
        ("crop=some", "crop"),
        ("dry_run=perhaps", "dry_run"),
        (f"camera={'x' * 101}", "camera"),
        (f"line={'x' * 101}", "line"),
        (f"lot={'x' * 101}", "lot"),
    ],
)
async def test_a_wrong_parameter_is_named(service: Service, query: str, named: str) -> None:
    async with service() as running:
        problem = refused(await running.client.post(f"/v1/grade?{query}", content=picture(1)), 422, "invalid_request")
    assert named in problem["detail"]
    assert problem["errors"]


@pytest.mark.parametrize(
    "query", ["deadline_ms=600000", "deadline_ms=0.5", f"line={'x' * 100}", "crop=none", "crop=auto", "camera="]
)
async def test_the_limits_themselves_are_allowed(service: Service, query: str) -> None:
    async with service() as running:
        assert (await running.client.post(f"/v1/grade?{query}", content=picture(1))).status_code == 200


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (part("photo", picture(1)) + END, "no file part named 'image'"),
        (part("image", b"text", file=None) + END, "no file part named 'image'"),
        (part("image", picture(1))[:-300], "ends before its last boundary"),
        (part("image", picture(1)), "ends before its last boundary"),
        (part("image", picture(1, "bmp", (800, 600))), "ends before its last boundary"),
        (b"--other\r\n", "broken"),
        (b"not multipart at all", "broken"),
        (f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\n\r\nx\r\n".encode() + END, "broken"),
        (b"".join(part(f"p{n}", b"x") for n in range(5000)) + END, "Too many files"),
        (b"".join(part(f"p{n}", b"x", file=None) for n in range(5000)) + END, "Too many fields"),
        (b"", "ends before its last boundary"),
    ],
)
async def test_a_multipart_body_without_a_photograph_says_what_is_wrong(service: Service, body: bytes, says: str) -> None:
    async with service() as running:
        response = await running.client.post("/v1/grade", content=body, headers=MULTIPART)
    assert says in refused(response, 422, "invalid_request")["detail"]
    assert ".." not in response.json()["detail"]


@pytest.mark.parametrize(
    "header",
    ["multipart/form-data", "multipart/form-data; boundary=", "Multipart/Form-Data; boundary", 'multipart/form-data; boundary="'],
)
async def test_multipart_without_a_boundary_is_an_error(service: Service, header: str) -> None:
    async with service() as running:
        response = await running.client.post(
            "/v1/grade", content=part("image", picture(1)) + END, headers={"Content-Type": header}
        )
    refused(response, 422, "invalid_request")


@pytest.mark.parametrize(
    "charset", ["undefined", "punycode", "utf-7", "idna", "unicode_escape", "base64", "no-such-charset", "utf-16"]
)
@pytest.mark.filterwarnings("ignore:invalid escape sequence:DeprecationWarning")
async def test_a_strange_charset_is_no_fault_of_ours(service: Service, charset: str) -> None:
    body = part("+2AA-\\ud800", b"x") + part("\xff\xfe", b"+2AA-\\ud800", file=None) + END
    headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}; charset={charset}"}
    async with service() as running:
        refused(await running.client.post("/v1/grade", content=body, headers=headers), 422, "invalid_request")


async def test_the_other_views_may_come_along(service: Service) -> None:
    async with service() as running:
        files = {name: (f"{name}.jpg", picture(n), "image/jpeg") for n, name in enumerate(("image", "below", "side"))}
        both = await running.client.post("/v1/grade", files=files)
        alone = await running.client.post("/v1/grade", content=picture(0))
    assert both.json()["probabilities"] == alone.json()["probabilities"]


async def test_a_large_photograph_in_multipart_arrives_whole(service: Service) -> None:
    """Beyond 1 MB a part is spooled to a file."""
    data = picture(1, "bmp", size=(800, 600))
    assert len(data) > 2**20
    async with service() as running:
        form = await running.client.post("/v1/grade", files={"image": data})
        raw = await running.client.post("/v1/grade", content=data)
        assert form.json()["probabilities"] == raw.json()["probabilities"]
        assert (await running.client.get(f"/v1/gradings/{form.json()['id']}/image")).content == data


async def test_a_full_queue_is_503_overloaded(service: Service) -> None:
    async with service(max_queue=1, max_batch=1) as running:
        gate, began = threading.Event(), threading.Event()
        batcher = running.context.champion.current.batcher
        run = batcher._run

        def held(inputs: Any) -> Any:
            began.set()
            assert gate.wait(20)
            return run(inputs)

        batcher._run = held
        accepted = [asyncio.create_task(running.client.post("/v1/grade", content=picture(0)))]
        await until(began.is_set)
        accepted.append(asyncio.create_task(running.client.post("/v1/grade", content=picture(1))))
        await until(lambda: len(batcher._queue) == 1)
        problem = refused(await running.client.post("/v1/grade", content=picture(2)), 503, "overloaded")
        assert problem["waiting"] == 1
        gate.set()
        assert [response.status_code for response in await asyncio.gather(*accepted)] == [200, 200]


async def test_a_service_that_stops_is_503_draining(service: Service) -> None:
    async with service() as running:
        running.context.pipeline.draining = True
        refused(await running.client.post("/v1/grade", content=picture(0)), 503, "draining")
        refused(await running.client.get("/health/ready"), 503, "draining")
        refused(await running.client.get("/v2/health/ready"), 503, "draining")
        assert (await running.client.get("/health/live")).status_code == 200
        assert (await running.client.get("/v1/gradings")).status_code == 200


class TestUpload:
    """The upload itself, fed by hand."""

    def setup_method(self) -> None:
        self.uploads = Uploads(1000, 1500, body_timeout_ms=20_000)

    async def take(self, request: Request) -> bytes:
        async with self.uploads.photograph(request) as data:
            return data

    @staticmethod
    def request(chunks: Iterator[dict[str, Any]], *, stall: bool = False, **headers: str) -> Request:
        async def receive() -> dict[str, Any]:
            if stall and (given := next(chunks, None)) is None:
                await asyncio.sleep(60)
            return given if stall else next(chunks)

        raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        return Request({"type": "http", "method": "POST", "path": "/", "headers": raw}, receive)

    async def test_a_declared_size_is_refused_before_anything_is_read(self) -> None:
        with pytest.raises(Exception, match=r"larger than 1,000 bytes"):
            await self.take(self.request(iter(()), content_length="1001"))

    async def test_an_undeclared_size_is_refused_as_soon_as_it_is_too_large(self) -> None:
        chunks = iter([{"type": "http.request", "body": bytes(600), "more_body": True}] * 100)
        with pytest.raises(Exception, match=r"larger than 1,000 bytes"):
            await self.take(self.request(chunks))
        assert len(list(chunks)) == 98
        assert self.uploads.held_bytes == 0

    async def test_a_camera_that_hangs_up_is_a_disconnect(self) -> None:
        chunks = iter([{"type": "http.request", "body": b"abc", "more_body": True}, {"type": "http.disconnect"}])
        with pytest.raises(ClientDisconnect):
            await self.take(self.request(chunks))
        assert self.uploads.held_bytes == 0

    async def test_what_all_requests_hold_together_is_bounded(self) -> None:
        async with self.uploads.photograph(self.request(iter([{"type": "http.request", "body": bytes(900)}]))):
            assert self.uploads.held_bytes == 900
            with pytest.raises(UploadsFull, match="1,500 bytes are held"):
                await self.take(self.request(iter([{"type": "http.request", "body": bytes(700)}])))
            assert self.uploads.held_bytes == 900
        await self.take(self.request(iter([{"type": "http.request", "body": bytes(700)}])))

    async def test_a_body_that_never_ends_is_not_waited_for(self) -> None:
        slow = Uploads(1000, 1500, body_timeout_ms=50)
        with pytest.raises(BodyTimeout, match=r"within 0\.05 s"):
            async with slow.photograph(
                self.request(iter([{"type": "http.request", "body": b"x", "more_body": True}]), stall=True)
            ):
                pass
        assert slow.held_bytes == 0


def test_the_parser_of_multipart_still_takes_our_arguments() -> None:
    """It is not part of Starlette's documented interface."""

    async def nothing() -> AsyncIterator[bytes]:
        yield b""

    MultiPartParser(Headers(MULTIPART), nothing(), max_files=1, max_fields=1)  # type: ignore[arg-type]
