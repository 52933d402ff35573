"""Following the repository's champion: swap without loss, and never to a model that does not work."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest

from models.errors import ModelCorrupt
from models.repository import ModelRepository, Version
from service.errors import Draining, ModelNotReady, RecordsUnavailable
from service.inference import reload
from service.inference.reload import Champion, Serving
from service.inference.session import LoadedModel
from service.settings import Settings
from tests.service.models import make_model
from tests.service.running import until

pytestmark = pytest.mark.anyio

Publish = Callable[..., int]


@pytest.fixture
def publish(repository: ModelRepository, tmp_path: Path) -> Publish:
    """Publish and promote another model; its number is returned."""

    def one(seed: int, promote: bool = True, **options: object) -> int:
        path = make_model(tmp_path / f"{seed}.onnx", seed=seed, **options)  # type: ignore[arg-type]
        return repository.publish(path, promote=promote).number

    return one


@asynccontextmanager
async def following(home: Path) -> AsyncIterator[Champion]:
    champion = Champion(Settings(home=home, providers="cpu", max_batch=4))
    await champion.start()
    try:
        yield champion
    finally:
        await champion.stop()


def blank(side: int = 16) -> np.ndarray:
    return np.zeros((side, side, 3), np.uint8)


async def test_without_a_champion_nothing_is_ready_and_the_first_one_takes_over(home: Path, publish: Publish) -> None:
    async with following(home) as champion:
        assert not champion.ready
        with pytest.raises(ModelNotReady, match="senka models publish"):
            _ = champion.current
        publish(1, promote=False)
        await champion.refresh()
        assert not champion.ready  # a challenger does not grade
        publish(1)
        await champion.refresh()
        assert champion.current.ref.version == 1


async def test_the_champion_is_followed_without_being_asked(
    home: Path, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reload, "POLL_S", 0.01)
    publish(1)
    async with following(home) as champion:
        publish(2)
        await until(lambda: champion.current.ref.version == 2)


async def test_a_swap_lets_the_old_model_finish_and_then_refuses(home: Path, publish: Publish) -> None:
    publish(1)
    async with following(home) as champion:
        old = champion.current
        accepted = [asyncio.create_task(old.batcher.submit(blank())) for _ in range(20)]
        await asyncio.sleep(0)
        publish(2)
        await champion.refresh()
        assert champion.current.ref.version == 2
        assert len(await asyncio.gather(*accepted)) == 20
        with pytest.raises(Draining):
            await old.batcher.submit(blank())
        assert (await champion.current.batcher.submit(blank())).batch_size == 1


async def test_the_same_champion_is_not_loaded_twice(home: Path, publish: Publish) -> None:
    publish(1)
    async with following(home) as champion:
        serving = champion.current
        await champion.refresh()
        assert champion.current is serving


async def test_a_corrupt_new_champion_is_refused_once_and_the_old_one_stays(
    home: Path, publish: Publish, repository: ModelRepository, caplog: pytest.LogCaptureFixture
) -> None:
    publish(1)
    async with following(home) as champion:
        good = _corrupt(repository, publish(2))
        with caplog.at_level(logging.ERROR):
            for _ in range(3):
                await champion.refresh()
        assert champion.current.ref.version == 1
        said = [record.getMessage() for record in caplog.records]
        assert len(said) == 1
        assert "version 2 was not loaded, the model in service stays" in said[0]
        assert "is not the file that was published" in said[0]

        repository.get(2).path.write_bytes(good)  # mended
        await champion.refresh()
        assert champion.current.ref.version == 2


async def test_a_refused_version_is_tried_again_after_a_rollback(
    home: Path, publish: Publish, repository: ModelRepository
) -> None:
    publish(1)
    async with following(home) as champion:
        path = repository.get(publish(2)).path
        stamp = path.stat().st_mtime_ns
        good = _corrupt(repository, 2)
        await champion.refresh()
        repository.rollback()
        await champion.refresh()
        path.write_bytes(good)
        os.utime(path, ns=(stamp, stamp))
        repository.promote(2)
        await champion.refresh()
        assert champion.current.ref.version == 2


async def test_a_network_that_does_not_run_is_refused_like_a_corrupt_one(
    home: Path, publish: Publish, caplog: pytest.LogCaptureFixture
) -> None:
    publish(1)
    async with following(home) as champion:
        publish(2, input_side=11)
        await champion.refresh()
        assert champion.current.ref.version == 1
        assert "does not run on the input" in caplog.text
        assert "Traceback" not in caplog.text


async def test_a_corrupt_champion_at_the_start_is_an_error(home: Path, publish: Publish, repository: ModelRepository) -> None:
    _corrupt(repository, publish(1))
    with pytest.raises(ModelCorrupt):
        await Champion(Settings(home=home, providers="cpu")).start()


async def test_a_repository_that_cannot_be_read_for_a_while_is_said_once_and_once_more_when_it_can(
    home: Path, publish: Publish, repository: ModelRepository, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(reload, "POLL_S", 0.01)
    publish(1)
    async with following(home) as champion:
        looked = 0
        get = repository.get

        def counting(wanted: str | int) -> Version:
            nonlocal looked
            looked += 1
            return get(wanted)

        monkeypatch.setattr(champion.repository, "get", counting)
        aliases = repository.folder / "aliases.json"
        kept = aliases.read_bytes()
        for times in (1, 2):
            caplog.clear()
            aliases.write_text("{ this is not JSON")
            await until(lambda: "could not be read" in caplog.text)
            before = looked
            await until(lambda seen=before: looked > seen + 5)  # type: ignore[misc]
            assert champion.current.ref.version == times
            aliases.write_bytes(kept)
            publish(times + 1)
            kept = aliases.read_bytes()
            await until(lambda number=times + 1: champion.current.ref.version == number)  # type: ignore[misc]
            await until(lambda: "can be read again" in caplog.text)
            assert caplog.text.count("could not be read") == caplog.text.count("can be read again") == 1
            assert "Traceback" not in caplog.text


async def test_a_failure_that_nobody_expects_is_said_once_with_its_traceback(
    home: Path, publish: Publish, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    publish(1)
    async with following(home) as champion:

        def broken(wanted: str | int) -> Version:
            raise ZeroDivisionError("a bug of ours")

        with monkeypatch.context() as patched:
            patched.setattr(champion.repository, "get", broken)
            for _ in range(3):
                await champion.follow()
        assert caplog.text.count("Traceback") == 1
        await champion.follow()
        assert caplog.text.count("can be read again") == 1


async def test_two_who_find_the_same_new_champion_load_it_once(
    home: Path, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(1)
    async with following(home) as champion:
        loads = []
        load = LoadedModel.load
        monkeypatch.setattr(LoadedModel, "load", lambda *arguments: loads.append(1) or load(*arguments))
        publish(2)
        await asyncio.gather(*(champion.follow() for _ in range(3)))
        assert (champion.current.ref.version, len(loads)) == (2, 1)


async def test_stopping_finishes_what_was_accepted(home: Path, publish: Publish) -> None:
    publish(1)
    async with following(home) as champion:
        accepted = [asyncio.create_task(champion.current.batcher.submit(blank())) for _ in range(30)]
        await asyncio.sleep(0)
    assert len(await asyncio.gather(*accepted)) == 30


async def test_whoever_wants_to_know_which_model_serves_is_told_until_it_is_noted(
    home: Path, publish: Publish, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(reload, "POLL_S", 0.01)
    publish(1)
    noted: list[int] = []
    away = 3

    def note(serving: Serving) -> None:
        nonlocal away
        away -= 1
        if away > 0:
            raise RecordsUnavailable("the database is away")
        noted.append(serving.ref.version)

    champion = Champion(Settings(home=home, providers="cpu", max_batch=4))
    champion.on_serving = note
    await champion.start()
    assert champion.ready, "a record that cannot be made delays no model"
    await until(lambda: noted == [1])
    publish(2)
    await until(lambda: noted == [1, 2])
    await champion.stop()
    assert caplog.text.count("could not be noted") == 1


def _corrupt(repository: ModelRepository, number: int) -> bytes:
    """Cut a published file short; what it was is returned."""
    path = repository.get(number).path
    whole = path.read_bytes()
    path.write_bytes(whole[:-100])
    return whole
