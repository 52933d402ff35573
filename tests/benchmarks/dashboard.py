"""The live page beside a line: python -m tests.benchmarks.dashboard [--minutes 30] [--per-second 20] [--pages 50]

A service with two workers, a line that posts photographs at a steady rate, and one live page in Chromium. Measures how long after
its answer a grading is on the page, the longest task of its thread, and its memory minute by minute; then the first load on a
tablet (processor slowed four times); then what so many open pages cost the grading path: throughput under `wrk` (which must be
installed) with and without them in turns, and the processor time of the service at a steady rate. Pages are programs that ask for
what a page asks for: in one machine, fifty browsers would take the cores themselves. Prints one JSON object.
"""

import argparse
import json
import multiprocessing
import random
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import CDPSession, Page

from tests.benchmarks.records import cpu_s, load
from tests.benchmarks.watchers import watch
from tests.browser import chromium
from tests.e2e.live import LiveService, ask
from tests.e2e.shed import LINES, photograph, shed
from tests.service.pictures import picture as jpeg

SIZE: Final = (96, 256)
ROUND_S: Final = 6
ROUNDS: Final = 15
LOADS: Final = 7
CLIENTS: Final = 64
FRUIT_SHOWN: Final = """() => {
  const note = () => {
    if (!document.getElementById('fruit-grade')?.textContent) return;
    watching.disconnect();
    // the second frame comes after the paint of the first
    requestAnimationFrame(() => requestAnimationFrame(() => (window.fruitShown = performance.now())));
  };
  const watching = new MutationObserver(note);
  watching.observe(document, { childList: true, subtree: true, characterData: true });
}"""
WATCHING: Final = """() => {
  window.seen = {};
  window.longest = [];
  new MutationObserver((changes) => {
    const now = performance.timeOrigin + performance.now();
    const cards = changes.flatMap((change) => [...change.addedNodes]);
    for (const card of cards) if (card.dataset?.id) window.seen[card.dataset.id] ??= now;
  }).observe(document.getElementById("recent-list"), { childList: true });
  new PerformanceObserver((list) => window.longest.push(...list.getEntries().map((each) => each.duration)))
    .observe({ type: "longtask" });
}"""


class Line:
    """Posts photographs at a steady rate over several connections; notes when each was answered, in seconds since 1970."""

    def __init__(self, service: LiveService, per_second: float, connections: int = 4) -> None:
        self.answered: dict[str, float] = {}
        self._stopped = threading.Event()
        pictures = [photograph(seed, SIZE) for seed in range(36)]
        began = time.monotonic()

        def post(mine: int) -> None:
            connection = service.connection()
            number = mine
            while not self._stopped.wait(max(0.0, began + number / per_second - time.monotonic())):
                line = str(1 + number % 2)
                path = f"/v1/grade?line={line}&camera={LINES[line][0]}"
                answer = ask(connection, "POST", path, pictures[number % len(pictures)])
                self.answered[answer.json["id"]] = time.time()
                number += connections
            connection.close()

        self._threads = [threading.Thread(target=post, args=(mine,)) for mine in range(connections)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()


def p(values: Sequence[float], percent: int) -> float:
    return round(statistics.quantiles(values, n=100)[percent - 1], 1) if len(values) > 1 else round(values[0], 1)


def memory_mb(devtools: CDPSession) -> float:
    """Of the page's scripts, after a collection of what nobody holds."""
    devtools.send("HeapProfiler.collectGarbage")
    metrics = {one["name"]: one["value"] for one in devtools.send("Performance.getMetrics")["metrics"]}
    return round(metrics["JSHeapUsedSize"] / 2**20, 2)


def watched(service: LiveService, page: Page, per_second: float, minutes: float) -> dict[str, Any]:
    """One page beside a line: delays, long tasks, memory."""
    page.goto(str(service))
    page.wait_for_selector("#recent-list li")
    page.evaluate(WATCHING)
    devtools = page.context.new_cdp_session(page)
    devtools.send("Performance.enable")
    line = Line(service, per_second)
    delays: list[float] = []
    memory: list[float] = []
    longest: list[float] = []
    end = time.monotonic() + 60 * minutes
    while time.monotonic() < end:
        page.wait_for_timeout(min(60_000.0, 1_000 * max(1.0, end - time.monotonic())))
        seen, tasks = page.evaluate(
            "() => { const got = [window.seen, window.longest]; window.seen = {}; window.longest = []; return got; }"
        )
        delays += [moment - 1_000 * line.answered[one] for one, moment in seen.items() if one in line.answered]
        longest += tasks
        memory.append(memory_mb(devtools))
    line.stop()
    return {
        "graded": len(line.answered),
        "on_the_page": len(delays),
        "after_answer_ms": {"p50": p(delays, 50), "p95": p(delays, 95), "p99": p(delays, 99), "most": round(max(delays), 1)},
        "tasks_over_50_ms": len(longest),
        "longest_task_ms": round(max(longest, default=0.0)),
        "memory_mb": {"second_minute": memory[min(1, len(memory) - 1)], "last": memory[-1], "most": max(memory)},
    }


def first_load(service: LiveService, language: str) -> dict[str, Any]:
    """A tablet's first look, the processor slowed four times: bytes, first paint, and when the fruit of the moment is there."""
    sizes: list[int] = []
    painted, shown = [], []
    for _ in range(LOADS):
        with chromium() as browser:
            context = browser.new_context(viewport={"width": 1024, "height": 768}, locale=language)
            page = context.new_page()
            page.add_init_script(f"({FRUIT_SHOWN})()")
            context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": 4})
            sizes.clear()
            page.on("response", lambda answer: sizes.append(len(answer.body())) if "/v1/" not in answer.url else None)
            page.goto(str(service))
            page.wait_for_selector("#fruit-grade:not(:empty)")
            page.wait_for_function("window.fruitShown")
            shown.append(page.evaluate("window.fruitShown"))
            painted.append(page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime"))
            page.wait_for_timeout(500)
    middle = {"first_paint_ms": round(statistics.median(painted)), "fruit_shown_ms": round(statistics.median(shown))}
    return {"kb": round(sum(sizes) / 1_000, 1), "files": len(sizes), **middle}


@contextmanager
def pages_open(service: LiveService, pages: int) -> Iterator[None]:
    """So many pages, in a process of their own."""
    started, stop = multiprocessing.Event(), multiprocessing.Event()
    process = multiprocessing.Process(target=watch, args=(service.port, pages, started, stop))
    process.start()
    started.wait(60)
    try:
        yield
    finally:
        stop.set()
        process.join(30)


def cost(service: LiveService, pages: int, per_second: float) -> dict[str, Any]:
    """What open pages cost: throughput under `wrk` and processor time of the service, without and with them, in drawn order."""
    draw = random.Random(0)
    found: dict[int, list[tuple[float, float]]] = {0: [], pages: []}
    with tempfile.NamedTemporaryFile(suffix=".jpg") as picture:
        picture.write(jpeg(1, size=(SIZE[1], SIZE[0])))
        picture.flush()
        load(service.port, Path(picture.name), ROUND_S, CLIENTS, -1)  # warm
        for number in range(ROUNDS):
            for opened in draw.sample([*found], 2):
                with pages_open(service, opened):
                    time.sleep(2)
                    before = cpu_s(service)
                    per_s = float(load(service.port, Path(picture.name), ROUND_S, CLIENTS, 2 * number + (opened > 0))["per_s"])
                    found[opened].append((per_s, (cpu_s(service) - before) / (per_s * ROUND_S)))
                time.sleep(4)  # until the service has noticed that nobody watches

    def cores() -> float:
        before, began = cpu_s(service), time.monotonic()
        time.sleep(2 * ROUND_S)
        return (cpu_s(service) - before) / (time.monotonic() - began)

    line = Line(service, per_second)
    time.sleep(2)
    without = cores()
    with pages_open(service, pages):
        time.sleep(3)
        with_pages = cores()
    line.stop()
    return {
        "pages": pages,
        "fruit_per_s": compared([per_s for per_s, _ in found[0]], [per_s for per_s, _ in found[pages]]),
        "cpu_ms_per_fruit": compared([1e3 * cpu for _, cpu in found[0]], [1e3 * cpu for _, cpu in found[pages]]),
        "cores_at_steady_rate": {"per_s": per_second, "alone": round(without, 3), "beside_pages": round(with_pages, 3)},
        "share_of_two_cores": round((with_pages - without) / 2, 3),
    }


def compared(alone: Sequence[float], beside: Sequence[float]) -> dict[str, float]:
    """Means, their ratio, and its standard error."""
    ratio = statistics.mean(beside) / statistics.mean(alone)
    relative = [statistics.stdev(one) / statistics.mean(one) / len(one) ** 0.5 for one in (alone, beside)]
    return {
        "alone": round(statistics.mean(alone), 3),
        "beside_pages": round(statistics.mean(beside), 3),
        "ratio": round(ratio, 3),
        "standard_error": round(ratio * sum(one**2 for one in relative) ** 0.5, 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--per-second", type=float, default=20.0)
    parser.add_argument("--pages", type=int, default=50)
    options = parser.parse_args()
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as place, shed(Path(place), workers=2) as service:
        found["first_load"] = {language: first_load(service, language) for language in ("en", "ja")}
        found["cost"] = cost(service, options.pages, options.per_second)
        with chromium() as browser:
            context = browser.new_context(viewport={"width": 1024, "height": 768})
            found["live"] = watched(service, context.new_page(), options.per_second, options.minutes)
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
