"""Published models on disk, in Triton's layout: `<root>/<name>/<version>/model.onnx`, versions counted from 1.

Beside each model stands `version.json` (sha256, when, why); beside the versions `aliases.json` says which is the champion
(it grades) and which the challenger. A version is written aside and renamed into place, an alias file is replaced in one
step, and every writer holds a lock file: processes may publish, promote and read at once, and a crash leaves the old state.
"""

import fcntl
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict

from models.card import card_of, open_session
from models.errors import ModelCorrupt, ModelNotFound

CHAMPION: Final = "champion"
CHALLENGER: Final = "challenger"
MODEL_FILE: Final = "model.onnx"
_FACTS_FILE: Final = "version.json"
_ALIASES_FILE: Final = "aliases.json"


class Aliases(BaseModel):
    """Who grades, who waits, and who graded before (oldest first)."""

    model_config = ConfigDict(extra="forbid")

    champion: int | None = None
    challenger: int | None = None
    history: list[int] = []


@dataclass(frozen=True, slots=True)
class Version:
    """One published model."""

    name: str
    number: int
    path: Path
    sha256: str
    published_at: str
    """RFC 3339, UTC."""
    note: str = ""


class ModelRepository:
    """The versions of one named model under `root`. Nothing is created before the first publish."""

    def __init__(self, root: Path, name: str = "cucumber") -> None:
        self.root = root
        self.name = name
        self.folder = root / name

    def versions(self) -> list[Version]:
        """Every published version, oldest first."""
        numbers = sorted(int(p.name) for p in self.folder.glob("[0-9]*") if p.name.isdigit() and (p / _FACTS_FILE).is_file())
        return [self._version(number) for number in numbers]

    def aliases(self) -> Aliases:
        try:
            return Aliases.model_validate_json((self.folder / _ALIASES_FILE).read_bytes())
        except FileNotFoundError:
            return Aliases()

    def get(self, wanted: str | int) -> Version:
        """A version by number or alias. Raises ModelNotFound with the valid ones."""
        aliases = self.aliases()
        number = {CHAMPION: aliases.champion, CHALLENGER: aliases.challenger}.get(str(wanted))
        if number is None and str(wanted).isdigit():
            number = int(wanted)
        if number is None or not (self.folder / str(number) / _FACTS_FILE).is_file():
            valid = [str(v.number) for v in self.versions()]
            valid += [alias for alias in (CHAMPION, CHALLENGER) if getattr(aliases, alias) is not None]
            raise ModelNotFound(self.name, f"version {wanted}" if str(wanted).isdigit() else str(wanted), valid)
        return self._version(number)

    def describe(self) -> dict[str, Any]:
        """Versions, oldest first, with their aliases: what `senka models list --json` and `GET /v1/models` answer."""
        aliases = self.aliases()
        return {
            "name": self.name,
            "champion": aliases.champion,
            "challenger": aliases.challenger,
            "versions": [
                {
                    "version": v.number,
                    "sha256": v.sha256,
                    "published_at": v.published_at,
                    "note": v.note,
                    "aliases": [alias for alias in (CHAMPION, CHALLENGER) if getattr(aliases, alias) == v.number],
                }
                for v in self.versions()
            ],
        }

    def load(self, version: Version) -> bytes:
        """The bytes of a version, after checking that they are the ones published. Raises ModelCorrupt, ModelNotFound."""
        try:
            data = version.path.read_bytes()
        except FileNotFoundError as error:
            raise ModelNotFound(self.name, f"file {version.path}", [str(v.number) for v in self.versions()]) from error
        found = sha256(data).hexdigest()
        if found != version.sha256:
            raise ModelCorrupt(str(version.path), version.sha256, found)
        return data

    def publish(self, model: Path, note: str = "", promote: bool = False) -> Version:
        """Copy an ONNX file in as the next version and make it the challenger, or the champion with `promote`.

        The same bytes twice are one version. Raises InvalidCard or GradeSetMismatch for a model that could not serve.
        """
        if not model.is_file():
            raise ModelNotFound(self.name, f"file {model}", [])
        data = model.read_bytes()
        card_of(open_session(data)).require_grades()
        digest = sha256(data).hexdigest()
        with self._lock():
            version = next((v for v in self.versions() if v.sha256 == digest), None) or self._write_version(data, digest, note)
            aliases = self.aliases()
            if promote:
                self._write_aliases(_promoted(aliases, version.number))
            elif aliases.champion != version.number:
                self._write_aliases(aliases.model_copy(update={"challenger": version.number}))
        return version

    def promote(self, wanted: str | int) -> Version:
        """Make a version the champion. Raises ModelNotFound; ModelCorrupt rather than promote bytes that changed."""
        with self._lock():
            version = self.get(wanted)
            self.load(version)
            self._write_aliases(_promoted(self.aliases(), version.number))
        return version

    def rollback(self) -> Version:
        """Make the champion before this one the champion again. Raises ModelNotFound when there was none."""
        with self._lock():
            aliases = self.aliases()
            if not aliases.history:
                raise ModelNotFound(self.name, "earlier champion to roll back to", [str(v.number) for v in self.versions()])
            version = self.get(aliases.history[-1])
            self.load(version)
            self._write_aliases(aliases.model_copy(update={"champion": version.number, "history": aliases.history[:-1]}))
        return version

    def _version(self, number: int) -> Version:
        folder = self.folder / str(number)
        facts = json.loads((folder / _FACTS_FILE).read_bytes())
        return Version(self.name, number, folder / MODEL_FILE, facts["sha256"], facts["published_at"], facts["note"])

    def _write_version(self, data: bytes, digest: str, note: str) -> Version:
        # Numbers are never used again, even when the newest version was deleted by hand: records name them.
        taken = [int(p.name) for p in self.folder.glob("[0-9]*") if p.name.isdigit()]
        aliases = self.aliases()
        number = max([*taken, *aliases.history, aliases.champion or 0, aliases.challenger or 0], default=0) + 1
        aside = self.folder / f".incoming-{uuid.uuid4().hex}"
        aside.mkdir()
        try:
            _write_durably(aside / MODEL_FILE, data)
            facts = {"sha256": digest, "published_at": datetime.now(UTC).isoformat(timespec="seconds"), "note": note}
            _write_durably(aside / _FACTS_FILE, json.dumps(facts, indent=1).encode())
            aside.rename(self.folder / str(number))
        except BaseException:
            shutil.rmtree(aside, ignore_errors=True)
            raise
        _sync_folder(self.folder)
        return self._version(number)

    def _write_aliases(self, aliases: Aliases) -> None:
        aside = self.folder / f".aliases-{uuid.uuid4().hex}"
        _write_durably(aside, aliases.model_dump_json(indent=1).encode())
        aside.replace(self.folder / _ALIASES_FILE)
        _sync_folder(self.folder)

    @contextmanager
    def _lock(self) -> Iterator[None]:
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / ".lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _promoted(aliases: Aliases, number: int) -> Aliases:
    if aliases.champion == number:
        return aliases
    history = [*aliases.history, aliases.champion] if aliases.champion is not None else aliases.history
    challenger = None if aliases.challenger == number else aliases.challenger
    return Aliases(champion=number, challenger=challenger, history=history)


def _write_durably(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """A rename is durable once its folder is."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
