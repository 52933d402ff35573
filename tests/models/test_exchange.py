"""Who is the champion after whom: promotions, rollbacks and what undoes them, each in one step."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from models.errors import ModelCorrupt
from models.repository import CHALLENGER, Aliases, Exchange, ModelRepository
from tests.models.repositories import aliases, damage


def test_it_says_who_was_the_champion_before(repository: ModelRepository, files: list[Path]) -> None:
    for file in files[:2]:
        repository.publish(file)
    assert repository.exchange(1) == Exchange(None, repository.get(1))
    assert repository.exchange(CHALLENGER) == Exchange(1, repository.get(2))
    assert repository.exchange(2) == Exchange(2, repository.get(2))
    assert repository.exchange(None) == Exchange(2, repository.get(1))
    assert repository.aliases().history == []


def test_it_is_promoted_only_after_the_champion_it_was_judged_against(repository: ModelRepository, files: list[Path]) -> None:
    for file in files[:3]:
        repository.publish(file)
    assert repository.promote_after(1, None)
    assert not repository.promote_after(3, 2)
    assert repository.aliases().champion == 1
    assert repository.promote_after(2, 1)
    assert repository.promote_after(2, 1)  # once more after a crash
    assert repository.aliases().history == [1]


def test_who_was_rolled_back_is_withdrawn_until_somebody_promotes_it_again(
    repository: ModelRepository, files: list[Path]
) -> None:
    for file in files[:2]:
        repository.publish(file, promote=True)
    repository.rollback()
    assert repository.aliases().withdrawn == [2]
    repository.promote(2)
    assert repository.aliases().withdrawn == []


def test_the_last_exchange_is_undone_once(repository: ModelRepository, files: list[Path]) -> None:
    for file in files[:2]:
        repository.publish(file, promote=True)
    assert repository.undo(1, 2) == Exchange(2, repository.get(1))
    for before, now in ((1, 2), (2, 1), (1, 1)):
        assert repository.undo(before, now) is None
    assert repository.aliases() == Aliases(champion=1, withdrawn=[2])


def test_an_exchange_that_another_followed_is_not_undone(repository: ModelRepository, files: list[Path]) -> None:
    for file in files[:3]:
        repository.publish(file, promote=True)
    for before, now in ((1, 2), (1, 3)):
        assert repository.undo(before, now) is None
    assert aliases(repository) == (3, None)


def test_of_many_who_undo_at_once_one_does(repository: ModelRepository, files: list[Path]) -> None:
    for file in files[:3]:
        repository.publish(file, promote=True)
    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda _: repository.undo(2, 3), range(8)))
    assert [one for one in done if one] == [Exchange(3, repository.get(2))]
    assert repository.aliases().history == [1]


def test_a_damaged_file_is_not_gone_back_to(repository: ModelRepository, files: list[Path]) -> None:
    damage(repository.publish(files[0], promote=True))
    repository.publish(files[1], promote=True)
    with pytest.raises(ModelCorrupt):
        repository.undo(1, 2)
    assert aliases(repository) == (2, None)
