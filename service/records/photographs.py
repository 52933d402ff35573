"""Photographs in a folder, named by their content: the same photograph twice is kept once."""

import os
from hashlib import sha256
from pathlib import Path
from typing import Final

from models.imaging import MEDIA_TYPES

_SUFFIXES: Final = {"jpeg": "jpg", "png": "png", "webp": "webp", "bmp": "bmp"}


class PhotographStore:
    """Keys look like `<sha256>.jpg`; the first two digits are the sub-folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def key(self, data: bytes, kind: str) -> str:
        """The key of a photograph; `kind` is a format of `models.imaging`."""
        return f"{sha256(data).hexdigest()}.{_SUFFIXES[kind]}"

    def put(self, key: str, data: bytes) -> None:
        """Hand a photograph to the operating system: it survives this process, if not a power cut in the next second."""
        path = self._path(key)
        if path.is_file() and path.stat().st_size == len(data):  # another size was cut off by a power cut: mend it
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
        try:
            aside.write_bytes(data)
            aside.replace(path)
        except BaseException:
            aside.unlink(missing_ok=True)
            raise

    def get(self, key: str) -> tuple[bytes, str] | None:
        """Bytes and media type; None when it is not there (any more)."""
        kinds = {suffix: kind for kind, suffix in _SUFFIXES.items()}
        try:
            return self._path(key).read_bytes(), MEDIA_TYPES[kinds[key.rpartition(".")[2]]]
        except FileNotFoundError:
            return None

    def _path(self, key: str) -> Path:
        return self._folder / key[:2] / key
