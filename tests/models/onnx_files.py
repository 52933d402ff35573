"""Small real models in milliseconds and without torch: the mean colour of a photograph, times a random matrix."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from models.card import CARD_KEY, ModelCard
from models.grades import GRADES
from models.preprocess import PreprocessSpec

TINY = PreprocessSpec(width=8, height=8)


def make_card(grades: tuple[str, ...] = GRADES, spec: PreprocessSpec = TINY, seed: int = 0, **changes: Any) -> ModelCard:
    """The card of a made-up model; `changes` are further fields of the card."""
    fields: dict[str, Any] = {
        "architecture": "mean-colour",
        "grades": grades,
        "preprocess": spec,
        "checkpoint_sha256": f"{seed:064x}",
        "seed": seed,
        "created_at": "2026-11-23T02:11:00+00:00",
    }
    return ModelCard.model_validate(fields | changes)


def make_model(
    path: Path,
    grades: tuple[str, ...] = GRADES,
    seed: int = 0,
    spec: PreprocessSpec = TINY,
    favour: str | None = None,
    **changes: Any,
) -> Path:
    """Write an ONNX file that may be published and served, and return its path.

    Another `seed` is another model: other weights, another sha256. With `favour` that grade wins on every photograph, with a
    confidence above 0.99. `changes` are further fields of the card (`calibration`, `metrics`, `name`).
    """
    rng = np.random.default_rng(seed)
    weights = rng.normal(scale=4.0, size=(3, len(grades))).astype(np.float32)
    bias = rng.normal(size=len(grades)).astype(np.float32)
    if favour is not None:
        weights *= 0.01
        bias[grades.index(favour)] += 20
    write_model(path, weights, bias, make_card(grades, spec, seed, **changes).model_dump_json(), (spec.height, spec.width))
    return path


def write_model(
    path: Path,
    weights: np.ndarray,
    bias: np.ndarray,
    card: str | None,
    size: tuple[int, int] = (8, 8),
    *,
    batch: str | int = "N",
    image: str = "image",
    logits: str = "logits",
) -> None:
    """Any graph of this kind, also one that does not fit its card: (N, height, width, 3) uint8 -> (N, classes) float32.

    logits = mean colour in 0..1 @ weights + bias, with (3, classes) and (classes,) float32.
    """
    nodes = [
        helper.make_node("Cast", [image], ["levels"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["levels", "axes"], ["colour"], keepdims=0),  # N x 3
        helper.make_node("Div", ["colour", "white"], ["unit"]),
        helper.make_node("Gemm", ["unit", "weights", "bias"], [logits]),  # N x classes
    ]
    constants = {"axes": np.array([1, 2]), "white": np.float32(255.0), "weights": weights, "bias": bias}
    graph = helper.make_graph(
        nodes,
        "mean-colour",
        [helper.make_tensor_value_info(image, TensorProto.UINT8, [batch, *size, 3])],
        [helper.make_tensor_value_info(logits, TensorProto.FLOAT, [batch, weights.shape[1]])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    # An old IR version: what onnx writes by default may be newer than what the installed ONNX Runtime reads.
    proto = helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 20)], producer_name="senka-tests")
    if card is not None:
        helper.set_model_props(proto, {CARD_KEY: card})
    onnx.checker.check_model(proto, full_check=True)
    path.write_bytes(proto.SerializeToString())
