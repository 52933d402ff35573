"""What the service does for a retraining beside the process that runs it, and the stand-in for that process."""

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from models.errors import RetrainingNotFound, RetrainingRunning
from models.retrainings import LOG_FILE, Retrainings, RetrainRequest
from service import retrainings
from service.records.resources import Signature
from service.retrainings import RetrainingNotStarted, TrainingNotInstalled
from service.settings import Settings

WHO: Final = Signature("sato", "127.0.0.1")
ASKED: Final = RetrainRequest(data=("somewhere",))
STAND_IN: Final = """
import os, sys, time
from pathlib import Path
from models.retrainings import GATE_PAGE, INTAKE_PAGE, Retrainings

known = Retrainings(Path(os.environ["SENKA_HOME"]) / "retrainings")
mine, lock = sys.argv[1], int(sys.argv[2])
folder = known.folder(mine)
assert os.path.samefile(f"/proc/self/fd/{lock}", known.root / ".lock")
assert os.getsid(0) == os.getpid()
assert sys.stdin.read() == ""
assert "PROMETHEUS_MULTIPROC_DIR" not in os.environ
print("begun", *known.request(mine).data, flush=True)
state = known.get(mine).model_copy(update={"stage": "training", "doing": "training"})
(folder / INTAKE_PAGE).write_text("<!doctype html><style>p{color:green}</style><p>intake</p>")
known.write(state)
(folder / "pid").write_text(str(os.getpid()))
while not (folder / "go").exists() and not known.is_cancelled(mine):
    time.sleep(0.01)
if known.is_cancelled(mine):
    known.write(state.model_copy(update={"state": "cancelled", "text": "cancelled"}))
else:
    (folder / GATE_PAGE).parent.mkdir()
    (folder / GATE_PAGE).write_text("<!doctype html><p>gate</p>")
    known.write(state.model_copy(update={"state": "published", "stage": "done", "version": 2}))
"""


@contextmanager
def stand_in(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Retrainings]:
    """A small program in place of `senka retrain`, which trains until there is a file `go`; none is left at the end."""
    monkeypatch.setattr(retrainings, "command", lambda wanted, fd: [sys.executable, "-c", STAND_IN, wanted, str(fd)])
    monkeypatch.setattr(retrainings, "find_spec", lambda _: True)
    known = Retrainings(home / "retrainings")
    try:
        yield known
    finally:
        for one in known.listed():
            (known.folder(one.id) / "go").touch()
        wait_for(lambda: known.running() is None and not reapers())


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def reapers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("retraining ")]


def wait_for(condition: Callable[[], object], within_s: float = 20.0) -> None:
    end = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


@pytest.fixture
def known(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Retrainings]:
    with stand_in(home, monkeypatch) as found:
        yield found


def test_the_process_has_the_turn_and_the_service_has_let_go_of_it(
    home: Path, known: Retrainings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "somewhere")
    files = open_files()
    started = retrainings.start(Settings(home=home), None, ASKED, WHO)
    assert started.state == "running"
    assert open_files() == files
    with pytest.raises(RetrainingRunning, match=started.id):
        retrainings.start(Settings(home=home), None, ASKED, WHO)
    assert [one.id for one in known.listed()] == [started.id]  # the one that was refused left nothing
    wait_for((known.folder(started.id) / "pid").exists)
    pid = int((known.folder(started.id) / "pid").read_text())
    (known.folder(started.id) / "go").touch()
    wait_for(lambda: not Path(f"/proc/{pid}").exists())  # not even as a zombie
    assert known.get(started.id).state == "published"
    assert known.running() is None
    assert (known.folder(started.id) / LOG_FILE).read_text() == "begun somewhere\n"


def test_one_that_cannot_be_started_leaves_nothing_and_one_resumed_stays_as_it_was(
    home: Path, known: Retrainings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retrainings, "command", lambda *_: ["/nothing/there"])
    settings = Settings(home=home)
    with pytest.raises(RetrainingNotStarted, match="No such file"):
        retrainings.start(settings, None, ASKED, WHO)
    assert known.listed() == []
    failed = known.create(ASKED).model_copy(update={"state": "failed", "text": "no room"})
    known.write(failed)
    with pytest.raises(RetrainingNotStarted, match="No such file"):
        retrainings.resume(settings, None, failed.id, WHO)
    assert known.get(failed.id) == failed
    assert known.running() is None


def test_where_training_is_not_installed_the_way_out_is_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrainings, "find_spec", lambda name: None if name == "onnxscript" else True)
    with pytest.raises(TrainingNotInstalled, match=r"onnxscript is not installed.*pip install -e '\.\[train\]'"):
        retrainings.start(Settings(home=home), None, ASKED, WHO)
    assert not home.exists()


def test_the_command_is_given_the_services_settings(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "somewhere")
    monkeypatch.setenv("SENKA_MODEL_NAME", "overruled")
    chosen = Settings(
        home=home, model_name="aubergine", database_url="sqlite:///x.db", trusted_hosts=("a", "b"), image_store=None
    )
    found = retrainings.environment(chosen)
    assert found["SENKA_HOME"] == str(home)
    assert found["SENKA_TRUSTED_HOSTS"] == "a,b"
    assert found["PATH"] == os.environ["PATH"]
    assert "PROMETHEUS_MULTIPROC_DIR" not in found
    assert "SENKA_PORT" not in found
    for name in os.environ:
        monkeypatch.delenv(name)
    for name, value in found.items():
        monkeypatch.setenv(name, value)
    assert Settings.load() == chosen


def test_the_command_is_senka_retrain() -> None:
    assert retrainings.command("x", 7) == [
        sys.executable, "-m", "service.cli", "retrain", "--resume", "x", "--lock-fd", "7"
    ]  # fmt: skip


def test_the_end_of_a_long_log_begins_with_a_line(tmp_path: Path) -> None:
    assert retrainings.log_end(tmp_path) == ""
    (tmp_path / LOG_FILE).write_bytes(b"short \xff\n")
    assert retrainings.log_end(tmp_path) == "short \ufffd\n"
    (tmp_path / LOG_FILE).write_text("".join(f"line {number}\n" for number in range(20_000)))
    found = retrainings.log_end(tmp_path)
    assert found.startswith("line ")
    assert found.endswith("\nline 19999\n")
    assert retrainings.LOG_BYTES - 20 < len(found) <= retrainings.LOG_BYTES


def test_one_that_was_published_meanwhile_is_not_resumed(home: Path, known: Retrainings, monkeypatch: pytest.MonkeyPatch) -> None:
    done = known.create(ASKED).model_copy(update={"state": "interrupted"})
    known.write(done)
    take = Retrainings.take_turn

    def late(self: Retrainings, wanted: str) -> object:
        self.write(done.model_copy(update={"state": "published"}))
        return take(self, wanted)

    monkeypatch.setattr(Retrainings, "take_turn", late)
    with pytest.raises(retrainings.RetrainingNotResumable, match="is published"):
        retrainings.resume(Settings(home=home), None, done.id, WHO)
    assert known.running() is None


def test_those_on_disk_come_in_pages_and_what_is_deleted_is_gone(home: Path) -> None:
    known = Retrainings(home / "retrainings")
    ids = sorted((known.create(ASKED).id for _ in range(4)), reverse=True)
    assert [one.id for one in known.listed()] == ids
    assert [one.id for one in known.listed(2)] == ids[:2]
    assert [one.id for one in known.listed(2, before=ids[1])] == ids[2:]
    (known.root / ids[0] / "state.json").unlink()
    assert [one.id for one in known.listed()] == ids[1:]
    with pytest.raises(RetrainingNotFound):
        known.get(ids[0])


def test_a_word_of_cancelling_just_after_resuming_is_heard(home: Path, known: Retrainings) -> None:
    stopped = known.create(ASKED).model_copy(update={"state": "cancelled", "stage": "training", "text": "cancelled"})
    known.write(stopped)
    known.cancel(stopped.id)
    resumed = retrainings.resume(Settings(home=home), None, stopped.id, WHO)
    # its process forgets what was said before only where it had begun
    assert (resumed.state, resumed.stage, resumed.text, known.is_cancelled(stopped.id)) == ("running", "waiting", "", False)
    retrainings.cancel(Settings(home=home), None, stopped.id, WHO)
    wait_for(lambda: known.running() is None)
    assert known.get(stopped.id).state == "cancelled"
