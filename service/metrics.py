"""Prometheus metrics, summed over all worker processes when there are several.

`senka serve --workers N` sets PROMETHEUS_MULTIPROC_DIR before it starts them; prometheus-client then keeps every value in a
file there, and any worker can answer for all.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# created: a second series for every one, of the time it began; nothing here reads them
disable_created_metrics()  # type: ignore[no-untyped-call]

_SECONDS: Final = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)

REQUESTS: Final = Counter("senka_requests_total", "Requests by route and status.", ("route", "status"))
STAGE_SECONDS: Final = Histogram("senka_stage_seconds", "Time of each stage of a grading.", ("stage",), buckets=_SECONDS)
BATCH_SIZE: Final = Histogram(
    "senka_batch_size", "Photographs in each run of the network.", buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
)
QUEUE_DEPTH: Final = Gauge("senka_queue_depth", "Photographs waiting for the network.", multiprocess_mode="livesum")
GRADINGS: Final = Counter("senka_gradings_total", "Gradings by grade, lane and line.", ("grade", "lane", "line"))
CONFIDENCE: Final = Histogram("senka_confidence", "Probability of the chosen grade.", buckets=[n / 20 for n in range(1, 21)])
REJECTED: Final = Counter("senka_rejected_total", "Requests answered with a problem, by code.", ("code",))
MODEL_INFO: Final = Gauge(
    "senka_model_info",
    "1: it grades; 0: it did.",
    ("version", "sha256", "provider"),
    multiprocess_mode="livemax",
)
SHADOW: Final = Counter("senka_shadow_total", "Photographs for the challenger: agree, disagree, dropped, failed.", ("result",))
ALARM: Final = Gauge("senka_alarm", "1: the alarm is open.", ("name",), multiprocess_mode="livemax")


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Observe the time of a block as one stage."""
    started = time.perf_counter()
    try:
        yield
    finally:
        STAGE_SECONDS.labels(name).observe(time.perf_counter() - started)


_LINES: Final[set[str]] = set()
_MAX_LINES: Final = 100


def line_label(line: str | None) -> str:
    """The label of a line. Clients name lines, and every new one is a series for ever: after a hundred they are `other`."""
    if not line:
        return ""
    if len(_LINES) < _MAX_LINES:
        _LINES.add(line)
    return line if line in _LINES else "other"


def forget_dead_workers() -> None:
    """A worker that was killed leaves gauges behind; the one that takes its place clears them away."""
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    if not folder:
        return
    for file in Path(folder).glob("gauge_live*_*.db"):
        pid = file.stem.rpartition("_")[2]
        if pid.isdecimal() and not _runs(int(pid)):
            mark_process_dead(int(pid))  # type: ignore[no-untyped-call]


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def exposition() -> tuple[bytes, str]:
    """The text of `/metrics` and its content type."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest(REGISTRY), CONTENT_TYPE_LATEST
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry), CONTENT_TYPE_LATEST


class CountRequests:
    """ASGI middleware: one count for each answered request, under its route's template so that ids do not multiply series."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        answered = False

        def count(status: int) -> None:
            REQUESTS.labels(getattr(scope.get("route"), "path", "other"), str(status)).inc()

        async def counted(message: Message) -> None:
            nonlocal answered
            if message["type"] == "http.response.start":
                answered = True
                count(message["status"])
            await send(message)

        try:
            await self.app(scope, receive, counted)
        except Exception:
            if not answered:
                count(500)  # our own bugs are answered outside of every middleware
            raise
