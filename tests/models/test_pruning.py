"""An ONNX file cut down to its logits; whatever else comes is left to ONNX Runtime."""

import numpy as np
import onnx
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from models.card import CARD_KEY
from models.graph import open_session
from models.pruning import logits_only
from tests.models.onnx_files import make_model


def branched(
    outputs: tuple[str, ...] = ("logits", "cam", "embedding"), extra: tuple[onnx.NodeProto, ...] = ()
) -> onnx.ModelProto:
    """image -> relu -> logits; a further branch for each other output, with weights of its own."""
    nodes = [
        helper.make_node("MatMul", ["image", "w1"], ["hidden"]),
        helper.make_node("Relu", ["hidden"], ["embedding"]),
        helper.make_node("MatMul", ["embedding", "w_cam"], ["mixed"]),
        helper.make_node("Clip", ["mixed", "", "ceiling"], ["cam"]),  # an optional input left out has an empty name
        *extra,
        helper.make_node("Dropout", ["embedding"], ["kept", ""]),  # so has an output
        helper.make_node("MatMul", ["kept", "w2"], ["logits"]),
    ]
    rng = np.random.default_rng(1)
    weights = {"w1": (6, 5), "w_cam": (5, 7), "w2": (5, 4), "ceiling": ()}
    widths = {"logits": 4, "cam": 7, "embedding": 5}
    graph = helper.make_graph(
        nodes,
        "branched",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 6])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", widths[name]]) for name in outputs],
        [numpy_helper.from_array(np.asarray(rng.normal(size=s), np.float32), name) for name, s in weights.items()],
        value_info=[helper.make_tensor_value_info("mixed", TensorProto.FLOAT, ["N", 7])],
    )
    proto = helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 20)])
    helper.set_model_props(proto, {CARD_KEY: "the card"})
    onnx.checker.check_model(proto)
    return proto


def test_what_the_logits_need_is_kept_and_nothing_else() -> None:
    before = branched()
    after = onnx.load_from_string(logits_only(before.SerializeToString()))
    onnx.checker.check_model(after, full_check=True)
    assert [node.output[0] for node in after.graph.node] == ["hidden", "embedding", "kept", "logits"]
    assert [out.name for out in after.graph.output] == ["logits"]
    assert [tensor.name for tensor in after.graph.initializer] == ["w1", "w2"]
    assert list(after.graph.value_info) == []
    for name in ("input", "name"):
        assert getattr(after.graph, name) == getattr(before.graph, name)
    assert after.metadata_props == before.metadata_props
    assert (after.opset_import, after.ir_version) == (before.opset_import, before.ir_version)


def test_the_logits_are_the_same() -> None:
    model = branched().SerializeToString()
    image = np.random.default_rng(3).normal(size=(9, 6)).astype(np.float32)
    whole, pruned = (open_session(data).run(["logits"], {"image": image})[0] for data in (model, logits_only(model)))
    assert np.array_equal(whole, pruned)


def test_the_place_of_the_logits_does_not_matter() -> None:
    pruned = onnx.load_from_string(logits_only(branched(("cam", "logits")).SerializeToString()))
    assert [out.name for out in pruned.graph.output] == ["logits"]
    assert len(pruned.graph.node) == 4


def test_nothing_to_cut() -> None:
    for outputs in (("logits",), ("cam", "embedding")):
        model = branched(outputs).SerializeToString()
        assert logits_only(model) is model


def test_a_file_of_a_single_output_is_left_alone(tmp_path) -> None:
    model = make_model(tmp_path / "m.onnx").read_bytes()
    assert logits_only(model) is model


def test_control_flow_is_left_alone() -> None:
    # The branch reads "hidden" without naming it among the node's inputs.
    branch = helper.make_graph(
        [helper.make_node("Identity", ["hidden"], ["same"])],
        "branch",
        [],
        [helper.make_tensor_value_info("same", TensorProto.FLOAT, ["N", 5])],
    )
    condition = helper.make_node("Constant", [], ["yes"], value=numpy_helper.from_array(np.array(True)))
    choice = helper.make_node("If", ["yes"], ["chosen"], then_branch=branch, else_branch=branch)
    model = branched(extra=(condition, choice)).SerializeToString()
    assert logits_only(model) is model


def test_files_cut_off_never_raise() -> None:
    model = branched().SerializeToString()
    for length in range(len(model)):
        logits_only(model[:length])


@given(st.binary(max_size=300))
def test_arbitrary_bytes_never_raise(data: bytes) -> None:
    logits_only(data)
