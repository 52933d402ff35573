"""ONNX files that want more than a network needs: refused when they are published and when they are loaded."""

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from models import safe_onnx
from models.card import CARD_KEY, card_of
from models.errors import InvalidCard, SenkaError
from models.graph import open_session
from models.repository import ModelRepository, Version
from service.inference.session import LoadedModel
from tests.models.onnx_files import make_card, make_model

Change = Callable[[onnx.ModelProto], None]


@pytest.fixture
def proto(tmp_path: Path) -> onnx.ModelProto:
    return onnx.load(make_model(tmp_path / "good.onnx"))


def elsewhere(tensor: onnx.TensorProto) -> None:
    """Its values are in a file that everybody here may read."""
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "secret.bin"


def external(proto: onnx.ModelProto) -> None:
    elsewhere(next(one for one in proto.graph.initializer if one.name == "weights"))


def external_in_a_node(proto: onnx.ModelProto) -> None:
    tensor = numpy_helper.from_array(np.float32(1), "hidden")
    elsewhere(tensor)
    proto.graph.node.insert(0, helper.make_node("Constant", [], ["unused"], value=tensor))


def external_in_an_inner_graph(proto: onnx.ModelProto) -> None:
    tensor = numpy_helper.from_array(np.float32(1), "hidden")
    elsewhere(tensor)
    inner = helper.make_graph(
        [helper.make_node("Identity", ["hidden"], ["out"])],
        "inner",
        [],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, [])],
        [tensor],
    )
    condition = numpy_helper.from_array(np.array(True), "yes")
    proto.graph.initializer.append(condition)
    proto.graph.node.append(helper.make_node("If", ["yes"], ["chosen"], then_branch=inner, else_branch=inner))


def without_nodes() -> onnx.GraphProto:
    tensor = numpy_helper.from_array(np.float32(1), "hidden")
    elsewhere(tensor)
    return helper.make_graph([], "inner", [], [helper.make_tensor_value_info("hidden", TensorProto.FLOAT, [])], [tensor])


def external_in_an_inner_graph_without_nodes(proto: onnx.ModelProto) -> None:
    inner = without_nodes()
    proto.graph.initializer.append(numpy_helper.from_array(np.array(True), "yes"))
    proto.graph.node.append(helper.make_node("If", ["yes"], ["chosen"], then_branch=inner, else_branch=inner))


def external_in_a_default_of_a_function(proto: onnx.ModelProto) -> None:
    proto.opset_import.append(helper.make_opsetid("senka.own", 1))
    nodes = [helper.make_node("Identity", ["x"], ["y"])]
    function = helper.make_function("senka.own", "Same", ["x"], ["y"], nodes, [helper.make_opsetid("", 20)])
    function.attribute_proto.append(helper.make_attribute("branch", without_nodes()))
    proto.functions.append(function)


def custom_operator(proto: onnx.ModelProto) -> None:
    proto.opset_import.append(helper.make_opsetid("com.evil", 1))
    proto.graph.node.insert(0, helper.make_node("RunShell", ["image"], ["unused"], domain="com.evil"))


def contributed_operator(proto: onnx.ModelProto) -> None:
    proto.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    proto.graph.node.insert(0, helper.make_node("Gelu", ["levels"], ["unused"], domain="com.microsoft"))


def training(proto: onnx.ModelProto) -> None:
    proto.training_info.add()


def no_card(proto: onnx.ModelProto) -> None:
    proto.ClearField("metadata_props")


def card_of_nonsense(proto: onnx.ModelProto) -> None:
    helper.set_model_props(proto, {CARD_KEY: "[" * 20_000})


def second_input(proto: onnx.ModelProto) -> None:
    proto.graph.input.append(helper.make_tensor_value_info("more", TensorProto.FLOAT, [1]))


def outputs_of_doubles(proto: onnx.ModelProto) -> None:
    proto.graph.node.append(helper.make_node("Cast", ["logits"], ["doubles"], to=TensorProto.DOUBLE))
    proto.graph.node[-2].output[0] = "before"
    proto.graph.node[-1].input[0], proto.graph.node[-1].output[0] = "before", "logits"
    proto.graph.output[0].type.tensor_type.elem_type = TensorProto.DOUBLE


def without_outputs(proto: onnx.ModelProto) -> None:
    proto.graph.ClearField("output")


HOSTILE: dict[str, tuple[Change, str]] = {
    "external": (external, "in a file beside the model"),
    "external in a node": (external_in_a_node, "in a file beside the model"),
    "external in an inner graph": (external_in_an_inner_graph, "in a file beside the model"),
    "external in an inner graph without nodes": (external_in_an_inner_graph_without_nodes, "in a file beside the model"),
    "external in a default of a function": (external_in_a_default_of_a_function, "in a file beside the model"),
    "custom operator": (custom_operator, "'RunShell' of 'com.evil'"),
    "contributed operator": (contributed_operator, "'Gelu' of 'com.microsoft'"),
    "training": (training, "instructions for training"),
    "no card": (no_card, "carries no model card"),
    "card of nonsense": (card_of_nonsense, "card is not valid"),
    "second input": (second_input, "2 inputs and 1 outputs"),
    "doubles": (outputs_of_doubles, "expects tensor\\(float\\)"),
    "no outputs": (without_outputs, "Not a readable|0 outputs"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_refused_when_published_and_when_loaded(
    proto: onnx.ModelProto, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # where a relative name of an external file would lead
    (tmp_path / "secret.bin").write_bytes(bytes(1000))
    change, words = HOSTILE[kind]
    change(proto)
    path = tmp_path / "hostile.onnx"
    path.write_bytes(proto.SerializeToString())
    repository = ModelRepository(tmp_path / "models")
    with pytest.raises(InvalidCard, match=words):
        repository.publish(path)
    assert repository.versions() == []
    version = Version("cucumber", 1, path, sha256(path.read_bytes()).hexdigest(), "2026-11-23T02:11:00+00:00", "")
    with pytest.raises(InvalidCard, match=words):
        LoadedModel.load(path.read_bytes(), version)


def test_a_function_that_the_file_carries_is_its_own(proto: onnx.ModelProto) -> None:
    proto.opset_import.append(helper.make_opsetid("senka.own", 1))
    nodes = [helper.make_node("Identity", ["x"], ["y"])]
    proto.functions.append(helper.make_function("senka.own", "Same", ["x"], ["y"], nodes, [helper.make_opsetid("", 20)]))
    last = proto.graph.node[-1]
    last.output[0] = "before"
    proto.graph.node.append(helper.make_node("Same", ["before"], ["logits"], domain="senka.own"))
    assert card_of(open_session(proto.SerializeToString())).architecture == make_card().architecture
    proto.functions[0].node[0].domain = "com.evil"
    with pytest.raises(InvalidCard, match=r"com\.evil"):
        open_session(proto.SerializeToString())


def test_one_that_is_too_large(proto: onnx.ModelProto, monkeypatch: pytest.MonkeyPatch) -> None:
    model = proto.SerializeToString()
    monkeypatch.setattr(safe_onnx, "MAX_MODEL_BYTES", len(model) - 1)
    with pytest.raises(InvalidCard, match="at most"):
        open_session(model)


@pytest.mark.parametrize("data", [b"", b"\0" * 100, b"....ORTM" + bytes(1000), b"PK\3\4", b"\x08\x0a"])
def test_what_is_no_onnx(data: bytes) -> None:
    with pytest.raises(InvalidCard, match="Not a readable"):
        open_session(data)


@given(st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_broken_bytes_are_refused_in_words_or_run(good_bytes: bytes, seed: int) -> None:
    chance = np.random.default_rng(seed)
    data = bytearray(good_bytes)
    for at in chance.integers(0, len(data), 3):
        data[at] = chance.integers(0, 256)
    try:
        card_of(open_session(bytes(data)))
    except SenkaError as error:
        assert str(error)  # noqa: PT017 - which of them it is depends on the byte


@pytest.fixture(scope="module")
def good_bytes(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return make_model(tmp_path_factory.mktemp("good") / "good.onnx").read_bytes()
