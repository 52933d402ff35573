"""The part of an ONNX file that computes the logits.

ONNX Runtime runs every node of a graph, whichever outputs a call asks for, and a service that only grades must not pay for
explanations.
"""

from typing import Any

from models.graph import LOGITS


def logits_only(model: bytes) -> bytes:
    """An ONNX file without the nodes, weights and outputs that its logits do not need; card and opsets stay.

    Files that have no other output come back as they are. So do those that hold control flow, whose inner graphs use names
    silently, and bytes that are no ONNX model: ONNX Runtime is the one to say what is wrong with them.
    """
    import onnx  # here, so that commands which load no model stay quick
    from google.protobuf.message import DecodeError

    try:
        proto = onnx.load_model_from_string(model)
    except DecodeError:
        return model
    graph = proto.graph
    outputs = [value.name for value in graph.output]
    if LOGITS not in outputs or len(outputs) == 1 or any(part.g.node or part.graphs for n in graph.node for part in n.attribute):
        return model
    needed = {LOGITS}
    kept = []
    for node in reversed(graph.node):  # stored in the order they run
        if needed.intersection(node.output):
            kept.append(node)
            needed.update(name for name in node.input if name)  # an optional input left out has an empty name
    nodes = kept[::-1]
    graph.ClearField("node")
    graph.node.extend(nodes)
    for named in (graph.initializer, graph.value_info):
        _keep(named, needed)
    _keep(graph.output, {LOGITS})
    pruned: bytes = proto.SerializeToString()
    return pruned


def _keep(messages: Any, names: set[str]) -> None:
    for index in reversed(range(len(messages))):
        if messages[index].name not in names:
            del messages[index]
