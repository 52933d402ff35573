"""`senka retrain` as a user meets it: its options, what it prints and its exit code."""

import json
import os

import pytest

from models.retrainings import LOG_FILE, RetrainRequest
from tests.commands import ok, senka
from tests.service.cli.test_commands import trail
from tests.training.retrain.conftest import built, world  # noqa: F401 - fixtures
from tests.training.retrain.worlds import OPEN, World

EASY = ["--epochs", "1", "--scratch", "never", "--require", "not_worse", "--threads", "1", "--nice", "0"]
"""`--nice 0`: the tests themselves must not step back."""


def bounds(**changes: str) -> list[str]:
    return [word for name, value in {**OPEN, **changes}.items() for word in ("--set", f"{name}={value}")]


@pytest.mark.usefixtures("world")
class TestRetrain:
    def test_it_is_published_with_its_pages_and_promoted_when_asked(self, world: World) -> None:  # noqa: F811
        priority = os.getpriority(os.PRIO_PROCESS, 0)
        done = ok("retrain", "--data", world.source("new"), *EASY, *bounds())
        state = world.newest()
        folder = world.places.retrainings.folder(state.id)
        assert done.stdout.startswith("Published as version 2, the challenger. ")
        assert f"Pages: {folder}/intake.html, {folder}/gate/gate.html" in done.stdout
        assert f"senka: retraining {state.id}, in {folder}" in done.stderr
        assert world.places.repository.aliases().champion == 1
        assert os.getpriority(os.PRIO_PROCESS, 0) == priority
        done = ok("retrain", "--promote", *EASY, *bounds(), "--json")  # what the champion does not know yet
        ended = json.loads(done.stdout)
        assert (ended["state"], ended["version"]) == ("promoted", world.places.repository.aliases().champion)
        assert ended == json.loads(world.newest().model_dump_json())
        assert not (world.home / "senka.db").exists()  # there were no records, and none are made for it

    @pytest.mark.parametrize(("by", "actor"), [("", "cli"), ("sato", "sato")])
    def test_a_promotion_is_on_the_trail_of_whoever_asked_for_it(self, world: World, by: str, actor: str) -> None:  # noqa: F811
        ok("keys", "list")  # now there are records
        created = world.places.retrainings.create(world.asked(epochs=1, by=by))
        ended = json.loads(ok("retrain", "--resume", created.id, "--json").stdout)
        assert (ended["state"], ended["version"]) == ("promoted", 2)
        [line] = trail(world.home)
        assert line.action == "model.promoted"
        assert line.actor.partition(":")[0] == actor
        assert (line.detail["from"], line.detail["to"], line.detail["retraining"]) == (1, 2, created.id)
        assert line.detail["sha256"] == world.places.repository.get(2).sha256
        assert senka("retrain", "--resume", created.id).exit_code == 1  # it has ended
        assert len(trail(world.home)) == 1

    def test_killed_after_the_promotion_the_line_is_written_when_it_is_gone_on_with(self, world: World) -> None:  # noqa: F811
        ok("keys", "list")
        ended = world.run(world.asked(epochs=1))
        assert (ended.state, trail(world.home)) == ("promoted", [])
        world.places.retrainings.write(ended.model_copy(update={"state": "running", "stage": "promote", "finished_at": None}))
        ok("retrain", "--resume", ended.id)
        [line] = trail(world.home)
        assert (line.detail["from"], line.detail["to"], line.detail["retraining"]) == (1, 2, ended.id)

    def test_refused_it_exits_with_1_and_the_reasons(self, world: World) -> None:  # noqa: F811
        done = senka("retrain", "--data", world.source("new"), "--promote", *EASY, *bounds(min_accuracy="1"))
        assert done.exit_code == 1
        assert done.stdout.startswith("The gate did not let the new model through. ")
        assert "the floor is 100" in done.stdout
        assert world.places.repository.describe()["champion"] == 1
        assert len(world.places.repository.versions()) == 1

    def test_what_was_asked_is_on_record(self, world: World) -> None:  # noqa: F811
        done = senka(
            "retrain", "--data", "nowhere", "--replay", "old", "--to-golden", "0.1", "--promote", "--arch", "resnet34",
            "--scratch", "always", "--seed", "3", "--corrections", "weeks", "--set", "min_accuracy=0.7", "--nice", "0",
            "--threads", "1",
        )  # fmt: skip
        assert done.exit_code == 1
        assert "does not exist" in done.stderr
        request = world.places.retrainings.request(world.newest().id)
        assert request == RetrainRequest(
            data=("nowhere",), replay=("old",), to_golden=0.1, promote=True, arch="resnet34", scratch="always", seed=3,
            corrections=("weeks",), bounds={"min_accuracy": "0.7"}, nice=0, threads=1,
        )  # fmt: skip
        assert world.newest().state == "failed"

    def test_a_second_one_is_refused_by_the_first_ones_id(self, world: World) -> None:  # noqa: F811
        created, turn = world.places.retrainings.begin(RetrainRequest())
        with turn:
            for more in (["--data", world.source("new")], ["--resume", created.id]):
                done = senka("retrain", *more)
                assert done.exit_code == 1
                assert created.id in done.stderr
        assert [one.id for one in world.places.retrainings.listed()] == [created.id]

    def test_cancelled_and_gone_on_with(self, world: World) -> None:  # noqa: F811
        retrainings = world.places.retrainings
        created, turn = retrainings.begin(world.asked(epochs=1))
        done = ok("retrain", "--cancel", created.id)
        assert f"{created.id} stops at its next step" in done.stdout
        turn.release()
        stopped = senka("retrain", "--resume", created.id)
        assert stopped.exit_code == 1
        assert f"was cancelled. Go on with it: senka retrain --resume {created.id}" in stopped.stderr
        refused = senka("retrain", "--cancel", created.id)
        assert refused.exit_code == 1
        assert "is cancelled: there is nothing to cancel" in refused.stderr
        assert "Version 2 is the champion" in ok("retrain", "--resume", created.id).stdout
        ended = senka("retrain", "--resume", created.id)
        assert ended.exit_code == 1
        assert "has ended: Version 2 is the champion" in ended.stderr
        assert not (retrainings.folder(created.id) / LOG_FILE).exists()  # that is the service's

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (["--scratch", "perhaps"], "not auto, always or never"),
            (["--require", "best"], "not better or not_worse"),
            (["--arch", "lenot"], "no architecture 'lenot'"),
            (["--recipe", "worst"], "no recipe 'worst'"),
            (["--set", "max_luck=1"], "NAME=VALUE"),
            (["--set", "min_accuracy=7"], "less than or equal to 1"),
            (["--to-golden", "0.9"], "0.5"),
            (["--split", "half"], "not train, test or all"),
        ],
    )
    def test_wrong_usage_begins_nothing(self, world: World, arguments: list[str], words: str) -> None:  # noqa: F811
        done = senka("retrain", *arguments)
        assert done.exit_code == 2
        assert words in " ".join(done.stderr.replace("│", " ").split())
        assert world.places.retrainings.listed() == []

    @pytest.mark.parametrize("option", ["--resume", "--cancel"])
    def test_one_that_is_not_there(self, option: str) -> None:
        done = senka("retrain", option, "20260101T000000Z-abcdef")
        assert done.exit_code == 1
        assert "There is no retraining" in done.stderr
