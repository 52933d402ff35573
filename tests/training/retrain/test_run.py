"""A retraining from its request to its end: refused, challenger or champion, cancelled and gone on with."""

import json
import shutil
from collections.abc import Callable
from datetime import datetime

import pytest

from models.card import read_card
from models.errors import DataError, RetrainingRunning, RunError
from models.judged import gate_of, judged_models
from models.retrainings import GATE_PAGE, INTAKE_PAGE, Retraining, Stage
from tests.training.retrain.worlds import OPEN, SHUT
from training.golden import Golden
from training.kept import kept
from training.retrain import candidates, progress, retrain
from training.retrain import run as run_module
from training.retrain.progress import RetrainingCancelled
from training.sources import load

FIRST = 1
"""The number of the champion that every world begins with."""
STAGES = ("intake", "training", "gate", "publish", "promote")


def when(stage: Stage, act: Callable[[Retraining], None], doing: str | None = None) -> Callable[[Retraining], None]:
    """A watcher that acts once, as soon as it hears of the stage."""
    done = []

    def watch(state: Retraining) -> None:
        if state.stage == stage and doing in (None, state.doing) and not done:
            done.append(state)
            act(state)

    return watch


def test_from_a_batch_to_the_champion(world):
    heard: list[Retraining] = []
    ended = world.run(world.asked(), heard.append)
    assert ended == world.newest()
    assert (ended.state, ended.stage, ended.version, ended.champion) == ("promoted", "done", 2, FIRST)
    assert (ended.candidate, ended.new_images, ended.replayed_images, ended.golden_images) == ("fine-tuned", 45, 72, 27)
    assert ended.finished_at is not None
    assert ended.text.startswith("Version 2 is the champion. ")
    assert ended.reasons
    assert all(reason in ended.text for reason in ended.reasons)
    assert world.champion()[0] == 2
    assert [stage for stage in dict.fromkeys(state.stage for state in heard) if stage != "done"] == list(STAGES)
    assert {"suspecting labels", "fine-tuning", "grading"} <= {state.doing for state in heard}
    version = world.places.repository.get(2)
    assert version.note == f"retraining {ended.id}: fine-tuned"
    assert {data.sha256 for data in read_card(version.path).data} == {b.data.sha256 for b in kept(world.places.kept_batches)}
    assert version.checkpoint.is_file()  # the next one goes on from it
    folder = world.places.retrainings.folder(ended.id)
    assert (folder / INTAKE_PAGE).is_file()
    assert (folder / GATE_PAGE).is_file()
    verdict = json.loads((folder / "gate" / "verdict.json").read_text())
    assert verdict["recent"]["images"] == 9
    assert verdict["passed"]
    gate = gate_of(world.places.retrainings, ended)
    assert judged_models(world.places.retrainings) == {version.sha256: (ended.id, gate.verdict)}
    assert (gate.passed, gate.images, gate.champion_version, gate.recent.images) == (True, 27, FIRST, 9)
    assert gate.judged_at == datetime.fromisoformat(verdict["judged_at"])
    assert ended.started_at < verdict["judged_at"] < ended.finished_at
    assert sum(map(sum, gate.candidate.confusion)) == sum(map(sum, gate.champion.confusion)) == 27
    assert {grade: one.support for grade, one in gate.candidate.per_grade.items()} == load(world.source("judged")).counts()
    with pytest.raises(RunError, match=rf"{ended.id} has ended: Version 2 is the champion"):
        world.run(ended.id)
    with pytest.raises(DataError, match="nothing new"):  # the champion knows them
        world.run(world.asked(data=()))


def test_without_promote_it_waits_as_the_challenger(world):
    before = world.champion()
    ended = world.run(world.asked(promote=False))
    assert (ended.state, ended.version) == ("published", 2)
    assert "Published as version 2, the challenger" in ended.text
    assert world.champion() == before
    assert world.places.repository.aliases().challenger == 2


def test_refused_nothing_is_published_and_the_batch_is_learned_next_time(world):
    before = world.champion()
    refused = world.run(world.asked(bounds=SHUT))
    assert (refused.state, refused.stage, refused.version) == ("refused", "done", None)
    assert any("the floor is 100" in reason for reason in refused.reasons)
    assert refused.text.startswith("The gate did not let the new model through. ")
    assert world.champion() == before
    assert len(world.places.repository.versions()) == 1
    ended = world.run(world.asked())  # the same source: not taken for a copy of itself
    assert (ended.state, ended.new_images) == ("promoted", 45)


def test_a_champion_that_changed_meanwhile_is_not_replaced(world):
    ended = world.run(world.asked(), when("publish", lambda _: world.promote_another()))
    other = world.places.repository.aliases().champion
    assert other not in (FIRST, ended.version)
    assert (ended.state, world.places.repository.aliases().challenger) == ("published", ended.version)
    assert f"not promoted: version {other} became champion meanwhile" in ended.text


def test_a_model_that_was_rolled_back_does_not_come_back_by_itself(world):
    assert world.run(world.asked()).state == "promoted"
    repository = world.places.repository
    repository.rollback()
    ended = world.run(world.asked())  # the same photographs, the same champion: the same weights
    assert (ended.state, ended.version, world.champion()[0]) == ("refused", None, FIRST)
    assert "Version 2, of the same weights, was rolled back" in ended.text
    assert len(repository.versions()) == 2
    repository.promote(2)
    assert repository.aliases().withdrawn == []


def test_what_operators_corrected_may_refuse_and_proves_no_gain(world):
    created, turn = world.places.retrainings.begin(world.asked(data=("records:",)))
    with turn:
        ended = retrain(world.places, created.id, [world.source("new")])
    assert ended.state in ("promoted", "refused")
    verdict = json.loads((world.places.retrainings.folder(ended.id) / "gate" / "verdict.json").read_text())
    assert verdict["recent"] is None
    assert verdict["corrections"]["images"] == 9


def test_resumed_it_is_judged_against_the_champion_of_now(world):
    with pytest.raises(RetrainingCancelled):
        world.run(world.asked(), when("publish", lambda state: world.places.retrainings.cancel(state.id)))
    other = world.promote_another()
    ended = world.run(world.newest().id)
    assert (ended.state, ended.champion) == ("promoted", other)
    verdict = json.loads((world.places.retrainings.folder(ended.id) / "gate" / "verdict.json").read_text())
    assert verdict["champion"]["name"] == f"cucumber {other}"
    assert world.places.repository.rollback().number == other


def test_the_first_model(world, monkeypatch):
    shutil.rmtree(world.places.models)
    settings = candidates.default_config
    monkeypatch.setattr(candidates, "default_config", lambda *given, **more: settings(*given, **{"epochs": 1, **more}))
    ended = world.run(world.asked(require="better"))
    assert (ended.state, ended.version, ended.champion, ended.candidate) == ("promoted", 1, None, "from scratch")
    assert "There is no champion" in ended.text
    assert world.champion()[0] == 1


def test_without_a_golden_set_nothing_begins(world):
    shutil.rmtree(world.places.golden)
    with pytest.raises(DataError, match=r"no golden set to judge.*senka golden.*--to-golden"):
        world.run(world.asked())
    assert world.newest().state == "failed"
    assert len(kept(world.places.kept_batches)) == 1
    # and with one of its own the same request can be gone on with
    Golden(world.places.golden).add(load(world.source("judged")))
    assert world.run(world.newest().id).state == "promoted"


def test_another_golden_set_judges_and_does_not_grow(world):
    with pytest.raises(DataError, match="does not go with --golden"):
        world.run(world.asked(golden=world.source("judged"), to_golden=0.2))
    shutil.rmtree(world.places.golden)
    ended = world.run(world.asked(golden=world.source("judged")))
    assert (ended.state, ended.golden_images) == ("promoted", 27)
    assert not world.places.golden.exists()


def test_what_failed_says_why_and_can_be_gone_on_with(world, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(run_module, "run_gate", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            world.run(world.asked())
    failed = world.newest()
    assert (failed.state, failed.stage, failed.text) == ("failed", "gate", "ZeroDivisionError: division by zero")
    assert world.champion()[0] == FIRST
    ended = world.run(failed.id)
    assert (ended.state, ended.version) == ("promoted", 2)


def test_a_source_that_is_not_there_fails_and_says_so(world):
    with pytest.raises(DataError, match="does not exist"):
        world.run(world.asked(data=("nowhere",)))
    assert (world.newest().state, world.newest().stage) == ("failed", "intake")


@pytest.mark.parametrize("stage", STAGES)
def test_cancelled_in_each_stage_it_stops_and_goes_on(world, stage):
    before = world.champion()
    with pytest.raises(RetrainingCancelled, match="--resume"):
        world.run(world.asked(), when(stage, lambda state: world.places.retrainings.cancel(state.id)))
    stopped = world.newest()
    assert (stopped.state, stopped.stage) == ("cancelled", stage)
    assert "--resume" in stopped.text
    assert world.champion() == before
    assert len(world.places.repository.versions()) == 1 + (stage == "promote")
    ended = world.run(stopped.id)
    assert (ended.state, ended.version, ended.new_images) == ("promoted", 2, 45)
    assert len(world.places.repository.versions()) == 2


@pytest.mark.parametrize(("stage", "doing"), [("intake", "suspecting labels"), ("training", "fine-tuning"), ("gate", "grading")])
def test_cancelled_while_it_works_it_stops_at_the_next_step(world, monkeypatch, stage, doing):
    monkeypatch.setattr(progress, "WRITTEN_EVERY_S", 0.0)
    heard: list[Retraining] = []

    def watch(state: Retraining) -> None:
        heard.append(state)
        if (state.stage, state.doing, state.done > 0) == (stage, doing, True):
            world.places.retrainings.cancel(state.id)

    with pytest.raises(RetrainingCancelled):
        world.run(world.asked(epochs=6), watch)
    assert heard[-2].done < heard[-2].of  # the last one says that it was cancelled
    assert heard[-2].doing == doing


def test_interrupted_from_the_keyboard_it_is_cancelled(world):
    def interrupt(_: Retraining) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        world.run(world.asked(), when("training", interrupt))
    assert world.newest().state == "cancelled"


def test_cancelled_before_it_began_it_does_not_begin(world):
    created, turn = world.places.retrainings.begin(world.asked())
    world.places.retrainings.cancel(created.id)
    with turn, pytest.raises(RetrainingCancelled):
        retrain(world.places, created.id)
    assert len(kept(world.places.kept_batches)) == 1


def test_state_is_written_twice_a_second_and_told_each_time(world, monkeypatch):
    now, told = [100.0], []
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    state = world.places.retrainings.create(world.asked())
    reporter = progress.Reporter(world.places.retrainings, state, lambda found: told.append(found.done))

    def on_disk() -> int:
        return world.places.retrainings._read(state.id, state.id).done

    for done, at, written in ((1, 100.0, 1), (2, 100.3, 1), (3, 100.6, 3), (4, 100.7, 3)):
        now[0] = at
        reporter.tell("counting", done, 9)
        assert on_disk() == written
    assert told == [1, 2, 3, 4]
    reporter.tell("something else")
    assert (on_disk(), reporter.state.doing) == (0, "something else")


def test_two_at_once_are_one_too_many(world):
    refused: list[RetrainingRunning] = []

    def second(state: Retraining) -> None:
        with pytest.raises(RetrainingRunning, match=state.id) as found:
            world.places.retrainings.begin(world.asked())
        refused.append(found.value)

    assert world.run(world.asked(), when("training", second)).state == "promoted"
    assert len(refused) == 1
    assert len(world.places.retrainings.listed()) == 1
    assert OPEN.keys() == world.places.retrainings.request(world.newest().id).bounds.keys()
