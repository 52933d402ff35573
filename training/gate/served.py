"""What a model file itself shows, beside its answers: how long they take, and whether its map adds up to them."""

import statistics
import time
from typing import Final

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from models.graph import CAM, EMBEDDING, INPUT, LOGITS, network_values, open_session, run_logits
from models.imaging import Pixels
from models.pruning import logits_only
from training.gate.facts import Latency

Floats = npt.NDArray[np.floating]

RUNS: Final = 60
WARM_UP: Final = 5
_BATCH: Final = 32
_SPARE_IMAGES: Final = 10
_ADDS_UP: Final = 1e-3
"""Far above rounding, far below what a map of something else leaves over."""


def latency(candidate: tuple[bytes, Pixels], champion: tuple[bytes, Pixels] | None, runs: int = RUNS) -> Latency:
    """Each model with photographs of its own size, (N, H, W, 3) uint8; N >= 1. The logits alone are computed, as serving does.

    Both run in turn, so that a machine busy for a while is as slow for one as for the other; the median leaves out the rest.
    """
    listed = [candidate] if champion is None else [candidate, champion]
    sessions = [(open_session(logits_only(model), _one_thread()), photographs) for model, photographs in listed]
    times: list[list[float]] = [[] for _ in sessions]
    for run in range(-WARM_UP, runs):
        for took, (session, photographs) in zip(times, sessions, strict=True):
            one = photographs[run % len(photographs)][None]
            began = time.perf_counter()
            run_logits(session, one)
            if run >= 0:
                took.append((time.perf_counter() - began) * 1e3)
    medians = [statistics.median(took) for took in times]
    return Latency(candidate_ms=medians[0], champion_ms=None if champion is None else medians[1], runs=runs)


def _one_thread() -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return options


def has_map(model: bytes) -> bool:
    """Whether the graph gives a class activation map."""
    return CAM in [output.name for output in open_session(model).get_outputs()]


def cam_error(model: bytes, photographs: Pixels) -> float | None:
    """`unexplained` of the file's own outputs on (N, H, W, 3) uint8 of the card's size; None for a graph without a map, and
    where so few photographs cannot tell."""
    session = open_session(model)
    names = [output.name for output in session.get_outputs()]
    if CAM not in names:
        return None
    wanted = [name for name in (LOGITS, CAM, EMBEDDING) if name in names]
    parts: list[list[Floats]] = []
    for start in range(0, len(photographs), _BATCH):
        logits, cam, *embedding = session.run(wanted, {INPUT: network_values(session, photographs[start : start + _BATCH])})
        parts.append([logits, cam.mean(axis=(2, 3)), cam.sum(axis=(2, 3)), *embedding])
    return unexplained(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def unexplained(logits: Floats, means: Floats, sums: Floats, embedding: Floats | None = None) -> float | None:
    """The greatest part of a logit that its map leaves over, relative to the largest logit (at least 1).

    logits, means and sums over places of the map: (N, K); embedding: (N, D). Networks that pool globally add up by the mean: what
    is left is the classifier's bias, the same for all photographs. A head of one hidden layer adds up by the sum: what is left
    are the biases along the open paths, linear in `embedding > 0`. Both are checked from the outputs alone, by least squares,
    which needs more photographs than free values; None where they are too few to tell.
    """
    scale = max(1.0, float(np.abs(logits).max()))
    pooled = _left_over(logits - means, np.ones((len(logits), 1)))
    if embedding is None:
        return None if pooled is None else pooled / scale
    paths = np.column_stack([np.ones(len(logits)), embedding > 0])
    found = [left for left in (pooled, _left_over(logits - sums, paths)) if left is not None]
    if not found:
        return None
    least = min(found) / scale
    # With too few photographs for the second form, the failure of the first says nothing.
    return least if len(found) == 2 or least < _ADDS_UP else None


def _left_over(values: Floats, explaining: Floats) -> float | None:
    """Greatest residual of (N, K) values on the columns of `explaining` (N, P); None with too few rows to test anything."""
    basis, strength, _ = np.linalg.svd(explaining.astype(np.float64), full_matrices=False)
    kept = basis[:, strength > 1e-9 * max(1.0, strength[0])]
    if len(values) < kept.shape[1] + _SPARE_IMAGES:
        return None
    exact = values.astype(np.float64)
    return float(np.abs(exact - kept @ (kept.T @ exact)).max())
