"""Retrainings on disk: what was asked, how far each is and how it ended. Training writes them, the service shows them.

`<folder>/<id>/` holds `request.json` and `state.json`, written in one step each, and what the stages left: `intake.html`,
`gate/gate.html`, run folders. `<folder>/.lock` is held by the one that runs; a process that dies lets go of it, so a retraining
that says it runs and holds no lock was interrupted, and can be resumed.
"""

import fcntl
import os
import re
import shutil
import time
import uuid
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from models.durable import read_json, replace
from models.errors import RetrainingNotFound, RetrainingRunning

REQUEST_FILE: Final = "request.json"
STATE_FILE: Final = "state.json"
MATERIAL_FILE: Final = "material.json"
"""Written when the intake is done: its sources are not read again."""
INTAKE_PAGE: Final = "intake.html"
GATE_PAGE: Final = "gate/gate.html"
GATE_VERDICT: Final = "gate/verdict.json"
LOG_FILE: Final = "log.txt"
_CANCEL_FILE: Final = "cancel"
_LOCK_FILE: Final = ".lock"
_ID: Final = re.compile(r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{6}")
_LOCK_TRIES: Final = 10
"""Who only asks whether one runs holds the lock for an instant: it is tried again."""

Outcome = Literal["running", "interrupted", "cancelled", "failed", "refused", "published", "promoted"]
Stage = Literal["waiting", "intake", "training", "gate", "publish", "promote", "done"]
Share = Annotated[float, Field(ge=0, le=0.5)]


class RetrainRequest(BaseModel):
    """What a retraining was asked to do; a resumed one does the same."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    data: tuple[str, ...] = Field(
        (), description="sources of new labelled photographs; none: the kept ones that the champion does not know"
    )
    replay: tuple[str, ...] = Field((), description="earlier sources, beside those that earlier retrainings kept")
    golden: str | None = Field(None, description="source of the golden set; None: the one in SENKA_HOME")
    corrections: tuple[str, ...] = Field((), description="sources of corrections that the gate looks at, too")
    split: Literal["train", "test", "all"] = "all"
    to_golden: Share = Field(0.0, description="share of the new fruit that the golden set is grown by, never trained on")
    scratch: Literal["auto", "always", "never"] = Field("auto", description="whether to train from scratch as well")
    arch: str | None = Field(None, description="architecture from scratch; None: the champion's, or lenet")
    recipe: str | None = Field(None, description="or a recipe")
    epochs: int | None = Field(None, ge=1, description="of the fine-tuning")
    seed: int = Field(0, ge=0)
    promote: bool = Field(False, description="make it the champion when the gate passes; else it becomes the challenger")
    require: Literal["better", "not_worse"] = "better"
    bounds: dict[str, str] = Field(default_factory=dict, description="thresholds of the gate that differ from its own")
    threads: int = Field(0, ge=0, le=256, description="of the training; 0: one fewer than there are cores")
    nice: int = Field(10, ge=0, le=19, description="how far it steps back for other processes")
    by: str = Field("", description="who asked for it")


class Retraining(BaseModel):
    """`state.json`: one retraining as it stands."""

    model_config = ConfigDict(frozen=True)

    id: str
    state: Outcome = "running"
    stage: Stage = "waiting"
    doing: str = Field("", description="what is being done, in a few words")
    done: int = 0
    of: int = Field(0, description="0: not known")
    started_at: str
    updated_at: str
    finished_at: str | None = None
    text: str = Field("", description="how it ended, in plain words")
    reasons: tuple[str, ...] = Field((), description="of the gate")
    candidate: str = Field("", description="which training gave the model: fine-tuned, or from scratch")
    version: int | None = Field(None, description="under which the model was published")
    champion: int | None = Field(None, description="the champion that it was judged against")
    new_images: int | None = None
    replayed_images: int | None = Field(None, description="earlier ones that were learned from again")
    golden_images: int | None = None


class Turn:
    """The right to be the one retraining that runs; it may be handed on to a child by its file descriptor."""

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def release(self) -> None:
        """Let go of it here; a child that has it keeps it."""
        os.close(self.fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


class Retrainings:
    """Those in one folder, `SENKA_HOME/retrainings`. Nothing is created before the first."""

    def __init__(self, folder: Path) -> None:
        self.root = folder

    def folder(self, retraining_id: str) -> Path:
        """Raises RetrainingNotFound."""
        folder = self.root / retraining_id
        if not _ID.fullmatch(retraining_id) or not (folder / REQUEST_FILE).is_file():
            raise RetrainingNotFound(retraining_id, self.ids()[:10])
        return folder

    def begin(self, request: RetrainRequest) -> tuple[Retraining, Turn]:
        """A new one, and the right to run it. Raises RetrainingRunning and OSError; nothing is made then."""
        retraining_id = _new_id()
        turn = self.take_turn(retraining_id)
        try:
            return self.create(request, retraining_id), turn
        except BaseException:
            turn.release()
            shutil.rmtree(self.root / retraining_id, ignore_errors=True)
            raise

    def create(self, request: RetrainRequest, retraining_id: str | None = None) -> Retraining:
        """A new one, waiting to be run: its folder is made, and its state says so."""
        retraining_id = retraining_id or _new_id()
        folder = self.root / retraining_id
        folder.mkdir(parents=True)
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        state = Retraining(id=retraining_id, started_at=at, updated_at=at)
        self.write(state)
        _write(folder / REQUEST_FILE, request)  # last: a folder without it is none
        return state

    def request(self, retraining_id: str) -> RetrainRequest:
        """Raises RetrainingNotFound, RepositoryUnreadable."""
        return read_json(self.folder(retraining_id) / REQUEST_FILE, RetrainRequest, f"delete {self.root / retraining_id}")

    def get(self, retraining_id: str) -> Retraining:
        """As it stands now. Raises RetrainingNotFound, RepositoryUnreadable."""
        name = self.folder(retraining_id).name
        try:
            return self._read(name, self.running())
        except FileNotFoundError:
            raise RetrainingNotFound(name, self.ids()[:10]) from None

    def listed(self, limit: int | None = None, before: str | None = None) -> list[Retraining]:
        """All of them, newest first; or at most `limit` that are older than the one with the id `before`."""
        running = self.running()
        found: list[Retraining] = []
        for name in self.ids():
            if limit is not None and len(found) >= limit:
                break
            if before is None or name < before:
                with suppress(FileNotFoundError):  # deleted meanwhile
                    found.append(self._read(name, running))
        return found

    def ids(self) -> list[str]:
        """Of all of them, newest first."""
        if not self.root.is_dir():
            return []
        there = (entry.name for entry in self.root.iterdir() if _ID.fullmatch(entry.name) and (entry / REQUEST_FILE).is_file())
        return sorted(there, reverse=True)

    def has_taken_in(self, retraining_id: str) -> bool:
        """Whether its intake is done."""
        return (self.folder(retraining_id) / MATERIAL_FILE).is_file()

    def write(self, state: Retraining) -> None:
        _write(self.root / state.id / STATE_FILE, state)

    def running(self) -> str | None:
        """The id of the one that holds the lock."""
        try:
            fd = os.open(self.root / _LOCK_FILE, os.O_RDWR)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return os.read(fd, 64).decode(errors="replace").strip()
        finally:
            os.close(fd)
        return None

    def take_turn(self, retraining_id: str) -> Turn:
        """Take the lock for this one. Raises RetrainingRunning while another has it."""
        self.root.mkdir(parents=True, exist_ok=True)
        fd = os.open(self.root / _LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o644)
        for attempt in range(_LOCK_TRIES):
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if attempt == _LOCK_TRIES - 1:
                    holder = os.read(fd, 64).decode(errors="replace").strip()
                    os.close(fd)
                    raise RetrainingRunning(holder) from None
                time.sleep(0.02)
            else:
                os.pwrite(fd, retraining_id.encode(), 0)  # over the one before: who asks meanwhile finds some id, never none
                os.ftruncate(fd, len(retraining_id))
                return Turn(fd)
        raise AssertionError("unreachable")

    def cancel(self, retraining_id: str) -> None:
        """Ask the one that runs to stop; it does at its next step. Raises RetrainingNotFound."""
        (self.folder(retraining_id) / _CANCEL_FILE).touch()

    def is_cancelled(self, retraining_id: str) -> bool:
        return (self.root / retraining_id / _CANCEL_FILE).exists()

    def forget_cancelling(self, retraining_id: str) -> None:
        """Before it is resumed."""
        (self.root / retraining_id / _CANCEL_FILE).unlink(missing_ok=True)

    def _read(self, name: str, running: str | None) -> Retraining:
        folder = self.root / name
        state = read_json(folder / STATE_FILE, Retraining, f"delete {folder}")
        # asked once more: it may have begun after `running` was
        if state.state == "running" and name not in (running, self.running()):
            return state.model_copy(update={"state": "interrupted"})
        return state


def _new_id() -> str:
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{uuid.uuid4().hex[:6]}"


def _write(path: Path, content: BaseModel) -> None:
    replace(path, content.model_dump_json(indent=1).encode(), path.with_name(f".{path.name}.{os.getpid()}"))
