"""`senka retrain` killed without warning, at every stage and between: the champion stays; it is gone on with, or left alone."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import pytest
from _pytest.mark import ParameterSet

from models.repository import ModelRepository
from models.retrainings import Retraining, Retrainings
from service.cli import main
from tests.forking import Start, start  # noqa: F401 - a fixture
from tests.training.retrain.worlds import OPEN, World, quick_to_onnx
from training import export
from training.golden import Golden
from training.kept import kept
from training.retrain import run, taking
from training.retrain.progress import Reporter

PRELOAD: Final = ("torch._dynamo", "training.cli.retrain", "training.retrain")
GROWN: Final = 0.2
STAGES: Final = ("intake", "training", "gate", "publish", "promote")


def slow(at: str) -> ParameterSet:
    return pytest.param(at, marks=pytest.mark.slow)


def command(world: World, *more: str) -> list[str]:
    bounds = [word for name, value in OPEN.items() for word in ("--set", f"{name}={value}")]
    quick = ["--epochs", "4", "--scratch", "never", "--require", "not_worse", "--threads", "1", "--nice", "0"]
    return ["retrain", "--data", world.source("new"), "--to-golden", str(GROWN), "--promote", *quick, *bounds, *more]


def die(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def until(at: str) -> None:
    """Let this process die when it gets there: as soon as `state.json` tells of a stage, or at a step between two."""
    write, tell, keep, promote = Retrainings.write, Reporter.tell, taking.keep, ModelRepository.promote_after

    def dying_write(self: Retrainings, state: Retraining) -> None:
        write(self, state)
        if state.stage == at:
            die()

    def dying_tell(self: Reporter, doing: str, done: int = 0, of: int = 0) -> None:
        tell(self, doing, done, of)
        if (doing, done) == ("fine-tuning", 2):
            die()

    Retrainings.write = dying_write  # type: ignore[method-assign]
    if at == "batch kept":  # the second that is kept: the first is the golden set's share
        taking.keep = lambda data, root, **marks: (keep(data, root, **marks), root.name == "training-data" and die())[0]  # type: ignore[assignment]
    elif at == "second epoch":
        Reporter.tell = dying_tell  # type: ignore[method-assign]
    elif at == "judged":
        run._published = die  # type: ignore[assignment]
    elif at == "published":
        ModelRepository.promote_after = die  # type: ignore[assignment, method-assign]
    elif at == "promoted":
        ModelRepository.promote_after = lambda *asked: (promote(*asked), die())[0]  # type: ignore[method-assign]


def senka(home: str, log: str, arguments: list[str], at: str = "") -> None:
    """The command, in a process of its own, with its own output."""
    os.environ["SENKA_HOME"] = home
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(output, stream)
    export.to_onnx = quick_to_onnx
    until(at)
    sys.argv = ["senka", *arguments]
    main()


@pytest.fixture
def killed(world: World, tmp_path: Path, start: Start):  # noqa: F811
    """Run the command until it dies there, and look at what it left."""

    def run_until(at: str) -> Retraining:
        before = world.champion()
        child = start(senka, str(world.home), str(tmp_path / "log.txt"), command(world), at)
        child.join(60)
        assert child.exitcode == -signal.SIGKILL, (tmp_path / "log.txt").read_text()
        left = world.newest()
        require_readable(world)
        assert left.state == "interrupted"
        assert world.places.retrainings.running() is None
        if at == "promoted":
            assert world.champion()[0] == 2
        else:
            assert world.champion() == before
        return left

    return run_until


def require_readable(world: World) -> None:
    for version in world.places.repository.versions():
        world.places.repository.load(version)
    golden, batches = Golden(world.places.golden).data(), kept(world.places.kept_batches)
    assert len(golden) >= 27
    assert len(batches) >= 1
    assert all(sample.pixel_digest() for data in (golden, *(batch.data for batch in batches)) for sample in data.samples)


def require_whole(world: World, ended: Retraining, versions: int = 2) -> None:
    """It ended as one that nobody disturbed: one more version, one more batch, and a golden set that grew once."""
    assert ended.state == "promoted"
    assert world.places.repository.aliases().champion == ended.version
    assert len(world.places.repository.versions()) == versions
    golden, batches = Golden(world.places.golden).data(), kept(world.places.kept_batches)
    assert len(batches) == 2
    assert (len(golden), len(batches[-1].data)) == (27 + 9, 45 - 9)
    assert (ended.new_images, ended.golden_images) == (36, 36)
    learned = {sample.pixel_digest() for batch in batches for sample in batch.data.samples}
    assert not learned & {sample.pixel_digest() for sample in golden.samples}


@pytest.mark.parametrize("at", [*STAGES, "batch kept", "published", "promoted", *(slow(at) for at in ("second epoch", "judged"))])
def test_killed_it_is_gone_on_with(world, killed, at):
    left = killed(at)
    assert left.stage in (at, *(("intake",) if at == "batch kept" else ()), "training", "gate", "promote")
    ended = world.run(left.id)
    assert (ended.id, ended.version) == (left.id, 2)
    require_whole(world, ended)
    assert world.places.repository.aliases().history == [1]
    assert world.places.repository.rollback().number == 1


@pytest.mark.parametrize("at", [slow("intake"), slow("batch kept"), slow("second epoch"), "published"])
def test_killed_it_is_left_alone_and_another_one_ends(world, killed, at):
    left = killed(at)
    ended = world.run(
        world.asked(data=() if at != "intake" else (world.source("new"),), to_golden=0 if at != "intake" else GROWN)
    )
    assert ended.id != left.id
    require_whole(world, ended, versions=3 if at == "published" else 2)
    assert world.places.retrainings.get(left.id).state == "interrupted"


@pytest.mark.slow
def test_killed_again_where_it_was_gone_on_with(world, killed, tmp_path, start):  # noqa: F811
    left = killed("second epoch")
    for at in ("training", "gate", "published", "promoted"):
        child = start(senka, str(world.home), str(tmp_path / "log.txt"), ["retrain", "--resume", left.id], at)
        child.join(60)
        assert child.exitcode == -signal.SIGKILL
        assert world.places.repository.aliases().champion == (2 if at == "promoted" else 1)
    child = start(senka, str(world.home), str(tmp_path / "log.txt"), ["retrain", "--resume", left.id])
    child.join(60)
    assert child.exitcode == 0
    require_whole(world, world.newest())
    assert (world.newest().version, world.newest().candidate) == (2, "fine-tuned")
    assert "Version 2 is the champion." in (tmp_path / "log.txt").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_killed_at_random_until_it_ends(world, tmp_path, start, seed):  # noqa: F811
    rng, log, arguments, kills = random.Random(seed), tmp_path / "log.txt", command(world), 0
    untouched = world.copy(tmp_path / "untouched")
    began = time.monotonic()
    child = start(senka, str(untouched.home), str(log), command(untouched))
    child.join(60)
    took_s = time.monotonic() - began
    require_whole(untouched, untouched.newest())
    for _ in range(30):
        child = start(senka, str(world.home), str(log), arguments)
        child.join(rng.uniform(0.1, 0.6) * took_s if kills < 6 else 60)
        if child.exitcode is not None:
            break
        child.kill()
        child.join()
        kills += 1
        require_readable(world)
        known = world.places.retrainings.listed()
        assert len(known) <= 1
        assert {state.state for state in known} <= {"interrupted", "promoted"}
        assert world.champion()[0] == 1 or known[0].version == world.champion()[0] == 2
        if known and known[0].state == "promoted":
            break
        arguments = ["retrain", "--resume", known[0].id] if known else command(world)
    assert kills >= 1
    require_whole(world, world.newest())


@pytest.mark.slow
def test_the_command_itself_is_killed_and_gone_on_with(world):
    program = [sys.executable, "-m", "service.cli"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    before = world.champion()
    child = subprocess.Popen([*program, *command(world, "--epochs", "60")], env=environment, stderr=subprocess.PIPE)
    end = time.monotonic() + 90
    while not (known := world.places.retrainings.listed()) or (known[0].doing, known[0].done > 2) != ("fine-tuning", True):
        assert child.poll() is None, child.stderr.read()
        assert time.monotonic() < end
        time.sleep(0.02)
    child.kill()
    child.communicate()
    left = world.newest()
    assert (left.state, left.stage) == ("interrupted", "training")
    assert world.champion() == before
    require_readable(world)
    done = subprocess.run(
        [*program, "retrain", "--resume", left.id], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Version 2 is the champion." in done.stdout
    require_whole(world, world.newest())
