"""Seconds for a DeepDream, and for an activation maximization beside it: python -m tests.benchmarks.dream

GoogLeNet with fresh weights (values change no work), a 224x224 picture, 4 octaves of 10 steps, for an early, a middle and a late
layer. The deadline of a dream in service is 60 s. Prints one JSON object.
"""

import argparse
import json
import time

import torch

from models.architectures import build, default_spec
from models.explain.dream import deepdream
from models.explain.frozen import UnitNetwork
from models.explain.maximization import maximize


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--threads", type=int, default=2)
    arguments.add_argument("--side", type=int, default=224, help="of the picture, pixels")
    arguments.add_argument("--layers", nargs="+", default=["conv2", "inception4c", "inception5b"])
    chosen = arguments.parse_args()
    torch.set_num_threads(chosen.threads)
    torch.manual_seed(0)
    network = UnitNetwork(build("googlenet"), default_spec("googlenet"))
    photograph = torch.rand(1, 3, chosen.side, chosen.side)
    figures: dict[str, float] = {}
    for layer in chosen.layers:
        began = time.perf_counter()
        dream = deepdream(network, photograph, layer, octaves=4, steps=10)
        figures[f"deepdream {layer}"] = time.perf_counter() - began
        assert len(dream.objective) == 40
        began = time.perf_counter()
        maximize(network, layer, size=(chosen.side, chosen.side), steps=20)
        figures[f"maximize {layer}, 20 steps"] = time.perf_counter() - began
    seconds = {name: round(value, 2) for name, value in figures.items()}
    print(json.dumps({"threads": chosen.threads, "side_px": chosen.side, "seconds": seconds}, indent=1))


if __name__ == "__main__":
    main()
