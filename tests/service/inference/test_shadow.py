"""The challenger in the shadow: it grades what is offered, gives way under load, and never stands in anybody's way."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine, select

from models.imaging import read_header
from models.preprocess import PreprocessSpec
from models.repository import ModelRepository
from service.grading import Grading, ModelRef
from service.inference import shadow as module
from service.inference.shadow import BUSY_DEPTH, WAITING, Seen, Shadow
from service.records.database import migrate, open_database
from service.records.shadow import ShadowRecords
from service.records.tables import shadow_gradings
from service.settings import Settings
from tests.service.gradings import grading
from tests.service.inference.challengers import challenge, counted
from tests.service.models import SMALL
from tests.service.pictures import picture
from tests.service.running import Running

Service = Callable[..., AbstractAsyncContextManager[Running]]
Made = Callable[..., Shadow]


@pytest.fixture
def engine(home: Path) -> Iterator[Engine]:
    home.mkdir(exist_ok=True)
    opened = open_database(f"sqlite:///{home / 'senka.db'}")
    migrate(opened)
    try:
        yield opened
    finally:
        opened.dispose()


@pytest.fixture
def shadow(home: Path, engine: Engine, champion: ModelRepository) -> Iterator[Made]:
    """`shadow(shadow_share=0.5)`: one whose thread is not running; the test moves it on."""
    made: list[Shadow] = []

    def make(**settings: Any) -> Shadow:
        one = Shadow(Settings(home=home, providers="cpu", **settings), champion, ShadowRecords(engine))
        made.append(one)
        return one

    yield make
    for one in made:
        one.close()


def seen(number: int = 1, data: bytes = b"", version: int = 1) -> Seen:
    """A photograph that a version graded."""
    data = data or picture(number)
    header = read_header(data)
    one: Grading = grading(number, model=ModelRef("cucumber", version, "ab" * 32))
    return Seen(one, SMALL.from_bytes(data), SMALL, data, header)


def rows(engine: Engine) -> list[Any]:
    with engine.connect() as connection:
        return list(connection.execute(select(shadow_gradings).order_by(shadow_gradings.c.at)))


def work_off(one: Shadow) -> int:
    """Grade all that waits; how many that were."""
    count = 0
    while (waits := one.take()) is not None:
        one.grade(waits)
        count += 1
    return count


def test_without_a_challenger_nothing_is_kept_or_counted(shadow: Made, engine: Engine) -> None:
    one = shadow()
    before = [counted(result) for result in ("agree", "disagree", "dropped", "failed")]
    one.look()
    one.offer(seen(), 0)
    assert one.challenger is None
    assert work_off(one) == 0
    one.close()
    assert rows(engine) == []
    assert [counted(result) for result in ("agree", "disagree", "dropped", "failed")] == before


def test_what_the_challenger_says_is_on_record_beside_what_counted(
    shadow: Made, engine: Engine, champion: ModelRepository, tmp_path: Path
) -> None:
    number = challenge(champion, tmp_path)
    one = shadow(manual_below=0.0)
    one.look()
    before = counted("agree"), counted("disagree")
    offered = [seen(n) for n in range(6)]
    for each in offered:
        one.offer(each, 0)
    assert work_off(one) == 6
    one.close()
    found = rows(engine)
    assert len(found) == 6
    assert {(row.model_version, row.model_sha256) for row in found} == {(number, champion.get(number).sha256)}
    assert {(row.champion_version, row.champion_grade, row.champion_lane) for row in found} == {(1, "M", "M")}
    assert [row.grading_id for row in found] == [each.grading.id for each in offered]
    assert all(row.lane == row.grade and 0 < row.confidence <= 1 for row in found)
    same = sum(row.grade == "M" for row in found)
    assert (counted("agree") - before[0], counted("disagree") - before[1]) == (same, 6 - same)


@pytest.mark.parametrize("kind", ["jpeg", "png"])
def test_the_same_input_is_used_again_and_another_is_prepared_from_the_photograph(
    shadow: Made, engine: Engine, champion: ModelRepository, tmp_path: Path, kind: str
) -> None:
    data = picture(7, kind, size=(64, 40))
    one = shadow()
    challenge(champion, tmp_path, seed=2)
    one.look()
    alike = seen(data=data)
    one.offer(alike, 0)
    waits = one.take()
    assert waits is not None
    assert waits.pixels is alike.pixels
    assert waits.data == b"", "bytes that nobody needs hold no memory"
    one.grade(waits)

    wide = PreprocessSpec(width=48, height=24)
    number = challenge(champion, tmp_path, seed=3, spec=wide)
    one.look()
    assert one.challenger is not None
    assert one.challenger.number == number
    got: list[Any] = []
    model: Any = one._model
    run = model.probabilities
    model.probabilities = lambda inputs: got.extend(inputs) or run(inputs)
    one.offer(seen(data=data), 0)
    assert work_off(one) == 1
    assert np.array_equal(got[0], wide.from_bytes(data))
    one.close()
    assert [row.model_version for row in rows(engine)] == [2, 3]


def test_a_full_queue_drops_and_counts(shadow: Made, champion: ModelRepository, tmp_path: Path) -> None:
    challenge(champion, tmp_path)
    one = shadow()
    one.look()
    before = counted("dropped")
    for n in range(WAITING + 5):
        one.offer(seen(n), 0)
    assert counted("dropped") - before == 5
    assert work_off(one) == WAITING


def test_large_photographs_that_have_to_be_prepared_again_hold_little_memory(
    shadow: Made, champion: ModelRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    challenge(champion, tmp_path, spec=PreprocessSpec(width=48, height=24))
    one = shadow()
    one.look()
    data = picture(1)
    monkeypatch.setattr(module, "WAITING_BYTES", 2 * len(data))
    before = counted("dropped")
    for _ in range(4):
        one.offer(seen(data=data), 0)
    assert counted("dropped") - before == 2
    assert work_off(one) == 2


def test_while_photographs_wait_for_the_champion_none_is_offered(shadow: Made, champion: ModelRepository, tmp_path: Path) -> None:
    challenge(champion, tmp_path)
    one = shadow()
    one.look()
    before = counted("dropped")
    one.offer(seen(), BUSY_DEPTH + 1)
    assert (work_off(one), counted("dropped") - before) == (0, 1)
    one.offer(seen(), BUSY_DEPTH)
    assert (work_off(one), counted("dropped") - before) == (1, 1)


def test_a_share_of_the_photographs_is_offered(
    shadow: Made, champion: ModelRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    challenge(champion, tmp_path)
    chances = iter([0.0, 0.24, 0.25, 0.9])
    monkeypatch.setattr(module.random, "random", lambda: next(chances))
    one = shadow(shadow_share=0.25)
    one.look()
    before = counted("dropped")
    for n in range(4):
        one.offer(seen(n), 0)
    assert (work_off(one), counted("dropped") - before) == (2, 0)


def test_what_the_challenger_graded_itself_is_not_compared_with_it(
    shadow: Made, champion: ModelRepository, tmp_path: Path
) -> None:
    number = challenge(champion, tmp_path)
    one = shadow()
    one.look()
    one.offer(seen(version=number), 0)
    assert work_off(one) == 0


def test_a_challenger_that_cannot_be_loaded_is_said_once_and_tried_again_when_it_is_mended(
    shadow: Made, champion: ModelRepository, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = champion.get(challenge(champion, tmp_path)).path
    whole = path.read_bytes()
    path.write_bytes(whole[:-100])
    one = shadow()
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            one.look()
    assert one.challenger is None
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == [
        "the challenger, version 2, was not loaded and grades nothing"
    ]
    path.write_bytes(whole)
    one.look()
    assert one.challenger is not None


def test_a_challenger_that_fails_is_put_aside_until_another_comes(
    shadow: Made, engine: Engine, champion: ModelRepository, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    challenge(champion, tmp_path)
    one = shadow()
    one.look()
    model: Any = one._model

    def broken(inputs: Any) -> Any:
        raise RuntimeError("out of memory")

    model.probabilities = broken
    before = counted("failed")
    for n in range(3):
        one.offer(seen(n), 0)
    assert work_off(one) == 3
    assert counted("failed") - before == 1, "those behind it find nobody to grade them"
    for _ in range(2):
        one.look()
        one.offer(seen(), 0)
    assert one.challenger is None
    assert caplog.text.count("is put aside") == 1

    challenge(champion, tmp_path, seed=3)
    one.look()
    one.offer(seen(), 0)
    assert work_off(one) == 1
    one.close()
    assert [row.model_version for row in rows(engine)] == [3]


def test_a_photograph_that_cannot_be_prepared_fails_alone(shadow: Made, champion: ModelRepository, tmp_path: Path) -> None:
    challenge(champion, tmp_path, spec=PreprocessSpec(width=48, height=24))
    one = shadow()
    one.look()
    whole = seen()
    before = counted("failed")
    one.offer(Seen(whole.grading, whole.pixels, whole.spec, whole.data[: len(whole.data) // 2], whole.header), 0)
    one.offer(whole, 0)
    agreed = counted("agree") + counted("disagree")
    assert work_off(one) == 2
    assert (counted("failed") - before, counted("agree") + counted("disagree") - agreed) == (1, 1)
    assert one.challenger is not None


def test_a_challenger_that_is_promoted_or_replaced_is_let_go(shadow: Made, champion: ModelRepository, tmp_path: Path) -> None:
    challenge(champion, tmp_path)
    one = shadow()
    one.look()
    champion.promote("challenger")
    one.look()
    assert one.challenger is None
    number = challenge(champion, tmp_path, seed=3)
    one.look()
    assert one.challenger is not None
    assert one.challenger.number == number


def test_a_repository_that_cannot_be_read_is_said_once_and_the_challenger_stays(
    shadow: Made, champion: ModelRepository, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    challenge(champion, tmp_path)
    one = shadow()
    one.look()
    (champion.folder / "aliases.json").write_text("{ this is not JSON")
    for _ in range(3):
        one.look()
    assert one.challenger is not None
    assert caplog.text.count("could not be read") == 1


def test_with_a_share_of_nothing_no_thread_runs(shadow: Made, champion: ModelRepository, tmp_path: Path) -> None:
    challenge(champion, tmp_path)
    one = shadow(shadow_share=0)
    one.start()
    assert not {"shadow", "shadow-records"} & {thread.name for thread in threading.enumerate()}
    assert one.challenger is None
