"""Retrainings on disk: how each stands, which one runs, and who may run."""

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from models import retrainings as module
from models.errors import RepositoryUnreadable, RetrainingNotFound, RetrainingRunning
from models.retrainings import MATERIAL_FILE, REQUEST_FILE, STATE_FILE, Retrainings, RetrainRequest, Turn
from tests.forking import Start, start  # noqa: F401 - a fixture

ASKED = RetrainRequest(data=("somewhere",), bounds={"min_accuracy": "0.7"}, by="sato")


@pytest.fixture
def known(tmp_path: Path) -> Retrainings:
    return Retrainings(tmp_path / "retrainings")


def hold(root: str, ready: str) -> None:
    """Begin one and never end."""
    begun, _turn = Retrainings(Path(root)).begin(ASKED)
    Path(ready).write_text(begun.id)
    time.sleep(120)


def wait_for(condition: Callable[[], object], within_s: float = 30.0) -> None:
    end = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


def test_nothing_is_there_before_the_first(known):
    assert known.listed() == []
    assert known.running() is None
    assert not known.root.exists()
    with pytest.raises(RetrainingNotFound, match="There is no retraining"):
        known.get("20260101T000000Z-abcdef")


def test_what_was_asked_and_how_it_stands(known):
    begun, turn = known.begin(ASKED)
    with turn:
        assert known.get(begun.id) == begun
        assert (begun.state, begun.stage) == ("running", "waiting")
        assert known.request(begun.id) == ASKED
        assert not known.has_taken_in(begun.id)
        (known.folder(begun.id) / MATERIAL_FILE).write_text("{}")
        assert known.has_taken_in(begun.id)
    assert known.get(begun.id).state == "interrupted"  # nobody runs it
    known.write(begun.model_copy(update={"state": "refused"}))
    assert known.get(begun.id).state == "refused"


@pytest.mark.parametrize("name", ["..", "", "20260101T000000Z-abcdeg", "20260101T000000Z-abcdef/..", "request.json"])
def test_a_name_is_an_id_and_no_path(known, name):
    known.create(ASKED)
    with pytest.raises(RetrainingNotFound):
        known.folder(name)


def test_they_are_listed_newest_first_in_pages(known):
    ids = [f"2026010{day}T000000Z-abcdef" for day in range(1, 6)]
    for one in ids:
        known.create(ASKED, one)
    assert [one.id for one in known.listed()] == ids[::-1]
    assert [one.id for one in known.listed(limit=2)] == ids[:2:-1]
    assert [one.id for one in known.listed(limit=2, before=ids[3])] == [ids[2], ids[1]]


def test_half_made_ones_are_none(known):
    made = known.create(ASKED)
    (known.folder(made.id) / REQUEST_FILE).unlink()
    (known.root / "notes").mkdir()
    assert known.listed() == []
    with pytest.raises(RetrainingNotFound):
        known.get(made.id)


def test_a_damaged_state_names_its_file_and_the_way_out(known):
    made = known.create(ASKED)
    (known.folder(made.id) / STATE_FILE).write_text('{"id": 1')
    with pytest.raises(RepositoryUnreadable, match=rf"{STATE_FILE}.*delete "):
        known.get(made.id)


def test_what_cannot_be_made_leaves_nothing_and_no_turn(known, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(module, "_write", full)
        with pytest.raises(OSError, match="No space left"):
            known.begin(ASKED)
    assert [path.name for path in known.root.iterdir()] == [".lock"]
    known.begin(ASKED)[1].release()


def test_two_at_once_are_one_too_many(known):
    first, turn = known.begin(ASKED)
    with turn:
        assert known.running() == first.id
        for take in (lambda: known.begin(ASKED), lambda: known.take_turn(first.id)):
            with pytest.raises(RetrainingRunning, match=first.id):
                take()
        assert [one.id for one in known.listed()] == [first.id]
    assert known.running() is None
    second, turn = known.begin(ASKED)
    with turn:
        assert known.running() == second.id


def test_who_only_asks_takes_nobodys_turn(known):
    known.take_turn("x").release()
    stop = threading.Event()
    asking = [threading.Thread(target=lambda: [known.running() for _ in iter(stop.is_set, True)]) for _ in range(2)]
    for thread in asking:
        thread.start()
    try:
        for _ in range(20):
            with known.begin(ASKED)[1]:
                pass
    finally:
        stop.set()
        for thread in asking:
            thread.join()


def test_a_turn_that_is_handed_on_stays_taken(known):
    begun, turn = known.begin(ASKED)
    handed = Turn(os.dup(turn.fd))
    turn.release()
    assert known.running() == begun.id
    handed.release()
    assert known.get(begun.id).state == "interrupted"


def test_another_process_has_the_turn_until_it_is_killed(known, tmp_path, start: Start):  # noqa: F811
    child = start(hold, str(known.root), str(tmp_path / "ready"))
    wait_for(lambda: (tmp_path / "ready").exists() and (tmp_path / "ready").read_text())
    theirs = (tmp_path / "ready").read_text()
    assert known.running() == theirs
    assert known.get(theirs).state == "running"
    with pytest.raises(RetrainingRunning, match=theirs):
        known.begin(ASKED)
    assert [one.id for one in known.listed()] == [theirs]
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    assert known.running() is None
    assert known.get(theirs).state == "interrupted"
    known.take_turn(theirs).release()


def test_cancelling_is_a_word_that_is_forgotten(known):
    made = known.create(ASKED)
    assert not known.is_cancelled(made.id)
    known.cancel(made.id)
    known.cancel(made.id)
    assert known.is_cancelled(made.id)
    known.forget_cancelling(made.id)
    known.forget_cancelling(made.id)
    assert not known.is_cancelled(made.id)
    with pytest.raises(RetrainingNotFound):
        known.cancel("20260101T000000Z-abcdef")


@pytest.mark.parametrize("wrong", [{"to_golden": 0.6}, {"epochs": 0}, {"seed": -1}, {"nice": 20}, {"scratch": "no"}, {"luck": 1}])
def test_a_request_refuses_what_it_does_not_know(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        RetrainRequest.model_validate(wrong)
