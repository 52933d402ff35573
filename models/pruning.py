"""The part of an ONNX file that computes the logits, cut out of its bytes.

ONNX Runtime runs every node of a graph, whichever outputs a call asks for, and a service that only grades must not pay for
explanations. The package onnx belongs to training; what is needed here of its format (onnx.proto: repeated fields of nodes,
outputs and initializers) is little enough to read directly.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from models.graph import LOGITS

_GRAPH: Final = 7  # of ModelProto
_NODE, _INITIALIZER, _OUTPUT, _VALUE_INFO = 1, 5, 12, 13  # of GraphProto
_NODE_INPUT, _NODE_OUTPUT, _NODE_ATTRIBUTE = 1, 2, 5
_ATTRIBUTE_GRAPHS: Final = (6, 11)
_NAME: Final = {_INITIALIZER: 8, _OUTPUT: 1, _VALUE_INFO: 1}
"""Number of the field that holds the name, by kind of message."""


class _Field(NamedTuple):
    number: int
    whole: memoryview
    """Tag, length and content."""
    content: memoryview


class _Strange(ValueError):
    """Not the bytes of a protobuf message."""


def logits_only(model: bytes) -> bytes:
    """An ONNX file without the nodes, weights and outputs that its logits do not need; everything else byte for byte.

    Files that have no other output come back as they are. So do those that hold control flow, whose inner graphs use names
    silently, and bytes that are no ONNX model: ONNX Runtime is the one to say what is wrong with them.
    """
    try:
        fields = list(_fields(memoryview(model)))
        graphs = [field for field in fields if field.number == _GRAPH]
        pruned = _pruned(graphs[0].content) if len(graphs) == 1 else None
    except _Strange:
        return model
    if pruned is None:
        return model
    return b"".join(_with_tag(_GRAPH, pruned) if field.number == _GRAPH else field.whole for field in fields)


def _pruned(graph: memoryview) -> bytes | None:
    """The serialised GraphProto with the logits alone; None when there is nothing to cut, or no telling what may be cut."""
    fields = list(_fields(graph))
    outputs = [_name(field) for field in fields if field.number == _OUTPUT]
    if outputs == [LOGITS] or LOGITS not in outputs:
        return None
    needed, kept = {LOGITS}, set()
    for index in range(len(fields) - 1, -1, -1):  # nodes are stored in the order they run
        if fields[index].number != _NODE:
            continue
        parts = list(_fields(fields[index].content))
        if any(_holds_graph(part) for part in parts):
            return None
        if needed.intersection(_text(part) for part in parts if part.number == _NODE_OUTPUT):
            kept.add(index)
            needed.update(_text(part) for part in parts if part.number == _NODE_INPUT and part.content)
    return b"".join(
        field.whole for index, field in enumerate(fields) if (index in kept if field.number == _NODE else _wanted(field, needed))
    )


def _wanted(field: _Field, needed: set[str]) -> bool:
    if field.number == _OUTPUT:
        return _name(field) == LOGITS
    return field.number not in _NAME or _name(field) in needed


def _holds_graph(part: _Field) -> bool:
    return part.number == _NODE_ATTRIBUTE and any(inner.number in _ATTRIBUTE_GRAPHS for inner in _fields(part.content))


def _name(field: _Field) -> str:
    return next((_text(part) for part in _fields(field.content) if part.number == _NAME[field.number]), "")


def _text(field: _Field) -> str:
    return bytes(field.content).decode(errors="replace")


def _fields(message: memoryview) -> Iterator[_Field]:
    """Protobuf's wire format: a tag (number << 3 | type), then a varint, 8 bytes, a length with that many bytes, or 4 bytes."""
    position = 0
    while position < len(message):
        tag, start = _varint(message, position)
        kind = tag & 7
        if kind == 0:
            _, end = _varint(message, start)
        elif kind == 2:
            length, start = _varint(message, start)
            end = start + length
        elif kind in (1, 5):
            end = start + (8 if kind == 1 else 4)
        else:
            raise _Strange
        if end > len(message):
            raise _Strange
        yield _Field(tag >> 3, message[position:end], message[start:end])
        position = end


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    """Seven bits a byte, the lowest first, the eighth set on all but the last -> the number and the position after it."""
    value = 0
    for index, byte in enumerate(message[position : position + 10]):
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value, position + index + 1
    raise _Strange


def _with_tag(number: int, content: bytes) -> bytes:
    return _as_varint(number << 3 | 2) + _as_varint(len(content)) + content


def _as_varint(value: int) -> bytes:
    data = bytearray()
    while value >= 0x80:
        data.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*data, value])
