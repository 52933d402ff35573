"""What an ONNX file may ask for: standard operators on weights that it carries itself.

ONNX Runtime would follow a file to weights elsewhere on this disk, by names that the file chooses, and to libraries of custom
operators. Neither is any network's of ours.
"""

from collections.abc import Iterator
from typing import Any, Final

from models.errors import InvalidCard

MAX_MODEL_BYTES: Final = 1024 * 2**20
"""Protobuf itself ends at 2 GiB; the largest network here, VGG-19, has 550 MB."""
_STANDARD: Final = frozenset(("", "ai.onnx"))
_MAX_DEPTH: Final = 16
"""Of graphs inside graphs."""


def require_safe(model: bytes) -> None:
    """Raise InvalidCard for bytes that are no ONNX model, too many, or ask for other files or other operators."""
    if len(model) > MAX_MODEL_BYTES:
        raise InvalidCard(f"The ONNX file has {len(model):,} bytes; at most {MAX_MODEL_BYTES:,} are read.")
    try:
        _judge(model)
    except UnicodeDecodeError as error:
        raise InvalidCard(f"Not a readable ONNX model: it has names that are not in UTF-8 ({error.reason}).") from error


def _judge(model: bytes) -> None:
    import onnx  # here, so that commands which load no model stay quick
    from google.protobuf.message import DecodeError

    try:
        proto = onnx.load_model_from_string(model)
    except DecodeError as error:
        raise InvalidCard("Not a readable ONNX model: it is no protobuf of one.") from error
    if not proto.HasField("graph"):
        raise InvalidCard("Not a readable ONNX model: it has no graph.")
    # A function that the file carries is made of operators itself, and may be called by its domain
    own = {(function.domain, function.name) for function in proto.functions}
    for graph in (proto.graph, *proto.functions):
        for node in _nodes(graph, 0):
            if node.domain not in _STANDARD and (node.domain, node.op_type) not in own:
                raise InvalidCard(
                    f"The graph uses {node.op_type[:50]!r} of {node.domain[:100]!r}; only the standard operators of ONNX are run."
                )
        for tensor in _tensors(graph, 0):
            if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
                raise InvalidCard(
                    f"The weights {tensor.name[:80]!r} are in a file beside the model. Export it as one file: "
                    "onnx.save(..., save_as_external_data=False)."
                )
    if proto.training_info:
        raise InvalidCard("The ONNX file carries instructions for training. Export it for inference.")


def _nodes(graph: Any, depth: int) -> Iterator[Any]:
    """Of a graph or function, and of the graphs in it."""
    yield from graph.node
    for inner in _inner(graph, depth):
        yield from _nodes(inner, depth + 1)


def _tensors(graph: Any, depth: int) -> Iterator[Any]:
    """Every tensor that the file may hold values of. A function has nodes and defaults of its attributes alone."""
    yield from getattr(graph, "initializer", ())
    for sparse in getattr(graph, "sparse_initializer", ()):
        yield from (sparse.values, sparse.indices)
    for attribute in _attributes(graph):
        yield from (attribute.t, *attribute.tensors)
        for sparse in (attribute.sparse_tensor, *attribute.sparse_tensors):
            yield from (sparse.values, sparse.indices)
    for inner in _inner(graph, depth):
        yield from _tensors(inner, depth + 1)


def _attributes(graph: Any) -> Iterator[Any]:
    """Of the nodes, and the defaults that a function has for its own."""
    for node in graph.node:
        yield from node.attribute
    yield from getattr(graph, "attribute_proto", ())


def _inner(graph: Any, depth: int) -> list[Any]:
    """The graphs in the attributes, whether they have nodes or initializers alone."""
    found = [inner for one in _attributes(graph) for inner in (*((one.g,) if one.HasField("g") else ()), *one.graphs)]
    if found and depth >= _MAX_DEPTH:
        raise InvalidCard(f"The graph has graphs inside graphs, more than {_MAX_DEPTH} deep.")
    return found
