import errno
import json
import os
import shutil
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.errors import (
    GradeSetMismatch,
    InvalidCard,
    ModelCorrupt,
    ModelError,
    ModelFileMissing,
    ModelNotFound,
    RepositoryUnreadable,
)
from models.grades import GRADES
from models.repository import CHALLENGER, CHAMPION, Aliases, ModelRepository, Version
from tests.models.onnx_files import make_card, make_model, write_model
from tests.models.repositories import aliases, damage


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


class TestPublish:
    def test_the_first_version(self, repository: ModelRepository, files: list[Path]) -> None:
        version = repository.publish(files[0], note="first light")
        data = files[0].read_bytes()
        assert version == Version(
            "cucumber",
            1,
            repository.root / "cucumber" / "1" / "model.onnx",
            sha256(data).hexdigest(),
            version.published_at,
            "first light",
        )
        assert datetime.fromisoformat(version.published_at).utcoffset() == timedelta(0)
        assert version.path.read_bytes() == data
        assert repository.load(version) == data
        assert aliases(repository) == (None, 1)
        assert repository.get(1) == repository.get("1") == repository.get(CHALLENGER) == version

    def test_the_newest_is_the_challenger_and_the_champion_stays(self, repository: ModelRepository, files: list[Path]) -> None:
        repository.publish(files[0], promote=True)
        assert aliases(repository) == (1, None)
        repository.publish(files[1])
        repository.publish(files[2])
        assert aliases(repository) == (1, 3)
        assert [v.number for v in repository.versions()] == [1, 2, 3]

    def test_the_same_bytes_are_one_version(self, repository: ModelRepository, files: list[Path], tmp_path: Path) -> None:
        first = repository.publish(files[0], note="a")
        repository.publish(files[1])
        copy = tmp_path / "copy.onnx"
        shutil.copy(files[0], copy)
        assert repository.publish(copy, note="b") == first
        assert [v.number for v in repository.versions()] == [1, 2]
        assert aliases(repository) == (None, 1)
        assert repository.publish(copy, promote=True) == first
        assert aliases(repository) == (1, None)
        assert repository.publish(copy) == first
        assert aliases(repository) == (1, None)  # a champion is not its own challenger

    def test_versions_are_counted_and_not_spelled(self, repository: ModelRepository, files: list[Path], tmp_path: Path) -> None:
        for seed in range(11):
            repository.publish(make_model(tmp_path / "m.onnx", seed=seed))
        assert [v.number for v in repository.versions()] == list(range(1, 12))

    def test_each_name_has_its_own_versions(self, repository: ModelRepository, files: list[Path]) -> None:
        other = ModelRepository(repository.root, "gherkin")
        repository.publish(files[0])
        assert other.publish(files[1]).number == 1
        assert repository.describe()["versions"] != other.describe()["versions"]

    def test_strange_neighbours_are_left_alone(self, repository: ModelRepository, files: list[Path]) -> None:
        repository.publish(files[0])
        for name in ("notes", "01", "2²", "1.bak", "0", "9" * 40):
            (repository.folder / name).mkdir()
            (repository.folder / name / "version.json").write_text("{}")
        (repository.folder / "7").mkdir()  # a folder without its facts is no version, but its number is taken
        (repository.folder / "README").write_text("ours")
        assert [v.number for v in repository.versions()] == [1]
        assert repository.publish(files[1]).number == 8
        assert (repository.folder / "README").read_text() == "ours"


class TestRefusedModels:
    def leaves_nothing(self, repository: ModelRepository, model: Path, error: type[ModelError]) -> None:
        before = snapshot(repository.root)
        with pytest.raises(error):
            repository.publish(model, promote=True)
        assert snapshot(repository.root) == before
        assert not list(repository.root.rglob(".incoming*"))

    @pytest.mark.parametrize("published", [0, 1])
    def test_nothing_is_left_behind(self, repository: ModelRepository, files: list[Path], tmp_path: Path, published: int) -> None:
        for file in files[:published]:
            repository.publish(file, promote=True)
        model = tmp_path / "m.onnx"
        self.leaves_nothing(repository, make_model(model, tuple("0123456789")), GradeSetMismatch)
        write_model(model, np.zeros((3, 9), np.float32), np.zeros(9, np.float32), None)
        self.leaves_nothing(repository, model, InvalidCard)
        write_model(model, np.zeros((3, 8), np.float32), np.zeros(8, np.float32), make_card().model_dump_json())
        self.leaves_nothing(repository, model, InvalidCard)
        model.write_bytes(b"")
        self.leaves_nothing(repository, model, InvalidCard)
        self.leaves_nothing(repository, tmp_path / "missing.onnx", ModelFileMissing)
        self.leaves_nothing(repository, tmp_path, ModelFileMissing)
        assert repository.folder.exists() == bool(published)

    def test_grades_in_another_order_are_welcome(self, repository: ModelRepository, tmp_path: Path) -> None:
        assert repository.publish(make_model(tmp_path / "m.onnx", GRADES[::-1])).number == 1

    def test_a_full_disk(self, repository: ModelRepository, files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
        repository.publish(files[0], promote=True)
        before = snapshot(repository.folder)

        def full(_: int) -> None:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patched:
            patched.setattr("os.fsync", full)
            with pytest.raises(OSError, match="No space left"):
                repository.publish(files[1], promote=True)
        assert snapshot(repository.folder) == before
        assert repository.publish(files[1], promote=True).number == 2


class TestPromoteAndRollback:
    def test_there_and_back(self, repository: ModelRepository, files: list[Path]) -> None:
        for file in files[:3]:
            repository.publish(file)
        assert repository.promote(1).number == 1
        assert repository.promote(CHALLENGER).number == 3
        assert aliases(repository) == (3, None)
        assert repository.promote("2").number == 2
        assert repository.aliases().history == [1, 3]
        assert repository.rollback().number == 3
        assert repository.rollback().number == 1
        assert repository.get(CHAMPION).number == 1
        with pytest.raises(ModelNotFound, match="roll back"):
            repository.rollback()
        assert aliases(repository) == (1, None)

    def test_promoting_another_keeps_the_challenger(self, repository: ModelRepository, files: list[Path]) -> None:
        for file in files[:3]:
            repository.publish(file)
        repository.promote(1)
        assert aliases(repository) == (1, 3)

    def test_promoting_the_champion_changes_nothing(self, repository: ModelRepository, files: list[Path]) -> None:
        repository.publish(files[0], promote=True)
        repository.publish(files[1], promote=True)
        repository.promote(2)
        repository.promote(CHAMPION)
        assert repository.aliases() == Aliases(champion=2, history=[1])

    def test_nobody_is_champion_and_challenger(self, repository: ModelRepository, files: list[Path]) -> None:
        repository.publish(files[0], promote=True)
        repository.publish(files[1], promote=True)
        repository.publish(files[0])
        assert aliases(repository) == (2, 1)
        repository.rollback()
        assert aliases(repository) == (1, None)

    @pytest.mark.parametrize(
        "wanted", ["4", 4, 0, "0", "-1", "007", "latest", "", "²", "1.0", "../1", pytest.param("9" * 5000, id="long")]
    )
    def test_an_unknown_version_lists_the_valid_ones(
        self, repository: ModelRepository, files: list[Path], wanted: str | int
    ) -> None:
        for file in files[:3]:
            repository.publish(file)
        repository.promote(2)
        before = snapshot(repository.folder)
        for call in (repository.get, repository.promote):
            with pytest.raises(ModelNotFound) as caught:
                call(wanted)
            assert caught.value.facts["valid"] == ["1", "2", "3", "champion", "challenger"]
            assert "1, 2, 3, champion, challenger" in str(caught.value)
        assert snapshot(repository.folder) == before

    def test_an_empty_repository(self, repository: ModelRepository) -> None:
        for call in (lambda: repository.get(CHAMPION), lambda: repository.promote(1), repository.rollback):
            with pytest.raises(ModelNotFound, match="senka models publish"):
                call()
        assert repository.versions() == []
        assert repository.aliases() == Aliases()
        assert repository.describe() == {"name": "cucumber", "champion": None, "challenger": None, "versions": []}
        assert not repository.root.exists()  # nothing is created by asking

    def test_describe(self, repository: ModelRepository, files: list[Path]) -> None:
        repository.publish(files[0], note="old", promote=True)
        repository.publish(files[1])
        described = repository.describe()
        assert json.loads(json.dumps(described)) == described
        assert (described["champion"], described["challenger"]) == (1, 2)
        assert [v["aliases"] for v in described["versions"]] == [["champion"], ["challenger"]]
        first = repository.get(1)
        assert described["versions"][0] == {
            "version": 1,
            "sha256": first.sha256,
            "published_at": first.published_at,
            "note": "old",
            "aliases": ["champion"],
        }


class TestNumbersAreNeverUsedAgain:
    """Gradings on record name a version by its number."""

    def test_after_the_newest_was_deleted(self, repository: ModelRepository, files: list[Path]) -> None:
        repository.publish(files[0])
        shutil.rmtree(repository.publish(files[1]).path.parent)
        assert repository.publish(files[2]).number == 3

    def test_after_no_alias_remembers_it(self, repository: ModelRepository, files: list[Path]) -> None:
        repository.publish(files[0], promote=True)
        second = repository.publish(files[1], promote=True)
        repository.rollback()
        shutil.rmtree(second.path.parent)
        assert repository.publish(files[2]).number == 3

    def test_after_all_were_deleted(self, repository: ModelRepository, files: list[Path]) -> None:
        for file in files[:2]:
            shutil.rmtree(repository.publish(file).path.parent)
        assert repository.publish(files[0]).number == 3

    def test_in_a_repository_that_counted_otherwise(self, repository: ModelRepository, files: list[Path]) -> None:
        for file in files[:2]:
            repository.publish(file)
        for path in repository.folder.glob(".*"):
            path.unlink()
        assert repository.publish(files[2]).number == 3

    def test_a_deleted_champion_is_missed_clearly(self, repository: ModelRepository, files: list[Path]) -> None:
        repository.publish(files[0])
        shutil.rmtree(repository.publish(files[1], promote=True).path.parent)
        with pytest.raises(ModelNotFound) as caught:
            repository.get(CHAMPION)
        assert caught.value.facts["valid"] == ["1", "challenger"]


class TestDamage:
    def test_changed_bytes_are_not_loaded(self, repository: ModelRepository, files: list[Path]) -> None:
        version = repository.publish(files[0])
        damage(version)
        with pytest.raises(ModelCorrupt) as caught:
            repository.load(version)
        assert caught.value.facts["expected_sha256"] == version.sha256
        assert caught.value.facts["found_sha256"] == sha256(version.path.read_bytes()).hexdigest()
        assert str(version.path) in str(caught.value)

    def test_changed_bytes_do_not_become_the_champion(self, repository: ModelRepository, files: list[Path]) -> None:
        repository.publish(files[0], promote=True)
        damage(repository.publish(files[1]))
        before = snapshot(repository.folder)
        with pytest.raises(ModelCorrupt):
            repository.promote(2)
        assert snapshot(repository.folder) == before
        assert repository.get(CHAMPION).number == 1

    def test_nor_by_rolling_back(self, repository: ModelRepository, files: list[Path]) -> None:
        damage(repository.publish(files[0], promote=True))
        repository.publish(files[1], promote=True)
        with pytest.raises(ModelCorrupt):
            repository.rollback()
        assert repository.aliases() == Aliases(champion=2, history=[1])

    @pytest.mark.parametrize("how", ["changed", "cut off", "gone"])
    def test_publishing_it_again_mends_it(self, repository: ModelRepository, files: list[Path], how: str) -> None:
        version = repository.publish(files[0], promote=True)
        if how == "changed":
            damage(version)
        elif how == "cut off":
            version.path.write_bytes(b"")
        else:
            version.path.unlink()
        assert repository.publish(files[0]) == version
        assert repository.load(version) == files[0].read_bytes()

    def test_a_missing_file(self, repository: ModelRepository, files: list[Path]) -> None:
        version = repository.publish(files[0])
        version.path.unlink()
        with pytest.raises(ModelNotFound, match=r"model\.onnx"):
            repository.load(version)
        with pytest.raises(ModelNotFound):
            repository.promote(1)

    @pytest.mark.parametrize(
        "content", [b"", b"{", b"null", b"[]", b'{"sha256": "abc"}', b"\xff\xfe", b'{"sha256": null, "published_at": 3}']
    )
    def test_unreadable_facts_of_a_version(self, repository: ModelRepository, files: list[Path], content: bytes) -> None:
        repository.publish(files[0])
        repository.publish(files[1], promote=True)
        facts = repository.folder / "1" / "version.json"
        facts.write_bytes(content)
        for call in (repository.versions, repository.describe, lambda: repository.get(1), lambda: repository.promote(1)):
            with pytest.raises(RepositoryUnreadable) as caught:
                call()
            assert str(facts) in str(caught.value)
            assert "delete the folder 1" in str(caught.value)
        # The other versions go on: the champion grades, a new one can be published and promoted.
        assert repository.load(repository.get(CHAMPION)) == files[1].read_bytes()
        assert repository.publish(files[2]).number == 3
        assert repository.promote(3).number == 3
        assert repository.rollback().number == 2

    @pytest.mark.parametrize(
        "content", [b"", b"{", b"null", b'{"champion": "two"}', b'{"champion": 1, "king": 2}', b'{"history": 1}']
    )
    def test_unreadable_aliases(self, repository: ModelRepository, files: list[Path], content: bytes) -> None:
        repository.publish(files[0], promote=True)
        path = repository.folder / "aliases.json"
        path.write_bytes(content)
        before = snapshot(repository.folder)
        calls: list[Any] = [
            repository.aliases,
            repository.describe,
            repository.rollback,
            lambda: repository.get(CHAMPION),
            lambda: repository.publish(files[1]),
            lambda: repository.promote(1),
        ]
        for call in calls:
            with pytest.raises(RepositoryUnreadable) as caught:
                call()
            assert str(path) in str(caught.value)
            assert "delete it and promote a version" in str(caught.value)
        assert snapshot(repository.folder) == before
        path.unlink()  # the way out that the message names
        repository.promote(1)
        assert repository.get(CHAMPION).number == 1

    @pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.EACCES, errno.EIO])
    def test_what_is_no_fault_of_the_file_is_no_reason_to_delete_it(
        self, repository: ModelRepository, files: list[Path], monkeypatch: pytest.MonkeyPatch, number: int
    ) -> None:
        repository.publish(files[0], promote=True)

        def fails(path: Path) -> bytes:
            raise OSError(number, os.strerror(number), str(path))

        monkeypatch.setattr(Path, "read_bytes", fails)
        with pytest.raises(RepositoryUnreadable, match=os.strerror(number)) as caught:
            repository.get(CHAMPION)
        assert "delete" not in str(caught.value)
        assert "backup" not in str(caught.value)

    def test_facts_that_are_a_folder(self, repository: ModelRepository, files: list[Path]) -> None:
        repository.publish(files[0], promote=True)
        (repository.folder / "aliases.json").unlink()
        (repository.folder / "aliases.json").mkdir()
        with pytest.raises(RepositoryUnreadable, match="directory"):
            repository.get(CHAMPION)
