"""Photographs named by their content, in a folder or behind one in an object store."""

from hashlib import sha256
from pathlib import Path
from typing import Final

from models.imaging import MEDIA_TYPES
from service.errors import PhotographNotStored, PhotographUnavailable
from service.records.disk import AlarmSink, Watermark
from service.records.folder import ContentFolder
from service.records.spool import AWAY, Spool, open_spool
from service.settings import Settings

_SUFFIXES: Final = {"jpeg": "jpg", "png": "png", "webp": "webp", "bmp": "bmp"}
_KINDS: Final = {suffix: kind for kind, suffix in _SUFFIXES.items()}


class PhotographStore:
    """Keys look like `<sha256>.jpg`. Threads and processes may share a store; what one put is there for all."""

    def __init__(self, folder: Path, *, watermark: Watermark | None = None, spool: Spool | None = None) -> None:
        """Photographs in `folder`; with a `spool`, they only wait there until they are in the object store."""
        self.folder = ContentFolder(folder)
        self.watermark = watermark
        self._spool = spool

    @property
    def is_local(self) -> bool:
        """Whether photographs stay in the folder: `put` then tells what was kept before, and deleting frees this disk.

        An object store would have to be asked each time, so `put` only knows what still waits in the spool.
        """
        return self._spool is None

    def key(self, data: bytes, kind: str) -> str:
        """The key of a photograph; `kind` is a format of `models.imaging`."""
        return f"{sha256(data).hexdigest()}.{_SUFFIXES[kind]}"

    def put(self, key: str, data: bytes) -> bool:
        """Hand a photograph to the operating system; return True where it was there already.

        It survives this process at once, and a power cut a second later. Raises PhotographNotStored.
        """
        try:
            there = self.folder.put(key, data)
        except OSError as error:
            if self.watermark:
                self.watermark.refused(error)
            raise PhotographNotStored(error.strerror or str(error)) from error
        if not there:
            if self.watermark:
                self.watermark.wrote(len(data))
            if self._spool:
                self._spool.wrote(len(data))
        return there

    def get(self, key: str) -> tuple[bytes, str] | None:
        """Bytes and media type; None when it is not there (any more). Raises PhotographUnavailable."""
        try:
            data = self.folder.get(key)
            if data is None and self._spool:
                # once more: it may have been uploaded between the two
                data = self._spool.get(key) or self.folder.get(key)
        except OSError as error:
            raise PhotographUnavailable(error.strerror or str(error)) from error
        return None if data is None else (data, MEDIA_TYPES[_KINDS[key.rpartition(".")[2]]])

    def delete(self, keys: list[str]) -> list[str]:
        """Delete photographs that no record names; return those that are gone.

        One that was put again within the last minutes stays: the record that names it may not be written yet.
        """
        if self._spool:
            return self._spool.delete(keys)
        return [key for key in keys if self.folder.delete(key)]

    def has_room(self) -> bool:
        """Whether photographs may be put now: asked for each, so it reads two numbers."""
        return (self.watermark is None or self.watermark.has_room()) and (self._spool is None or self._spool.has_room())

    def close(self) -> None:
        """Stop the threads; what waits for an object store is uploaded after the next start, or by another process."""
        if self._spool:
            self._spool.close()
        if self.watermark:
            self.watermark.close()
        self.folder.close()


def open_store(settings: Settings, alarms: AlarmSink | None = None) -> PhotographStore:
    """The store that the settings name. Raises ObjectStoreUnusable where its client is not installed."""
    folder = settings.photographs
    spool = open_spool(settings, alarms) if isinstance(settings.image_store, str) else None
    if spool is None and alarms:
        alarms.clear(AWAY)  # nobody else would, now that there is no object store any more
    return PhotographStore(folder, watermark=Watermark(folder, settings.disk_reserve_bytes, alarms), spool=spool)
