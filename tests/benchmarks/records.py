"""What being on record costs: python -m tests.benchmarks.records [--home DIR] [--seconds 8] [--rounds 5]

The service on SQLite grades under load from `wrk` (which must be installed) in three ways, round after round so that they meet
the same machine: with SENKA_RECORDS=off, with every grading durable and no photographs kept, and with photographs. Every post is
another photograph: some bytes of its comment differ. Prints one JSON object: the median throughput of each, and its ratio to the
first. Without `--home`, which names a SENKA_HOME with a champion to copy the models of, the smallest network grades.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import psutil

from models.repository import ModelRepository
from tests.e2e.live import LiveService
from tests.service.models import make_model
from tests.service.pictures import picture

WAYS: dict[str, dict[str, object]] = {
    "off": {"records": "off"},
    "durable": {"keep": "none"},
    "photographs": {"keep": "all"},
}
ALLOWED = {"durable": 0.85, "photographs": 0.65}
"""Shares of the throughput without records that must remain."""

SCRIPT = """
local file = io.open("{photograph}", "rb")
local body = file:read("*a")
file:close()
local counter, thread = 0, 0
function setup(t) t:set("number", thread) thread = thread + 1 end
function request()
  counter = counter + 1
  return wrk.format("POST", nil, {{["Content-Type"] = "image/jpeg"}}, body .. string.format("%d-%d-%d", {round}, number, counter))
end
function done(summary, latency)
  local e = summary.errors
  local errors = e.connect + e.read + e.write + e.status + e.timeout
  local per_s = summary.requests / summary.duration * 1e6
  local p50, p99 = latency:percentile(50) / 1e3, latency:percentile(99) / 1e3
  io.write(string.format('{{"per_s": %.1f, "p50_ms": %.2f, "p99_ms": %.2f, "errors": %d}}\\n', per_s, p50, p99, errors))
end
"""


def load(port: int, photograph: Path, seconds: int, connections: int, round_number: int) -> dict[str, Any]:
    """One run of wrk; photographs per second and latency."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(SCRIPT.format(photograph=photograph, round=round_number))
        script.flush()
        url = f"http://127.0.0.1:{port}/v1/grade?line=1&deadline_ms=60000"
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "5s", "-s", script.name, url]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    figures: dict[str, Any] = json.loads(next(line for line in said.splitlines() if line.startswith("{")))
    return figures


def cpu_s(service: LiveService) -> float:
    """Processor time of the service and its workers: a figure that a busy machine does not change."""
    root = psutil.Process(service.process.pid)
    times = [process.cpu_times() for process in [root, *root.children(recursive=True)]]
    return sum(one.user + one.system for one in times)


def run(models: Path | None, photograph: Path, seconds: int, rounds: int, connections: int, workers: int) -> dict[str, Any]:
    """Medians over the rounds by way."""
    found: dict[str, list[dict[str, Any]]] = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:  # /tmp may be memory, where a commit costs nothing
        services = {}
        try:
            for way, settings in WAYS.items():
                home = Path(folder) / way
                if models:
                    shutil.copytree(models, home / "models")
                else:
                    made = make_model(Path(folder) / f"{way}.onnx")
                    ModelRepository(home / "models").publish(made, "benchmark", promote=True)
                service = LiveService(home, Path(folder) / f"{way}.log", workers, settings).wait_listening()
                service.wait_ready()
                load(service.port, photograph, 2, connections, -1)  # warm
                services[way] = service
            for number in range(rounds):
                for way, service in services.items():
                    before = cpu_s(service)
                    figures = load(service.port, photograph, seconds, connections, number)
                    figures["cpu_ms"] = round((cpu_s(service) - before) * 1e3 / (figures["per_s"] * seconds), 3)
                    found[way].append(figures)
        finally:
            for service in services.values():
                service.stop()
    median = {way: {name: statistics.median(one[name] for one in runs) for name in runs[0]} for way, runs in found.items()}
    ratios = {
        way: round(statistics.median(one["per_s"] / off["per_s"] for one, off in zip(runs, found["off"], strict=True)), 3)
        for way, runs in found.items()
    }
    return {
        "connections": connections,
        "workers": workers,
        "rounds": rounds,
        "seconds": seconds,
        "median": median,
        "ratio_to_off": ratios,
        "cpu_ratio_to_off": {way: round(figures["cpu_ms"] / median["off"]["cpu_ms"], 3) for way, figures in median.items()},
        "within": {way: ratios[way] >= least for way, least in ALLOWED.items()},
    }


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--home", type=Path, help="a SENKA_HOME with a champion")
    arguments.add_argument("--photograph", type=Path, help="a JPEG; default: one drawn here")
    arguments.add_argument("--seconds", type=int, default=8)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--connections", type=int, default=64)
    arguments.add_argument("--workers", type=int, default=2)
    chosen = arguments.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("wrk is not installed: apt-get install wrk")
    models = chosen.home / "models" if chosen.home else None
    with tempfile.NamedTemporaryFile(suffix=".jpg") as drawn:
        drawn.write(picture(1, size=(96, 256)))
        drawn.flush()
        photograph = chosen.photograph or Path(drawn.name)
        print(json.dumps(run(models, photograph, chosen.seconds, chosen.rounds, chosen.connections, chosen.workers)))


if __name__ == "__main__":
    main()
