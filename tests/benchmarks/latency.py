"""Milliseconds of one photograph on one core, as the service runs it: python -m tests.benchmarks.latency --model M.onnx

From the (1, H, W, 3) uint8 input to the logits; and the size of the file.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import onnxruntime as ort

from models.card import card_of
from models.graph import open_session, run_logits
from models.pruning import logits_only


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--model", type=Path, required=True, help="an exported model")
    arguments.add_argument("--runs", type=int, default=2000)
    chosen = arguments.parse_args()
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    content = chosen.model.read_bytes()
    session = open_session(logits_only(content), options)
    spec = card_of(session).preprocess
    photograph = np.random.default_rng(0).integers(0, 256, (1, spec.height, spec.width, 3), np.uint8)
    times = []
    for _ in range(chosen.runs):
        began = time.perf_counter()
        run_logits(session, photograph)
        times.append((time.perf_counter() - began) * 1e3)
    warm = times[len(times) // 10 :]
    figures = {f"p{percent}_ms": round(float(np.percentile(warm, percent)), 3) for percent in (50, 95, 99)}
    print(json.dumps({"model": chosen.model.name, "megabytes": round(len(content) / 1e6, 2), "runs": len(warm), **figures}))


if __name__ == "__main__":
    main()
