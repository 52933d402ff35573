"""What the explanation costs at batch 1 on one thread, medians: python -m tests.benchmarks.cam

Milliseconds of the whole exported graph beside its logits alone, as the service loads it, for each network that explains.
"""

import argparse
import json
import statistics
import time

import numpy as np
import onnxruntime as ort

from models.architectures import NAMES, build, default_spec
from models.architectures.network import Explained
from models.architectures.served import ServedNetwork
from models.graph import INPUT, open_session
from models.pruning import logits_only
from training.export import to_onnx


def medians_ms(sessions: list[ort.InferenceSession], photographs: np.ndarray, rounds: int) -> list[float]:
    """One run of each in turn, so that a busy moment of the machine meets all of them."""
    times: list[list[float]] = [[] for _ in sessions]
    for _ in range(rounds):
        for session, own in zip(sessions, times, strict=True):
            began = time.perf_counter()
            session.run(None, {INPUT: photographs})
            own.append(time.perf_counter() - began)
    return [statistics.median(own[rounds // 5 :]) * 1e3 for own in times]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=300)
    chosen = arguments.parse_args()
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    figures = {}
    for name in NAMES:
        spec, network = default_spec(name), build(name).eval()
        if not isinstance(network, Explained):
            continue
        photographs = np.random.default_rng(0).integers(0, 256, (2, spec.height, spec.width, 3), np.uint8)
        whole = to_onnx(ServedNetwork(network, spec).eval(), photographs).SerializeToString()
        sessions = [open_session(model, options) for model in (logits_only(whole), whole)]
        logits_ms, all_ms = medians_ms(sessions, photographs[:1], chosen.rounds)
        figures[f"{name} {spec.width}x{spec.height}"] = {
            "logits_ms": round(logits_ms, 3),
            "with_cam_ms": round(all_ms, 3),
            "ratio": round(all_ms / logits_ms, 3),
        }
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
