"""Tiny real ONNX models with a card, made in milliseconds and without torch: a random linear layer over the photograph."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from models.card import CARD_KEY, Calibration
from models.grades import GRADES
from models.preprocess import PreprocessSpec
from tests.models.onnx_files import make_card

SMALL = PreprocessSpec(width=16, height=16)


def make_model(
    path: Path,
    grades: Sequence[str] = GRADES,
    seed: int = 0,
    spec: PreprocessSpec = SMALL,
    *,
    takes_bytes: bool = True,
    hidden: int = 0,
    temperature: float = 1.0,
    input_side: int | None = None,
) -> Path:
    """Write a model whose weights belong to grades, not to places: the same seed grades alike in any order of `grades`.

    `takes_bytes` False takes (N, 3, H, W) float32 instead of (N, H, W, 3) uint8. `hidden` adds a layer of that width, so that
    a run takes longer. `input_side` breaks the graph's promise: it runs on photographs of that side only.
    """
    size = (input_side or spec.height) * (input_side or spec.width) * 3
    rng = np.random.default_rng(seed)
    by_grade = {grade: rng.normal(0, 0.15, size).astype(np.float32) for grade in GRADES}
    weights = np.stack([by_grade[grade] for grade in grades], axis=1)
    nodes = [
        helper.make_node("Sub", ["unit", "half"], ["centred"]),
        helper.make_node("Reshape", ["centred", "flat_shape"], ["flat"]),
    ]
    constants = {"half": np.float32(0.5), "flat_shape": np.array([-1, size], np.int64), "weights": weights}
    if takes_bytes:
        image = helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", spec.height, spec.width, 3])
        nodes[:0] = [
            helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
            helper.make_node("Div", ["float", "full"], ["unit"]),
        ]
        constants["full"] = np.float32(255)
    else:
        image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, spec.height, spec.width])
        nodes.insert(0, helper.make_node("Transpose", ["image"], ["unit"], perm=[0, 2, 3, 1]))
    last = "flat"
    if hidden:
        into, out = (rng.normal(0, 1 / np.sqrt(n), n).astype(np.float32) for n in (size * hidden, hidden * size))
        constants["into"], constants["out"] = into.reshape(size, hidden), out.reshape(hidden, size)
        nodes += [
            helper.make_node("MatMul", ["flat", "into"], ["inside"]),
            helper.make_node("MatMul", ["inside", "out"], ["mixed"]),
            helper.make_node("Tanh", ["mixed"], ["bounded"]),
        ]
        last = "bounded"
    nodes.append(helper.make_node("MatMul", [last, "weights"], ["logits"]))
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", len(grades)])
    initializers = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "tiny", [image], [logits], initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    card = make_card(tuple(grades), spec, seed, architecture="linear", calibration=Calibration(temperature=temperature))
    helper.set_model_props(model, {CARD_KEY: card.model_dump_json()})
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, path)
    return path


CELLS = 4
"""Sides of the class activation maps of `make_explained`."""


def make_explained(path: Path, grades: Sequence[str] = GRADES, seed: int = 0, spec: PreprocessSpec = SMALL) -> Path:
    """A model of 16x16 photographs with a class activation map: cells of mean colour, a 1x1 convolution, their mean, a bias.

    cam[g].mean() + bias(seed)[g] == logits[g], with `bias` in the order of GRADES.
    """
    rng = np.random.default_rng(seed)
    order = [GRADES.index(grade) for grade in grades]
    weights = rng.normal(0, 4, (len(GRADES), 3, 1, 1)).astype(np.float32)[order]
    nodes = [
        helper.make_node("Cast", ["image"], ["levels"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["levels", "full"], ["unit"]),
        helper.make_node("Transpose", ["unit"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("AveragePool", ["planes"], ["cells"], kernel_shape=[4, 4], strides=[4, 4]),
        helper.make_node("Conv", ["cells", "weights"], ["cam"]),
        helper.make_node("ReduceMean", ["cam", "places"], ["pooled"], keepdims=0),
        helper.make_node("Add", ["pooled", "bias"], ["logits"]),
    ]
    constants = {"full": np.float32(255), "weights": weights, "places": np.array([2, 3]), "bias": explained_bias(seed)[order]}
    image = helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", spec.height, spec.width, 3])
    outputs = [
        helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", len(grades)]),
        helper.make_tensor_value_info("cam", TensorProto.FLOAT, ["N", len(grades), CELLS, CELLS]),
    ]
    initializers = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "cells", [image], outputs, initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    card = make_card(tuple(grades), spec, seed, architecture="cells")
    helper.set_model_props(model, {CARD_KEY: card.model_dump_json()})
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, path)
    return path


def explained_bias(seed: int) -> np.ndarray:
    return np.random.default_rng([seed, 1]).normal(0, 0.5, len(GRADES)).astype(np.float32)
