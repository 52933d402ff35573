"""A retraining beside a service that grades: python -m tests.benchmarks.retrain [--new 200] [--earlier 1200] [--per-second 50]

A LeNet champion of `earlier` rendered fruit, a batch of `new` ones, a golden set of 900, and a line that posts 96x256 photographs
at a steady rate, alone first and then while `senka retrain --promote` runs. Prints one JSON object: how long the retraining took
and each of its stages, how fast the line was answered with and without it, and how many photographs missed their deadline.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from models.places import Places
from models.retrainings import Retrainings
from tests.e2e.live import LiveService, ask, environment, senka
from tests.service.pictures import picture
from training.synth.batch import synthesize

PICTURES = [picture(number, size=(96, 256)) for number in range(32)]
CONNECTIONS = 8
ALONE_S = 20.0
WATCHED_EVERY_S = 0.1


@dataclass
class SteadyLine:
    """Posts at a fixed rate, over CONNECTIONS in turn, whatever the answers take; times count from when each was due."""

    service: LiveService
    per_second: float
    took_ms: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    missed: int = 0

    def __post_init__(self) -> None:
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self._threads = [threading.Thread(target=self._post, args=(number,)) for number in range(CONNECTIONS)]
        for thread in self._threads:
            thread.start()

    def _post(self, first: int) -> None:
        connection = self.service.connection()
        number = first
        while not self._stopped.is_set():
            due = self._began + number / self.per_second
            time.sleep(max(0.0, due - time.monotonic()))
            answer = ask(connection, "POST", "/v1/grade?line=1", PICTURES[number % len(PICTURES)])
            with self._lock:
                self.took_ms.append(1e3 * (time.monotonic() - due))
                self.statuses[answer.status] += 1
                self.missed += "deadline_missed" in answer.json.get("reasons", ())
            number += CONNECTIONS
        connection.close()

    def stop(self) -> dict[str, Any]:
        self._stopped.set()
        for thread in self._threads:
            thread.join()
        p50, p95, p99, most = np.percentile(self.took_ms, [50, 95, 99, 100]).round(1).tolist()
        seconds = time.monotonic() - self._began
        return {
            "photographs": len(self.took_ms),
            "per_second": round(len(self.took_ms) / seconds, 1),
            "ms": {"p50": p50, "p95": p95, "p99": p99, "max": most},
            "statuses": dict(self.statuses),
            "deadline_missed": self.missed,
        }


def prepare(folder: Path, new: int, earlier: int) -> Path:
    """A SENKA_HOME with a champion and a golden set beside the batches `earlier` and `new`."""
    for name, count, seed in (("earlier", earlier, 1), ("new", new, 2), ("golden", 900, 3)):
        synthesize(folder / name, count, seed)
    home = folder / "home"
    home.mkdir()
    for command in (
        ("train", "--data", "earlier", "--arch", "lenet", "--epochs", "15", "--out", "run"),
        ("export", "run", "--out", "first.onnx"),
        ("models", "publish", "first.onnx", "--promote", "--run", "run"),
        ("golden", "add", "--data", "golden"),
    ):
        done = senka(home, *command, within_s=900)
        if done.returncode:
            raise RuntimeError(done.stderr)
    return home


def watched(process: "subprocess.Popen[str]", retrainings: Retrainings) -> dict[str, float]:
    """Seconds in each stage until the process ends."""
    stages: Counter[str] = Counter()
    last = time.monotonic()
    while process.poll() is None:
        time.sleep(WATCHED_EVERY_S)
        now = time.monotonic()
        listed = retrainings.listed()
        stages[f"{listed[0].stage}: {listed[0].doing}" if listed else "starting"] += now - last  # type: ignore[assignment]
        last = now
    return {stage: round(seconds, 1) for stage, seconds in stages.items()}


def measure(home: Path, per_second: float, options: list[str]) -> dict[str, Any]:
    service = LiveService(home, home.parent / "serve.log", 1, {}).wait_listening()
    service.wait_ready()
    try:
        line = SteadyLine(service, per_second)
        time.sleep(ALONE_S)
        alone = line.stop()
        line = SteadyLine(service, per_second)
        began = time.monotonic()
        command = [sys.executable, "-m", "service.cli", "retrain", "--data", "new", "--replay", "earlier", "--promote", "--json"]
        process = subprocess.Popen(
            [*command, *options],
            env=environment(home),
            cwd=home.parent,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        stages = watched(process, Places(home=home).retrainings)
        took = time.monotonic() - began
        beside = line.stop()
        said, errors = process.communicate()
    finally:
        service.stop()
    if not said:
        raise RuntimeError(errors)
    ended = json.loads(said)
    return {
        "took_s": round(took, 1),
        "state": ended["state"],
        "text": ended["text"],
        "stages_s": stages,
        "alone": alone,
        "beside": beside,
    }


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--new", type=int, default=200)
    arguments.add_argument("--earlier", type=int, default=1200)
    arguments.add_argument("--per-second", type=float, default=50)
    arguments.add_argument("options", nargs="*", help="further options of senka retrain, after --")
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = prepare(Path(folder), chosen.new, chosen.earlier)
        print(json.dumps(measure(home, chosen.per_second, chosen.options), indent=1))


if __name__ == "__main__":
    main()
