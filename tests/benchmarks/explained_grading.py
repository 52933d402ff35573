"""What `explain=cam` adds to a grading over HTTP: python -m tests.benchmarks.explained_grading --model M.onnx IMAGE...

Photographs are posted one after another, fifty with the explanation and fifty without in turn, so that a busy spell of the
machine meets both; records are durable, as users run it. Medians in milliseconds.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path

from models.repository import ModelRepository
from tests.e2e.live import LiveService, ask

BLOCK = 50


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--model", type=Path, required=True)
    arguments.add_argument("--rounds", type=int, default=20)
    arguments.add_argument("images", type=Path, nargs="+", metavar="IMAGE")
    chosen = arguments.parse_args()
    photographs = [path.read_bytes() for path in chosen.images]
    times: dict[str, list[float]] = {"/v1/grade": [], "/v1/grade?explain=cam": []}
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        ModelRepository(home / "models").publish(chosen.model, promote=True)
        service = LiveService(home, Path(folder) / "serve.log").wait_listening()
        try:
            service.wait_ready()
            connection = service.connection()
            for _ in range(chosen.rounds):
                for path, own in times.items():
                    for index in range(BLOCK):
                        began = time.perf_counter()
                        answer = ask(connection, "POST", path, photographs[index % len(photographs)])
                        assert answer.status == 200, answer.body
                        if index >= BLOCK // 5:  # the other graph's weights have left the caches by then
                            own.append((time.perf_counter() - began) * 1e3)
        finally:
            service.stop()
    plain, explained = (statistics.median(own) for own in times.values())
    figures = {"cores": os.cpu_count(), "grading_ms": plain, "explained_ms": explained, "ratio": explained / plain}
    print(json.dumps({name: round(value or 0, 3) for name, value in figures.items()}))


if __name__ == "__main__":
    main()
