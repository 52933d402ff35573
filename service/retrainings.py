"""Retrainings that the service starts: `senka retrain` in a process of its own, which outlives the service.

The service writes down what was asked, takes the turn and hands it to the process by its file descriptor. From then on it only
reads what the process writes: a service that is started again shows the same.
"""

import logging
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Engine, select, text

from models.errors import SenkaError
from models.retrainings import LOG_FILE, Retraining, Retrainings, RetrainRequest, Turn
from service.errors import NotFound, RecordsUnavailable
from service.records.audit import note
from service.records.resources import Signature
from service.records.tables import batches
from service.records.transactions import reading, writing
from service.settings import Settings

log = logging.getLogger(__name__)

STARTED: Final = "retraining.started"
RESUMED: Final = "retraining.resumed"
CANCELLED: Final = "retraining.cancelled"
LOG_BYTES: Final = 64 * 1024
"""The end of the log that is shown."""
_NEEDED: Final = ("torch", "torchvision", "onnxscript", "scipy", "sklearn", "tensorboard")
"""All at once: what the export lacks would be found out after hours."""


class TrainingNotInstalled(SenkaError):
    code = "training_not_installed"

    def __init__(self, module: str) -> None:
        super().__init__(
            f"{module} is not installed here, and retraining needs it; in the checkout: pip install -e '.[train]'. Or run "
            "`senka retrain` on another machine and publish the model here.",
            module=module,
        )


class RetrainingNotStarted(SenkaError):
    """The machine refuses a file or a process."""

    code = "retraining_not_started"

    def __init__(self, reason: str) -> None:
        super().__init__(f"The retraining could not be started ({reason}). Mend that, and start it again.", reason=reason)


class RetrainingNotRunning(SenkaError):
    code = "retraining_not_running"

    def __init__(self, retraining: Retraining) -> None:
        super().__init__(
            f"Retraining {retraining.id} is {retraining.state}: there is nothing to cancel.",
            retraining=retraining.id,
            state=retraining.state,
        )


class RetrainingNotResumable(SenkaError):
    code = "retraining_not_resumable"

    def __init__(self, retraining: Retraining) -> None:
        super().__init__(
            f"Retraining {retraining.id} is {retraining.state}. One that was interrupted or cancelled or that failed can be "
            "resumed; otherwise start another one.",
            retraining=retraining.id,
            state=retraining.state,
        )


class BatchesNotFound(NotFound):
    def __init__(self, unknown: Sequence[str]) -> None:
        SenkaError.__init__(
            self, f"There is no batch {', '.join(unknown[:10])}. GET /v1/batches lists those on record.", unknown=list(unknown)
        )


def batch_sources(settings: Settings, engine: Engine, wanted: Sequence[str]) -> list[str]:
    """The folders of batches on record, each once. Blocks.

    Raises BatchesNotFound naming all that are unknown, RecordsUnavailable.
    """
    asked = select(batches.c.id, batches.c.report).where(batches.c.id.in_(wanted))
    with reading(engine) as connection:
        found = {row.id: row.report["source"] for row in connection.execute(asked)}
    unique = list(dict.fromkeys(wanted))
    if unknown := [one for one in unique if one not in found]:
        raise BatchesNotFound(unknown)
    return [str((settings.home / found[one]).absolute()) for one in unique]


def start(settings: Settings, engine: Engine | None, request: RetrainRequest, who: Signature) -> Retraining:
    """Start one and return it as it stands. Blocks: call it from a thread.

    Raises TrainingNotInstalled, RetrainingRunning, RetrainingNotStarted, and RecordsUnavailable while the database is away:
    nothing has started then.
    """
    _require_training()
    _require_records(engine)
    retrainings = settings.retrainings
    try:
        retraining, turn = retrainings.begin(request)
    except OSError as error:
        raise RetrainingNotStarted(error.strerror or str(error)) from error
    with turn:
        try:
            _run(settings, retrainings, retraining.id, turn)
        except RetrainingNotStarted:
            shutil.rmtree(retrainings.folder(retraining.id), ignore_errors=True)
            raise
    asked = {
        "data": shown(settings, request.data),
        **request.model_dump(mode="json", exclude={"data", "by"}, exclude_defaults=True),
    }
    _put_on_trail(engine, STARTED, retraining.id, asked, who)
    return retrainings.get(retraining.id)


def resume(settings: Settings, engine: Engine | None, retraining_id: str, who: Signature) -> Retraining:
    """Go on with one that was interrupted or cancelled or that failed. Blocks.

    Raises as `start`, RetrainingNotFound and RetrainingNotResumable.
    """
    retrainings = settings.retrainings
    before = _require_resumable(retrainings.get(retraining_id))
    _require_training()
    _require_records(engine)
    with retrainings.take_turn(retraining_id) as turn:
        # once more: another may have resumed it meanwhile, and it may have been published since
        found = retrainings.get(retraining_id)  # with the turn it says that it runs where it was interrupted
        _require_resumable(found, "running")
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        try:
            retrainings.forget_cancelling(retraining_id)
            # waiting, as a new one: who cancels it before the process has begun is heard there
            afresh = {"state": "running", "stage": "waiting", "doing": "", "done": 0, "of": 0, "text": "", "finished_at": None}
            retrainings.write(found.model_copy(update={**afresh, "updated_at": now}))
            _run(settings, retrainings, retraining_id, turn)
        except OSError as error:
            raise RetrainingNotStarted(error.strerror or str(error)) from error
        except RetrainingNotStarted:
            retrainings.write(found)
            raise
    _put_on_trail(engine, RESUMED, retraining_id, {"was": before.state}, who)
    return retrainings.get(retraining_id)


def cancel(settings: Settings, engine: Engine | None, retraining_id: str, who: Signature) -> Retraining:
    """Ask one that runs to stop; it does at its next step. Blocks. Raises RetrainingNotFound, RetrainingNotRunning, OSError.

    It is asked also while the database is away: whoever stops something does not want to wait.
    """
    retrainings = settings.retrainings
    found = retrainings.get(retraining_id)
    if found.state != "running":
        raise RetrainingNotRunning(found)
    if not retrainings.is_cancelled(retraining_id):
        retrainings.cancel(retraining_id)
        _put_on_trail(engine, CANCELLED, retraining_id, {}, who)
    return retrainings.get(retraining_id)


def log_end(folder: Path) -> str:
    """The last LOG_BYTES of what the process said, from the start of a line; nothing where it said nothing. Raises OSError."""
    try:
        with (folder / LOG_FILE).open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(size - LOG_BYTES, 0))
            data = file.read(LOG_BYTES)
    except FileNotFoundError:
        return ""
    if size > LOG_BYTES and b"\n" in data:
        data = data.partition(b"\n")[2]
    return data.decode(errors="replace")


def shown(settings: Settings, sources: Sequence[str]) -> tuple[str, ...]:
    """Sources for those who do not know this machine's folders: below SENKA_HOME, as `/v1/batches` names them."""
    home = f"{settings.home.absolute()}{os.sep}"
    return tuple(source.removeprefix(home) for source in sources)


def command(retraining_id: str, lock_fd: int) -> list[str]:
    """What the process runs; it has the turn by the file descriptor `lock_fd`."""
    return [sys.executable, "-m", "service.cli", "retrain", "--resume", retraining_id, "--lock-fd", str(lock_fd)]


def environment(settings: Settings) -> dict[str, str]:
    """The service's own, and its settings wherever they came from; its metrics are not the command's."""
    given = {f"SENKA_{name.upper()}": _written(getattr(settings, name)) for name in sorted(settings.model_fields_set)}
    return {name: value for name, value in os.environ.items() if name != "PROMETHEUS_MULTIPROC_DIR"} | given


def _written(value: Any) -> str:
    """As a variable of the environment says it."""
    return ",".join(value) if isinstance(value, tuple) else "" if value is None else str(value)


def _run(settings: Settings, retrainings: Retrainings, retraining_id: str, turn: Turn) -> None:
    """Start the process, which goes on without us. Raises RetrainingNotStarted."""
    try:
        with (retrainings.folder(retraining_id) / LOG_FILE).open("ab") as said:
            process = subprocess.Popen(  # noqa: S603 - the command is ours
                command(retraining_id, turn.fd),
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                pass_fds=(turn.fd,),
                start_new_session=True,  # what stops the service is not meant for it
                env=environment(settings),
            )
    except OSError as error:
        raise RetrainingNotStarted(error.strerror or str(error)) from error
    threading.Thread(target=_reap, args=(retraining_id, process), name=f"retraining {retraining_id}", daemon=True).start()


def _reap(retraining_id: str, process: subprocess.Popen[bytes]) -> None:
    """Wait for it: a process that nobody waits for stays in the system's table."""
    log.info("retraining %s: its process ended with %d", retraining_id, process.wait())


def _require_training() -> None:
    for module in _NEEDED:
        if find_spec(module) is None:
            raise TrainingNotInstalled(module)


def _require_records(engine: Engine | None) -> None:
    """Ask the database before anything begins, as the line in the audit trail is written when it has."""
    if engine is not None:
        with reading(engine) as connection:
            connection.execute(text("SELECT 1"))


def _require_resumable(retraining: Retraining, *also: str) -> Retraining:
    if retraining.state not in ("interrupted", "cancelled", "failed", *also):
        raise RetrainingNotResumable(retraining)
    return retraining


def _put_on_trail(engine: Engine | None, action: str, retraining_id: str, detail: dict[str, Any], who: Signature) -> None:
    """In the log and on the audit trail; where that fails, the log says so."""
    log.warning("%s: %s, by %s", action, retraining_id, who.by)
    if engine is None:
        return
    try:
        with writing(engine) as connection:
            note(connection, who.by, action, retraining_id, detail, who.address)
    except RecordsUnavailable as error:
        log.error("the line above could not be written to the audit trail: %s", error)
