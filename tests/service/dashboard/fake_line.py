"""A line without cameras or a model: the HTTP contract that the page relies on, over gradings that a test makes up."""

import asyncio
import io
import json
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from PIL import Image

from models.grades import GRADES
from service.dashboard.routes import mount

MODEL = {"name": "cucumber", "version": 3, "sha256": "ab" * 32}
Json = dict[str, Any]


def picture(size: tuple[int, int] = (32, 32)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, (60, 110, 50)).save(buffer, "PNG")
    return buffer.getvalue()


def grading(
    number: int, grade: str | None = "M", *, second: str | None = "L", received_at: datetime | None = None, **changes: Any
) -> Json:
    """A grading as the service answers it. Its number orders it: a later one has a later time and identifier."""
    moment = received_at or datetime.now(UTC) + timedelta(milliseconds=number)
    return {
        "id": f"0193-{number:08d}",
        "grade": grade,
        "confidence": 0.91,
        "runner_up": {"grade": second, "probability": 0.06} if second else None,
        "lane": grade or "manual",
        "reasons": [],
        "measurement": None,
        "model": MODEL,
        "received_at": _text(moment),
        **changes,
    }


class FakeLine:
    """What the service knows: gradings newest first, whether a model is ready, who listens."""

    def __init__(self) -> None:
        self.gradings: list[Json] = []
        self.ready = True
        self.image = picture()
        self.listeners: set[asyncio.Queue[tuple[str, Json]]] = set()
        self.loop: asyncio.AbstractEventLoop | None = None
        self.image_requests = 0
        self.alarms: list[Json] = []
        self.lines: list[Json] = []
        self.asked: list[str] = []

    def add(self, *gradings: Json) -> None:
        """Record gradings and tell the listeners."""
        for new in gradings:
            self.gradings.insert(0, new)
            self.tell("grading", new)
        self.tell("stats", self.stats())

    def tell(self, event: str, data: Json) -> None:
        """Send an event, whether or not it is new."""
        if self.loop:
            self.loop.call_soon_threadsafe(self._deliver, event, data)

    def _deliver(self, event: str, data: Json) -> None:
        for queue in self.listeners:
            queue.put_nowait((event, data))

    def stats(self) -> Json:
        total = len(self.gradings)
        counts = {grade: sum(each["grade"] == grade for each in self.gradings) for grade in GRADES}
        return {
            "total": total,
            "manual": sum(each["lane"] == "manual" for each in self.gradings),
            "mean_confidence": sum(each["confidence"] for each in self.gradings) / total if total else None,
            "per_minute": min(total, 43),
            "first_received_at": self.gradings[-1]["received_at"] if total else None,
            "last_received_at": self.gradings[0]["received_at"] if total else None,
            "grades": {
                grade: {"count": count, "share": count / total if total else 0.0, "mean_confidence": 0.9, "per_minute": 4}
                for grade, count in counts.items()
            },
        }

    def activity(self) -> Json:
        """Sixty minutes that end now, and the lines that a test gave."""
        now = datetime.now(UTC)
        minute = now.replace(second=0, microsecond=0)
        return {
            "now": _text(now),
            "shift": {
                "since": _text(minute.replace(hour=0, minute=0)),
                "until": _text(now + timedelta(days=1)),
                "start": "00:00",
            },
            "minutes": [{"at": _text(minute - timedelta(minutes=59 - n)), "count": n % 7} for n in range(60)],
            "lines": self.lines,
            "truncated": False,
        }

    async def events(self) -> AsyncIterator[str]:
        self.loop = asyncio.get_running_loop()
        queue: asyncio.Queue[tuple[str, Json]] = asyncio.Queue()
        self.listeners.add(queue)
        try:
            for number in range(1, 1_000_000):
                yield f"event: clock\ndata: {json.dumps({'now': _text(datetime.now(UTC)), 'pages': 1})}\n\n"
                with suppress(TimeoutError):
                    event, data = await asyncio.wait_for(queue.get(), 2)
                    yield f"event: {event}\nid: {number}\ndata: {json.dumps(data)}\n\n"
        finally:
            self.listeners.discard(queue)


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def create_fake(line: FakeLine) -> FastAPI:
    """The dashboard over a fake line."""
    app = FastAPI()
    mount(app)

    @app.get("/v1/gradings")
    async def gradings(limit: int = 50) -> Json:
        return {"gradings": line.gradings[:limit], "next_cursor": None}

    @app.get("/v1/gradings/{grading_id}/image")
    async def image(grading_id: str) -> Response:
        line.image_requests += 1
        return Response(line.image, media_type="image/png", headers={"Cache-Control": "private, max-age=3600"})

    @app.get("/v1/stats")
    async def stats() -> Json:
        return line.stats()

    @app.get("/v1/activity")
    async def activity() -> Json:
        return line.activity()

    @app.get("/v1/alarms")
    async def alarms() -> Json:
        return {"alarms": line.alarms, "next_cursor": None}

    @app.get("/v1/cameras")
    async def cameras() -> Json:
        return {"cameras": [], "next_cursor": None}

    @app.get("/v1/session")
    async def session() -> Json:
        return {"kind": "local", "name": "local", "role": "admin", "camera": None, "csrf_token": None, "expires_at": None}

    @app.get("/v1/events")
    async def events(request: Request) -> StreamingResponse:
        line.asked.append(str(request.url.query))
        return StreamingResponse(line.events(), media_type="text/event-stream", headers={"Cache-Control": "no-store"})

    @app.get("/health/ready")
    async def ready() -> Response:
        if line.ready:
            return JSONResponse({"status": "ready", "model": MODEL})
        problem = {"type": "about:blank", "title": "no model yet", "status": 503, "code": "model_not_ready"}
        return JSONResponse(problem, 503, media_type="application/problem+json")

    return app


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(line: FakeLine, port: int, app: FastAPI | None = None) -> Iterator[str]:
    """The fake on a loopback port, in a thread; leaving pulls the plug on whoever listens."""
    config = uvicorn.Config(
        app or create_fake(line), host="127.0.0.1", port=port, log_level="critical", timeout_graceful_shutdown=0
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    give_up_at = time.monotonic() + 20
    while not server.started and time.monotonic() < give_up_at:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        server.force_exit = True
        thread.join(timeout=20)
        line.loop = None  # its listeners went with the server
        line.listeners.clear()
