"""Published models on disk, in Triton's layout: `<root>/<name>/<version>/model.onnx`, versions counted from 1.

Beside each model stands `version.json` (sha256, when, why) and, where it was published too, `checkpoint.pt`, the weights that a
training goes on from; beside the versions `aliases.json` says which is the champion
(it grades) and which the challenger. A version is written aside and renamed into place, an alias file is replaced in one
step, and every writer holds a lock file: processes may publish, promote and read at once, and a crash leaves the old state.
What a killed writer leaves aside is swept by the next publish.
"""

import re
import shutil
import uuid
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from models.card import ModelCard, card_of
from models.durable import locked, read_json, replace, sync_folder, write_durably
from models.errors import (
    CheckpointMismatch,
    CheckpointMissing,
    ModelCorrupt,
    ModelFileMissing,
    ModelNotFound,
    RepositoryUnreadable,
)
from models.graph import open_session
from models.versions import CHECKPOINT_FILE, Aliases, Exchange, Facts, Version, promoted

__all__ = ["CHALLENGER", "CHAMPION", "CHECKPOINT_FILE", "MODEL_FILE", "Aliases", "Exchange", "ModelRepository", "Version"]

CHAMPION: Final = "champion"
CHALLENGER: Final = "challenger"
MODEL_FILE: Final = "model.onnx"
_FACTS_FILE: Final = "version.json"
_ALIASES_FILE: Final = "aliases.json"
_ISSUED_FILE: Final = ".issued"
"""The highest number ever given to a version: records name them, so a deleted version's number never comes again."""
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,8}")


class ModelRepository:
    """The versions of one named model under `root`. Nothing is created before the first publish."""

    def __init__(self, root: Path, name: str = "cucumber") -> None:
        self.root = root
        self.name = name
        self.folder = root / name

    def versions(self) -> list[Version]:
        """Every published version, oldest first. Raises RepositoryUnreadable."""
        return [self._version(number) for number in self._numbers()]

    def aliases(self) -> Aliases:
        """Raises RepositoryUnreadable."""
        try:
            return read_json(self.folder / _ALIASES_FILE, Aliases, "delete it and promote a version")
        except FileNotFoundError:
            return Aliases()

    def get(self, wanted: str | int) -> Version:
        """A version by number or alias. Raises ModelNotFound with the valid ones, RepositoryUnreadable."""
        aliases = self.aliases()
        numbers = self._numbers()
        valid = {str(number): number for number in numbers}
        valid |= {alias: number for alias in (CHAMPION, CHALLENGER) if (number := getattr(aliases, alias)) in numbers}
        if (found := valid.get(str(wanted))) is None:
            raise ModelNotFound(self.name, f"version {wanted}" if str(wanted).isdigit() else str(wanted), list(valid))
        return self._version(found)

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
            raise ModelNotFound(self.name, f"file {version.path}", [str(number) for number in self._numbers()]) from error
        found = sha256(data).hexdigest()
        if found != version.sha256:
            raise ModelCorrupt(str(version.path), version.sha256, found)
        return data

    def load_checkpoint(self, version: Version) -> bytes:
        """The weights behind a version, checked against its card. Raises CheckpointMissing, CheckpointMismatch, ModelCorrupt."""
        card = card_of(open_session(self.load(version)))
        try:
            return _checkpoint(version.checkpoint, card)
        except FileNotFoundError as error:
            raise CheckpointMissing(version.name, version.number) from error

    def publish(self, model: Path, note: str = "", promote: bool = False, checkpoint: Path | None = None) -> Version:
        """Copy an ONNX file in as the next version and make it the challenger, or the champion with `promote`.

        With `checkpoint`, the file of weights it was exported from is kept beside it, so that trainings can go on from it. The
        same bytes twice are one version; a checkpoint is added to it. Raises InvalidCard or GradeSetMismatch for a model that
        could not serve, CheckpointMismatch for the weights of another model.
        """
        if not model.is_file():
            raise ModelFileMissing(str(model))
        data = model.read_bytes()
        card = card_of(open_session(data))
        card.require_grades()
        weights = _checkpoint(checkpoint, card) if checkpoint else None
        with self._lock():
            self._sweep()
            version = self._keep(data, note, weights)
            aliases = self.aliases()
            if promote:
                self._write_aliases(promoted(aliases, version.number))
            elif aliases.champion != version.number:
                self._write_aliases(aliases.model_copy(update={"challenger": version.number}))
        return version

    def promote(self, wanted: str | int) -> Version:
        """Make a version the champion. Raises ModelNotFound; ModelCorrupt rather than promote bytes that changed."""
        return self.exchange(wanted).now

    def rollback(self) -> Version:
        """Make the champion before this one the champion again. Raises ModelNotFound when there was none, ModelCorrupt."""
        return self.exchange(None).now

    def promote_after(self, wanted: int, judged_against: int | None) -> bool:
        """`promote`, unless another than `judged_against`, the champion that it was compared with, grades by now; whether it was
        done. Raises as `promote`."""
        with self._lock():
            if self.aliases().champion not in (judged_against, wanted):
                return False
            self._exchange(self.get(wanted), back=False)
        return True

    def exchange(self, wanted: str | int | None) -> Exchange:
        """`promote`, or `rollback` with None, as one step that also says who was the champion before. Raises as they do."""
        find = self._previous if wanted is None else lambda: self.get(wanted)
        find()  # before the lock, which makes the folder
        with self._lock():
            return self._exchange(find(), back=wanted is None)

    def undo(self, before: int, now: int) -> Exchange | None:
        """Roll back from version `now` to `before`, if that is the last exchange there was; None where it is not.

        However many ask at once, one of them does it. Raises ModelCorrupt, ModelNotFound, RepositoryUnreadable.
        """
        with self._lock():
            aliases = self.aliases()
            if aliases.champion != now or aliases.history[-1:] != [before]:
                return None
            return self._exchange(self._previous(), back=True)

    def _exchange(self, version: Version, back: bool) -> Exchange:
        """Under the lock."""
        self.load(version)
        aliases = self.aliases()
        changed = promoted(aliases, version.number)
        if back:
            withdrawn = [*changed.withdrawn, aliases.champion] if aliases.champion is not None else changed.withdrawn
            changed = changed.model_copy(update={"history": aliases.history[:-1], "withdrawn": withdrawn})
        self._write_aliases(changed)
        return Exchange(aliases.champion, version)

    def _previous(self) -> Version:
        history = self.aliases().history
        if not history:
            raise ModelNotFound(self.name, "earlier champion to roll back to", [str(number) for number in self._numbers()])
        return self.get(history[-1])

    def _numbers(self) -> list[int]:
        return [number for number in self._taken() if (self.folder / str(number) / _FACTS_FILE).is_file()]

    def _taken(self) -> list[int]:
        """Numbers of all version folders, in order, also of those that a crash or a hand left without their facts."""
        return sorted(int(p.name) for p in self.folder.glob("[1-9]*") if _NUMBER.fullmatch(p.name))

    def _version(self, number: int) -> Version:
        folder = self.folder / str(number)
        try:
            facts = read_json(folder / _FACTS_FILE, Facts, f"delete the folder {number} and publish the model again")
        except FileNotFoundError as error:  # deleted since it was listed
            raise ModelNotFound(self.name, f"version {number}", [str(other) for other in self._numbers()]) from error
        return Version(self.name, number, folder / MODEL_FILE, facts.sha256, facts.published_at, facts.note)

    def _keep(self, data: bytes, note: str, weights: bytes | None) -> Version:
        """The version of these bytes: the one published before, made whole if its file was damaged since, or a new one."""
        digest = sha256(data).hexdigest()
        for number in self._numbers():
            try:
                version = self._version(number)
            except RepositoryUnreadable:  # a damaged version is no reason to refuse another one
                continue
            if version.sha256 == digest:
                try:
                    self.load(version)
                except (ModelCorrupt, ModelNotFound):
                    replace(version.path, data, self._aside())
                if weights is not None:
                    replace(version.checkpoint, weights, self._aside())
                return version
        now = datetime.now(UTC).isoformat(timespec="seconds")
        return self._write_version(data, Facts(sha256=digest, published_at=now, note=note), weights)

    def _write_version(self, data: bytes, facts: Facts, weights: bytes | None) -> Version:
        aliases = self.aliases()
        named = [*self._taken(), *aliases.history, aliases.champion or 0, aliases.challenger or 0, self._issued()]
        number = max(named) + 1
        aside = self._aside()
        aside.mkdir()
        try:
            write_durably(aside / MODEL_FILE, data)
            if weights is not None:
                write_durably(aside / CHECKPOINT_FILE, weights)
            write_durably(aside / _FACTS_FILE, facts.model_dump_json(indent=1).encode())
            sync_folder(aside)
            aside.rename(self.folder / str(number))
        except BaseException:
            shutil.rmtree(aside, ignore_errors=True)
            raise
        sync_folder(self.folder)
        replace(self.folder / _ISSUED_FILE, str(number).encode(), self._aside())
        return self._version(number)

    def _issued(self) -> int:
        try:
            return int((self.folder / _ISSUED_FILE).read_bytes())
        except (FileNotFoundError, ValueError):  # the folders that are there then say it
            return 0

    def _write_aliases(self, aliases: Aliases) -> None:
        replace(self.folder / _ALIASES_FILE, aliases.model_dump_json(indent=1).encode(), self._aside())

    def _aside(self) -> Path:
        return self.folder / f".incoming-{uuid.uuid4().hex}"

    def _sweep(self) -> None:
        """Remove what killed writers left; call it under the lock, so that nobody is writing."""
        for left in self.folder.glob(".incoming-*"):
            shutil.rmtree(left) if left.is_dir() else left.unlink()

    def _lock(self) -> AbstractContextManager[None]:
        self.folder.mkdir(parents=True, exist_ok=True)
        return locked(self.folder / ".lock")


def _checkpoint(path: Path, card: ModelCard) -> bytes:
    """The bytes of a checkpoint that `card` names. Raises CheckpointMismatch for those of another model."""
    weights = path.read_bytes()
    if (found := sha256(weights).hexdigest()) != card.checkpoint_sha256:
        raise CheckpointMismatch(str(path), card.checkpoint_sha256, found)
    return weights
