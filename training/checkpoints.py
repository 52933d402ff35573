"""Weights on disk: a `state_dict` beside a JSON file, written in one step, never a pickled module."""

import os
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

import torch

from models.durable import replace
from models.errors import RunError


def save(path: Path, state: dict[str, Any]) -> str:
    """Write a dict of tensors, numbers and strings; a process killed meanwhile leaves the old file. Returns its sha256."""
    buffer = BytesIO()
    torch.save(state, buffer)
    data = buffer.getvalue()
    write_bytes(path, data)
    return sha256(data).hexdigest()


def load(path: Path) -> tuple[dict[str, Any], str]:
    """What `save` wrote, on the CPU, with the file's sha256. Raises RunError for anything else than plain data."""
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise RunError(f"There is no checkpoint {path}. Train first: senka train --data SOURCE --out {path.parent}.") from error
    return loads(data, str(path))


def loads(data: bytes, name: str) -> tuple[dict[str, Any], str]:
    """The same from the bytes of a file called `name`."""
    try:
        state: dict[str, Any] = torch.load(BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # torch reports damage as RuntimeError, UnpicklingError, EOFError and others
        raise RunError(f"{name} is not a readable checkpoint ({type(error).__name__}). Train again.") from error
    return state, sha256(data).hexdigest()


def write_bytes(path: Path, data: bytes) -> None:
    """Replace a file in one step; a disk that is full leaves the old one and nothing else."""
    replace(path, data, path.with_name(f".{path.name}.{os.getpid()}"))
