"""Photographs on their way to an object store: a folder that outlives outages and restarts, and the thread that empties it."""

import fcntl
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import IO, Any, Final

from models.errors import SenkaError
from service.records.disk import AlarmSink
from service.records.folder import GRACE_S, ContentFolder
from service.settings import Settings

log = logging.getLogger(__name__)

AWAY: Final = "object_store_away"
LOOKS_EVERY_S: Final = 0.5
FIRST_WAIT_S: Final = 0.5
LONGEST_WAIT_S: Final = 10.0
UPLOADS_AT_ONCE: Final = 16
UPLOADS_A_LOOK: Final = 512
"""After so many the folder is looked at anew: what waits must not grow unseen."""
STOPS_WITHIN_S: Final = 10.0
DELETIONS_AT_ONCE: Final = 32
_S3: Final[dict[str, Any]] = {
    # fsspec and botocore both retry patiently; here the spool waits instead, so that a stop is not held up
    "config_kwargs": {"connect_timeout": 3, "read_timeout": 20, "retries": {"max_attempts": 1}},
    "use_listings_cache": False,
    "skip_instance_cache": True,
}


class ObjectStoreUnusable(SenkaError):
    code = "object_store_unusable"


@dataclass(frozen=True, slots=True)
class Remote:
    """An fsspec file system and the folder in it. Its methods raise OSError for whatever goes wrong."""

    system: Any
    prefix: str

    def put(self, files: dict[str, bytes]) -> None:
        """All of them, several at once; when it raises, any of them may be there."""
        with _plain_errors():
            self.system.pipe({self._path(name): data for name, data in files.items()})

    def get(self, name: str) -> bytes | None:
        with _plain_errors():
            try:
                found: bytes = self.system.cat_file(self._path(name))
            except FileNotFoundError:
                return None
            return found

    def written_at(self, name: str) -> float | None:
        """Seconds since 1970; None where it is not there."""
        with _plain_errors():
            try:
                modified = self.system.modified(self._path(name))
            except FileNotFoundError:
                return None
            aware: datetime = modified if modified.tzinfo else modified.replace(tzinfo=UTC)
            return aware.timestamp()

    def delete(self, names: list[str]) -> None:
        with _plain_errors():
            self.system.rm([self._path(name) for name in names])

    def _path(self, name: str) -> str:
        return f"{self.prefix}/{name[:2]}/{name}"


def connect(url: str, endpoint: str = "") -> Remote:
    """The object store of a URL; nothing is sent yet. Raises ObjectStoreUnusable, saying what to install."""
    import fsspec  # here: slow, and only where there is an object store

    options = {**_S3, "endpoint_url": endpoint or None} if url.startswith(("s3://", "s3a://")) else {}
    try:
        system, prefix = fsspec.core.url_to_fs(url, **options)
    except ImportError as error:
        raise ObjectStoreUnusable(
            f"SENKA_IMAGE_STORE={url} needs a package that is not installed ({error}); in the checkout: pip install -e '.[s3]'"
        ) from error
    except ValueError as error:
        raise ObjectStoreUnusable(f"SENKA_IMAGE_STORE={url} is not the URL of an object store: {error}.") from error
    system.retries = 1  # s3fs would try five times by itself
    return Remote(system, prefix.rstrip("/"))


class Spool:
    """Empties a ContentFolder into an object store. Of the processes that share the folder, one uploads for all."""

    def __init__(
        self,
        folder: Path,
        remote: Remote,
        limit_bytes: int,
        alarms: AlarmSink | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder, self._remote, self._limit, self._alarms, self._clock = folder, remote, limit_bytes, alarms, clock
        self._files = ContentFolder(folder)
        self._backlog_bytes = self._written_bytes = 0
        self._away: str | None = None
        self._told: bool | None = None
        self._failures, self._try_at = 0, 0.0
        self._leading: IO[str] | None = None
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="spool", daemon=True)

    def start(self) -> None:
        """Start to upload; what an earlier process left is uploaded too."""
        self._thread.start()

    def close(self) -> None:
        """Stop; what is left waits in the folder."""
        self._closed.set()
        if self._thread.is_alive():
            self._thread.join(STOPS_WITHIN_S)

    def wrote(self, size_bytes: int) -> None:
        """A photograph was put into the folder."""
        self._written_bytes += size_bytes  # unlocked: a lost update is mended by the next look at the folder

    def has_room(self) -> bool:
        return self._backlog_bytes + self._written_bytes < self._limit

    def get(self, name: str) -> bytes | None:
        """From the object store; None where it is not there. Raises OSError."""
        return self._remote.get(name)

    def delete(self, names: list[str]) -> list[str]:
        """Delete from the object store what was not put within the last minutes; return what is gone. Raises OSError.

        No upload runs meanwhile. Only processes of another machine are not waited for: the same photograph sent to both in the
        moment between the look and the deletion would be lost.
        """
        gone: list[str] = []
        for start in range(0, len(names), DELETIONS_AT_ONCE):
            with self._moving():
                for name in names[start : start + DELETIONS_AT_ONCE]:
                    if self._files.holds(name):
                        continue  # put again, and on its way
                    written = self._remote.written_at(name)
                    if written is not None and abs(time.time() - written) < GRACE_S:
                        continue
                    if written is not None:
                        self._remote.delete([name])
                    gone.append(name)
        return gone

    def upload(self) -> int:
        """Upload what waits in the folder, once; return how many were. Raises OSError at the first that fails."""
        uploaded, waiting = 0, self._look()[:UPLOADS_A_LOOK]
        while waiting and not self._closed.is_set():
            # While the store is away, one photograph finds out whether it is back
            at_once = 1 if self._failures else UPLOADS_AT_ONCE
            chunk, waiting = waiting[:at_once], waiting[at_once:]
            with self._moving():
                files = {name: data for name in chunk if (data := self._complete(name)) is not None}
                if files:
                    self._remote.put(files)
                    self._failures = 0
                for name, data in files.items():
                    self._files.remove(name)
                    self._backlog_bytes -= len(data)
            uploaded += len(files)
        return uploaded

    def _look(self) -> list[str]:
        """The names of what waits, oldest first; takes down how much that is, for the other processes too."""
        found = sorted(((status.st_mtime, name, status.st_size) for name, status in self._files.files()))
        self._written_bytes = 0
        self._backlog_bytes = sum(size for _, _, size in found)
        self._backlog_file.write_text(str(self._backlog_bytes))
        return [name for _, name, _ in found]

    def _complete(self, name: str) -> bytes | None:
        """The bytes of a file that is written in full. One that a crash cut off goes, once nobody can be writing it."""
        data = self._files.get(name)
        if data is None or sha256(data).hexdigest() == name.partition(".")[0]:
            return data
        if self._files.delete(name):
            log.warning("%s was cut off by a crash before it was on record; it is deleted", name)
        return None

    def _run(self) -> None:
        while not self._closed.is_set():
            began = self._clock()
            try:
                self._turn(began)
            except OSError as error:
                self._failed(str(error) or type(error).__name__)
            except Exception as error:  # a bug of ours or of a client; the photographs wait, and whoever mends it finds them all
                log.exception("photographs cannot be uploaded")
                self._failed(f"{type(error).__name__}: {error}")
            took = self._clock() - began
            # a folder that is long to look through is looked through less often
            self._closed.wait(max(LOOKS_EVERY_S, 10 * took if self._away else 0.0))
        if self._leading:
            self._leading.close()

    def _turn(self, now: float) -> None:
        if not self._lead():
            self._written_bytes, self._backlog_bytes = 0, self._told_backlog()
            return
        if now < self._try_at:
            self._look()
            return
        self.upload()
        self._failures, self._away, self._try_at = 0, None, 0.0
        self._tell()

    def _failed(self, reason: str) -> None:
        wait_s = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2**self._failures)
        self._failures, self._away, self._try_at = min(self._failures + 1, 16), reason, self._clock() + wait_s
        self._tell()

    def _tell(self) -> None:
        away = self._away is not None
        if away == self._told:
            return
        self._told = away
        if away:
            log.warning("the object store does not take photographs, they wait in %s: %s", self._folder, self._away)
        if self._alarms and away:
            self._alarms.raise_(AWAY, f"The object store does not take photographs: {self._away}. They wait in {self._folder}.")
        elif self._alarms:
            self._alarms.clear(AWAY)

    def _lead(self) -> bool:
        """Whether this process uploads: the first one does, and when it dies another takes over."""
        if self._leading:
            return True
        self._folder.mkdir(0o700, parents=True, exist_ok=True)
        file = (self._folder / ".uploader.lock").open("w")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return False
        self._leading = file
        return True

    @contextmanager
    def _moving(self) -> Iterator[None]:
        """No two processes, and no two threads, upload and delete at the same time."""
        self._folder.mkdir(0o700, parents=True, exist_ok=True)
        with (self._folder / ".moving.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _told_backlog(self) -> int:
        try:
            return int(self._backlog_file.read_text())
        except (FileNotFoundError, ValueError):
            return 0  # nobody looked yet, or is writing it just now

    @property
    def _backlog_file(self) -> Path:
        return self._folder / ".backlog"


def open_spool(settings: Settings, alarms: AlarmSink | None = None) -> Spool:
    """The spool of the object store in the settings, uploading. Raises ObjectStoreUnusable."""
    remote = connect(str(settings.image_store), settings.image_store_endpoint)
    spool = Spool(settings.photographs, remote, settings.spool_bytes, alarms)
    spool.start()
    return spool


@contextmanager
def _plain_errors() -> Iterator[None]:
    """Clients of object stores raise what they like (botocore's errors are plain exceptions): OSError for all but our bugs."""
    try:
        yield
    except (OSError, TypeError, AttributeError, NameError):
        raise
    except Exception as error:
        raise OSError(f"{type(error).__name__}: {error}") from error
