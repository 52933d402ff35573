"""The model repository among many writers, and after one that was killed."""

import os
import signal
import threading
from hashlib import sha256
from pathlib import Path
from random import Random

import pytest

from models.errors import ModelNotFound
from models.repository import CHAMPION, ModelRepository
from tests.forking import Start, start  # noqa: F401 - a fixture
from tests.models.repositories import aliases


def publish_until_killed(root: Path, model: Path, fsyncs: int) -> None:
    """Publish and promote, but die at the n-th fsync, as by a power cut."""
    real, count = os.fsync, 0

    def fsync(descriptor: int) -> None:
        nonlocal count
        count += 1
        if count == fsyncs:
            os.kill(os.getpid(), signal.SIGKILL)
        real(descriptor)

    os.fsync = fsync  # type: ignore[assignment]
    ModelRepository(root).publish(model, promote=True)


class TestKilledWriters:
    @pytest.mark.parametrize("fsyncs", range(1, 9))
    def test_the_old_state_or_the_new(
        self,
        repository: ModelRepository,
        files: list[Path],
        start: Start,  # noqa: F811
        fsyncs: int,
    ) -> None:
        repository.publish(files[0], promote=True)
        child = start(publish_until_killed, repository.root, files[1], fsyncs)
        child.join(60)
        assert child.exitcode == -signal.SIGKILL
        champion = repository.get(CHAMPION)
        assert champion.number in (1, 2)
        assert repository.load(champion) == files[champion.number - 1].read_bytes()
        for version in repository.versions():
            repository.load(version)
        # Later writers find no lock held, and sweep what was left aside.
        assert repository.publish(files[1], promote=True).number == 2
        assert repository.publish(files[2]).number == 3
        assert aliases(repository) == (2, 3)
        assert not list(repository.folder.rglob(".incoming*"))

    def test_a_whole_publish_ends_before_the_next_fsync(
        self,
        repository: ModelRepository,
        files: list[Path],
        start: Start,  # noqa: F811
    ) -> None:
        # The range above covers every step: with one more, the writer is through.
        repository.publish(files[0], promote=True)
        child = start(publish_until_killed, repository.root, files[1], 9)
        child.join(60)
        assert child.exitcode == 0

    def test_between_the_rename_and_the_aliases(self, repository: ModelRepository, files: list[Path]) -> None:
        repository.publish(files[0], promote=True)
        before = (repository.folder / "aliases.json").read_bytes()
        second = repository.publish(files[1])
        (repository.folder / "aliases.json").write_bytes(before)
        assert [v.number for v in repository.versions()] == [1, 2]
        assert repository.get(CHAMPION).number == 1
        assert repository.promote(2) == second

    def test_a_version_folder_that_lost_its_content(self, repository: ModelRepository, files: list[Path]) -> None:
        repository.publish(files[0], promote=True)
        (repository.folder / "2").mkdir()
        (repository.folder / "2" / "model.onnx").write_bytes(b"half")
        assert [v.number for v in repository.versions()] == [1]
        with pytest.raises(ModelNotFound):
            repository.promote(2)
        assert repository.publish(files[1]).number == 3


def work(root: Path, files: list[Path], seed: int) -> None:
    """Publish every model, in an order of its own, and promote and roll back in between."""
    rng = Random(seed)
    repository = ModelRepository(root)
    for file in rng.sample(files, len(files)):
        version = repository.publish(file, note=str(seed), promote=rng.random() < 0.4)
        assert repository.load(version) == file.read_bytes()
        repository.promote(rng.choice([v.number for v in repository.versions()]))
        if rng.random() < 0.5:
            try:
                repository.rollback()
            except ModelNotFound:  # the others rolled back before
                continue


class TestManyAtOnce:
    def test_six_writers_and_a_reader(
        self,
        repository: ModelRepository,
        files: list[Path],
        start: Start,  # noqa: F811
    ) -> None:
        done, seen, broken = threading.Event(), set[int](), list[BaseException]()

        def read() -> None:
            reader = ModelRepository(repository.root)
            try:
                while not done.is_set():
                    for version in reader.versions():
                        assert reader.load(version)
                    described = reader.describe()
                    numbers = [v["version"] for v in described["versions"]]
                    assert {described["champion"], described["challenger"]} - {None} <= set(numbers)
                    if described["champion"]:
                        champion = reader.get(CHAMPION)  # once there is a champion, there is always one
                        reader.load(champion)
                        seen.add(champion.number)
            except BaseException as error:
                broken.append(error)

        reader = threading.Thread(target=read)
        reader.start()
        writers = [start(work, repository.root, files, seed) for seed in range(6)]
        for writer in writers:
            writer.join(100)
        done.set()
        reader.join()
        assert [writer.exitcode for writer in writers] == [0] * 6
        assert not broken
        assert len(seen) > 1  # the reader did read in between
        versions = repository.versions()
        assert [v.number for v in versions] == [1, 2, 3, 4, 5, 6]
        assert {v.sha256 for v in versions} == {sha256(file.read_bytes()).hexdigest() for file in files}
        found = repository.aliases()
        assert {found.champion, found.challenger, *found.history} - {None} <= set(range(1, 7))
        assert found.champion != found.challenger
        assert not list(repository.folder.rglob(".incoming*"))
