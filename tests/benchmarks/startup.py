"""Seconds from `senka serve` to ready, the median of several starts: python -m tests.benchmarks.startup --model M.onnx"""

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path

from models.repository import ModelRepository
from tests.e2e.live import LiveService


def start_to_ready_s(home: Path, workers: int) -> float:
    """One start of a service of its own port and records, stopped again."""
    began = time.perf_counter()
    service = LiveService(home, home / "serve.log", workers)
    try:
        service.wait_listening()
        service.wait_ready()
        return time.perf_counter() - began
    finally:
        service.stop()


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--model", type=Path, required=True, help="an exported model")
    arguments.add_argument("--starts", type=int, default=5)
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        ModelRepository(Path(folder) / "models").publish(chosen.model, promote=True)
        times = {n: [start_to_ready_s(Path(folder), n) for _ in range(chosen.starts)] for n in (1, 2)}
    figures = {
        f"{n}_workers": {"median_s": round(statistics.median(t), 2), "slowest_s": round(max(t), 2)} for n, t in times.items()
    }
    print(json.dumps({"cores": os.cpu_count(), "starts": chosen.starts, **figures}, indent=1))


if __name__ == "__main__":
    main()
