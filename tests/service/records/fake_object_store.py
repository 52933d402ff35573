"""An object store in memory."""

import time

from service.records.spool import Remote


class FakeSystem:
    """What of an fsspec file system is used; while `error` is set it is away."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.written: dict[str, float] = {}
        self.error: Exception | None = None
        self.puts: list[int] = []

    def pipe(self, files: dict[str, bytes]) -> None:
        self.puts.append(len(files))
        if self.error:
            raise self.error
        self.objects |= files
        self.written |= dict.fromkeys(files, time.time())

    def cat_file(self, path: str) -> bytes:
        if self.error:
            raise self.error
        if path not in self.objects:
            raise FileNotFoundError(path)
        return self.objects[path]


class FakeRemote(Remote):
    """Its client, with times that a test can change."""

    system: FakeSystem

    def written_at(self, name: str) -> float | None:
        return self.system.written.get(self._path(name))

    def delete(self, names: list[str]) -> None:
        for name in names:
            del self.system.objects[self._path(name)]
