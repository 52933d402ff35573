"""What explanations cost: python -m tests.benchmarks.explain --home HOME, where HOME has a champion with its checkpoint.

(a) gradings a second of a live service with a busy explanation worker beside it, over those without; (b) seconds from the end of
a request that was killed at its deadline until the next is answered; (c) milliseconds of each method. Prints one JSON object.
"""

import argparse
import http.client
import json
import shutil
import statistics
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from models.card import card_of
from models.explain.catalogue import METHODS, method_of
from models.explain.placement import Placement
from models.graph import open_session
from models.repository import ModelRepository
from service.errors import ExplanationTimeout
from service.explain.jobs import ExplainJob, Model, Subject
from service.explain.pool import ExplainPool
from tests.e2e.live import LiveService, ask
from tests.service.pictures import picture

CLIENTS = 4
ROUND_S = 5.0
ROUNDS = 4
BUSY = "/v1/explain?method=smooth_grad&samples=200&seed="


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--home", type=Path, required=True, help="a SENKA_HOME; only its models are read")
    chosen = arguments.parse_args()
    repository = ModelRepository(chosen.home / "models")
    version = repository.get("champion")
    model = Model(repository.root, version, card_of(open_session(repository.load(version))))
    figures: dict[str, Any] = {"architecture": model.card.architecture, **kills(model), "methods_ms": methods(model)}
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        shutil.copytree(repository.root, home / "models")
        figures |= throughput(home)
    print(json.dumps(figures))


def job_of(model: Model, method: str, **given: object) -> ExplainJob:
    spec = model.card.preprocess
    pixels = spec.from_bytes(picture(1, size=(spec.width, spec.height)))
    subject = Subject(pixels, Placement.of(spec, spec.width, spec.height)) if method_of(method).photograph else None
    return ExplainJob(model, method, method_of(method).settle(given), subject=subject)


def kills(model: Model, times: int = 5) -> dict[str, Any]:
    """(b), and the time of the very first answer, for which torch is loaded."""
    pool = ExplainPool(1, 4)
    quick = job_of(model, "saliency")
    slow = job_of(model, "activation_maximization", steps=200, octaves=6, size_px=320)
    began = time.perf_counter()
    pool.submit(quick, 20).result()
    cold_s = time.perf_counter() - began
    back = []
    for _ in range(times):
        try:
            pool.submit(slow, 0.5).result()
        except ExplanationTimeout:
            stopped = time.perf_counter()
            pool.submit(quick, 20).result()
            back.append(time.perf_counter() - stopped)
    pool.close()
    return {"first_answer_s": round(cold_s, 2), "back_after_a_kill_s": [round(one, 2) for one in back]}


def methods(model: Model, times: int = 5) -> dict[str, float]:
    """(c), medians, on two threads."""
    pool = ExplainPool(1, 4, threads=2)
    found = {}
    for name in METHODS:
        if name in ("cam", "contrastive_cam") and model.card.architecture not in ("lenet", "googlenet", "resnet34"):
            continue
        spent = []
        job = job_of(model, name)
        for _ in range(times):  # a pool keeps no answers
            began = time.perf_counter()
            pool.submit(job, 60).result()
            spent.append((time.perf_counter() - began) * 1e3)
        found[name] = round(statistics.median(spent[1:]), 1)
    pool.close()
    return found


def throughput(home: Path) -> dict[str, Any]:
    """(a): rounds with and without a busy worker in turn, so that the machine's other work meets both alike."""
    service = LiveService(home, home.parent / "serve.log", settings={"explain_cache_bytes": 0, "records": "off"})
    service.wait_listening()
    service.wait_ready()
    try:
        service.request("POST", f"{BUSY}0", picture(1))  # torch is loaded now, not in a round
        idle, busy, explained = [], [], 0
        for _ in range(ROUNDS):
            idle.append(_graded(service))
            stop = threading.Event()
            counts: list[int] = []
            explaining = threading.Thread(target=_keep_busy, args=(service, stop, counts))
            explaining.start()
            busy.append(_graded(service))
            stop.set()
            explaining.join()
            explained += sum(counts)
    finally:
        service.stop()
    ratio = statistics.median(with_one / without for with_one, without in zip(busy, idle, strict=True))
    return {
        "gradings_per_s": {"idle": [round(one) for one in idle], "busy": [round(one) for one in busy]},
        "throughput_falls_percent": round(100 * (1 - ratio), 1),
        "explained_meanwhile": explained,
    }


def _graded(service: LiveService) -> float:
    """Gradings a second of CLIENTS clients in ROUND_S seconds."""
    end, counts = time.perf_counter() + ROUND_S, [0] * CLIENTS

    def run(client: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=30)
        photographs = [picture(100 * client + number, size=(64, 48)) for number in range(20)]
        while time.perf_counter() < end:
            answer = ask(connection, "POST", "/v1/grade?dry_run=true", photographs[counts[client] % 20])
            assert answer.status == 200, answer.body
            counts[client] += 1
        connection.close()

    threads = [threading.Thread(target=run, args=(client,)) for client in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / ROUND_S


def _keep_busy(service: LiveService, stop: threading.Event, counts: list[int]) -> None:
    seeds = np.random.default_rng().integers(1, 2**31 - 1, 10_000).tolist()
    while not stop.is_set():
        answer = service.request("POST", f"{BUSY}{seeds.pop()}", picture(1))
        assert answer.status == 200, answer.body
        counts.append(1)


if __name__ == "__main__":
    main()
