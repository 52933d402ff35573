"""What a machine with an NVIDIA GPU is asked to show, in one go:

    python -m tests.benchmarks.gpu --data CUCUMBER-9 [--model M.onnx] [--out figures.json]

1. ONNX Runtime chooses the CUDA provider. 2. Every photograph of the source is graded there as on the CPU, logits within 1e-3.
3. Images/s by batch size 1 to 512, GPU beside CPU, the same session options as in service. Without --model a LeNet is trained
first (on the GPU, where PyTorch finds one). Prints one JSON object; exits 1 when 1 or 2 does not hold.
"""

import argparse
import json
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

from models.card import card_of
from models.graph import run_logits
from service.inference.session import create_session, cuda_present
from training.sources import load

LOGIT_LIMIT = 1e-3
BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


def parity(gpu: ort.InferenceSession, cpu: ort.InferenceSession, inputs: np.ndarray) -> float:
    """Greatest difference of any logit over all inputs (N, H, W, 3) uint8, in batches of 32."""
    parts = np.array_split(inputs, -(-len(inputs) // 32))
    return max(float(np.abs(run_logits(gpu, part) - run_logits(cpu, part)).max()) for part in parts)


def throughput(session: ort.InferenceSession, inputs: np.ndarray, batch: int, seconds: float = 1.0) -> float:
    """Images/s of one session, copies to and from the device included; the median of three rounds."""
    chosen = np.resize(inputs, (batch, *inputs.shape[1:]))
    for _ in range(5):
        run_logits(session, chosen)
    rates = []
    for _ in range(3):
        runs, started = 0, time.perf_counter()
        while time.perf_counter() - started < seconds:
            run_logits(session, chosen)
            runs += 1
        rates.append(runs * batch / (time.perf_counter() - started))
    return sorted(rates)[1]


def trained_model(data: str, folder: Path) -> bytes:
    """A LeNet trained on the train part of `data`, exported with its parity check."""
    from models.architectures import default_spec
    from training.config import default_config
    from training.export import export
    from training.fit import fit

    run = fit(default_config("lenet", default_spec("lenet")), load(data, "train"), folder / "run")
    export(run, folder / "model.onnx")
    return (folder / "model.onnx").read_bytes()


def measure(data: str, model: bytes) -> dict[str, Any]:
    """All figures. Raises ProviderUnavailable where CUDA does not start."""
    gpu, cpu = create_session(model, "cuda", 0), create_session(model, "cpu", 0)
    spec = card_of(gpu).preprocess
    inputs = np.stack([sample.network_input(spec) for sample in load(data).samples])
    rows = [{"batch": b, "cuda": round(throughput(gpu, inputs, b)), "cpu": round(throughput(cpu, inputs, b))} for b in BATCHES]
    return {
        "gpu": _gpu_name(),
        "cpu": platform.processor() or platform.machine(),
        "onnxruntime": ort.__version__,
        "providers": gpu.get_providers(),
        "images": len(inputs),
        "greatest_logit_difference": parity(gpu, cpu, inputs),
        "images_per_second": rows,
    }


def _gpu_name() -> str:
    query = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    return subprocess.run(query, capture_output=True, text=True, check=True).stdout.strip()


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--data", required=True, help="CUCUMBER-9 archive or folder")
    arguments.add_argument("--model", type=Path, help="an exported model; default: train one")
    arguments.add_argument("--out", type=Path, help="also write the JSON here")
    chosen = arguments.parse_args()
    if not cuda_present():
        print("no NVIDIA driver, or an ONNX Runtime without CUDA: nothing to measure", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder:
        model = chosen.model.read_bytes() if chosen.model else trained_model(chosen.data, Path(folder))
    figures = measure(chosen.data, model)
    text = json.dumps(figures, indent=1)
    print(text)
    if chosen.out:
        chosen.out.write_text(text + "\n")
    return int(figures["greatest_logit_difference"] > LOGIT_LIMIT)


if __name__ == "__main__":
    sys.exit(main())
