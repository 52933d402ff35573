"""The way of a photograph: on time, on record, and through a change of models without a loss."""

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.errors import TooManyPixels, UndecodableImage
from models.preprocess import PreprocessSpec
from models.repository import ModelRepository
from service import pipeline as pipeline_module
from service.errors import Draining, ModelNotReady, Overloaded
from service.grading import Grading, Origin
from service.pipeline import Order
from service.records.repository import Filters
from tests.service.models import make_model
from tests.service.pictures import declares, picture
from tests.service.running import Running, until

pytestmark = pytest.mark.anyio

Service = Callable[..., AbstractAsyncContextManager[Running]]


class HeldNetwork:
    """Stands between a batcher and its model: a run begins only when the gate is open."""

    def __init__(self, running: Running) -> None:
        self.gate, self.began = threading.Event(), threading.Event()
        self.sizes: list[int] = []
        self._batcher = running.context.champion.current.batcher
        self._run: Any = self._batcher._run
        self._batcher._run = self

    def __call__(self, inputs: Sequence[Any]) -> Any:
        self.sizes.append(len(inputs))
        self.began.set()
        assert self.gate.wait(20)
        return self._run(inputs)


def on_record(running: Running) -> list[Grading]:
    records = running.context.records
    assert records is not None
    return [recorded.grading for recorded in records.page(Filters(), 500)]


@pytest.mark.usefixtures("champion")
async def test_a_photograph_is_graded_and_on_record(service: Service) -> None:
    async with service() as running:
        origin = Origin("top", "1", "A")
        grading = await running.context.pipeline.grade(picture(1), Order(origin))
        assert on_record(running) == [grading]
        assert grading.origin == origin
        assert grading.photograph is not None
        assert running.context.records is not None
        assert running.context.records.photographs.get(grading.photograph) == (picture(1), "image/jpeg")
    assert grading.grade == max(grading.probabilities, key=lambda grade: grading.probabilities[grade])
    assert grading.model.version == 1
    assert set(grading.timing_ms) == {"decode", "queue", "infer", "total"}
    assert all(value > 0 for value in grading.timing_ms.values())


@pytest.mark.usefixtures("champion")
async def test_small_jpegs_decode_inline_and_all_else_in_threads(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    where: list[str] = []
    decode = pipeline_module.decode

    def noting(*args: Any) -> Any:
        where.append(threading.current_thread().name.partition("_")[0])
        return decode(*args)

    monkeypatch.setattr(pipeline_module, "decode", noting)
    async with service() as running:
        grade = running.context.pipeline.grade
        for photograph in (picture(1), picture(1, "png"), picture(1, size=(301, 300)), picture(1, "webp"), picture(1, "bmp")):
            assert (await grade(photograph)).grade
    assert where == ["MainThread", "decode", "decode", "decode", "decode"]


@pytest.mark.usefixtures("champion")
async def test_both_ways_of_decoding_grade_alike(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    async with service() as running:
        inline = [await running.context.pipeline.grade(picture(n)) for n in range(5)]
        monkeypatch.setattr(pipeline_module, "INLINE_PIXELS", 0)
        threads = [await running.context.pipeline.grade(picture(n)) for n in range(5)]
    assert [one.probabilities for one in inline] == [one.probabilities for one in threads]
    assert len({one.grade for one in inline}) > 1


@pytest.mark.usefixtures("champion")
async def test_a_photograph_that_misses_its_deadline_goes_to_the_manual_lane_in_time(service: Service) -> None:
    async with service() as running:
        await running.context.pipeline.grade(picture(0))  # the database is warm
        held = HeldNetwork(running)
        began = time.perf_counter()
        grading = await running.context.pipeline.grade(picture(1), Order(deadline_ms=500))
        took_ms = (time.perf_counter() - began) * 1e3
        held.gate.set()
        assert took_ms < 500
        assert (grading.grade, grading.confidence, grading.probabilities) == (None, None, {})
        assert (grading.lane, grading.reasons, grading.batch_size) == ("manual", ("deadline_missed",), 0)
        assert on_record(running)[0] == grading
        assert running.context.records is not None
        assert running.context.records.photographs.get(str(grading.photograph))


@pytest.mark.usefixtures("champion")
async def test_the_setting_is_the_deadline_of_those_who_name_none(service: Service) -> None:
    async with service(deadline_ms=150) as running:
        held = HeldNetwork(running)
        missed = await running.context.pipeline.grade(picture(1))
        patient = asyncio.create_task(running.context.pipeline.grade(picture(1), Order(deadline_ms=20_000)))
        await until(lambda: len(running.context.champion.current.batcher._queue) == 1)
        held.gate.set()
        assert (await patient).grade
    assert missed.reasons == ("deadline_missed",)


@pytest.mark.usefixtures("champion")
async def test_a_photograph_whose_deadline_passed_on_the_way_never_reaches_the_network(service: Service) -> None:
    async with service() as running:
        held = HeldNetwork(running)
        held.gate.set()
        late = await running.context.pipeline.grade(picture(1), Order(deadline_ms=50), started=time.perf_counter() - 1)
        assert late.reasons == ("deadline_missed",)
        assert (await running.context.pipeline.grade(picture(1))).grade
        assert held.sizes == [1]


@pytest.mark.usefixtures("champion")
async def test_a_dry_run_keeps_nothing(service: Service, home: Path) -> None:
    async with service() as running:
        grading = await running.context.pipeline.grade(picture(1), Order(dry_run=True))
        assert grading.grade
        assert grading.photograph is None
        assert on_record(running) == []
    assert not (home / "photographs").exists()


@pytest.mark.usefixtures("champion")
async def test_photographs_need_not_be_kept(service: Service, home: Path) -> None:
    async with service(keep="none") as running:
        grading = await running.context.pipeline.grade(picture(1))
        assert on_record(running) == [grading]
        assert grading.photograph is None
    assert not (home / "photographs").exists()


@pytest.mark.usefixtures("champion")
async def test_without_records_there_is_no_database(service: Service, home: Path) -> None:
    async with service(records="off") as running:
        assert (await running.context.pipeline.grade(picture(1))).grade
    assert not (home / "senka.db").exists()
    assert not (home / "photographs").exists()


async def test_without_a_model_a_photograph_is_refused(service: Service) -> None:
    async with service() as running:
        with pytest.raises(ModelNotReady):
            await running.context.pipeline.grade(picture(1))


@pytest.mark.usefixtures("champion")
async def test_what_is_no_photograph_is_refused_before_the_queue(service: Service) -> None:
    async with service(max_pixels=2000) as running:
        grade = running.context.pipeline.grade
        with pytest.raises(TooManyPixels):
            await grade(declares(30_000, 30_000))
        with pytest.raises(UndecodableImage):
            await grade(picture(1)[:-200])
        with pytest.raises(UndecodableImage):
            await grade(picture(1, "png")[:-60])
        assert on_record(running) == []


@pytest.mark.usefixtures("champion")
async def test_a_queue_that_is_full_refuses_and_loses_nobody(service: Service) -> None:
    async with service(max_queue=3, max_batch=4) as running:
        held = HeldNetwork(running)
        grade = running.context.pipeline.grade
        accepted = [asyncio.create_task(grade(picture(0)))]
        await until(held.began.is_set)
        accepted += [asyncio.create_task(grade(picture(n))) for n in (1, 2, 3)]
        await asyncio.sleep(0)
        with pytest.raises(Overloaded):
            await grade(picture(4))
        held.gate.set()
        assert all(one.grade for one in await asyncio.gather(*accepted))
        assert len(on_record(running)) == 4


@pytest.mark.usefixtures("champion")
async def test_photographs_that_wait_for_a_decoder_are_bounded_too(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = threading.Event()
    decode = pipeline_module.decode

    def slow(*args: Any) -> Any:
        assert gate.wait(20)
        return decode(*args)

    monkeypatch.setattr(pipeline_module, "decode", slow)
    async with service(max_queue=3) as running:
        grade = running.context.pipeline.grade
        accepted = [asyncio.create_task(grade(picture(n, "png"))) for n in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(Overloaded):
            await grade(picture(4, "png"))
        gate.set()
        assert all(one.grade for one in await asyncio.gather(*accepted))
        assert (await grade(picture(4, "png"))).grade


@pytest.mark.usefixtures("champion")
async def test_waiting_photographs_share_a_batch(service: Service) -> None:
    async with service(max_batch=8) as running:
        held = HeldNetwork(running)
        first = asyncio.create_task(running.context.pipeline.grade(picture(0)))
        await until(held.began.is_set)
        rest = [asyncio.create_task(running.context.pipeline.grade(picture(n))) for n in range(1, 6)]
        await asyncio.sleep(0)
        held.gate.set()
        gradings = await asyncio.gather(first, *rest)
    assert [one.batch_size for one in gradings] == [1, 5, 5, 5, 5, 5]


@pytest.mark.parametrize("side", [16, 24])
async def test_a_champion_that_changes_between_decoding_and_the_queue_loses_nothing(
    service: Service, champion: ModelRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, side: int
) -> None:
    """With another input size too: the photograph is prepared again, as the new one wants it."""
    gate, decoding = threading.Event(), threading.Event()
    decode = pipeline_module.decode

    def slow(*args: Any) -> Any:
        pixels = decode(*args)
        decoding.set()
        assert gate.wait(20)
        return pixels

    monkeypatch.setattr(pipeline_module, "decode", slow)
    async with service() as running:
        context = running.context
        waiting = [asyncio.create_task(context.pipeline.grade(picture(n, "png"))) for n in range(6)]
        await until(decoding.is_set)
        old = context.champion.current
        champion.publish(make_model(tmp_path / "next.onnx", seed=9, spec=PreprocessSpec(width=side, height=side)), promote=True)
        await context.champion.refresh()
        await until(lambda: old.batcher._worker.done())
        gate.set()
        gradings = await asyncio.gather(*waiting)
        assert [one.model.version for one in gradings] == [2] * 6
        assert len(on_record(running)) == 6
        expected = context.champion.current.model
        inputs = [expected.card.preprocess.from_bytes(picture(n, "png")) for n in range(6)]
        for one, probabilities in zip(gradings, expected.probabilities(inputs), strict=True):
            np.testing.assert_allclose(list(one.probabilities.values()), probabilities, atol=1e-5)


async def test_photographs_in_the_old_models_queue_are_graded_by_the_old_model(
    service: Service, champion: ModelRepository, tmp_path: Path
) -> None:
    async with service() as running:
        held = HeldNetwork(running)
        accepted = [asyncio.create_task(running.context.pipeline.grade(picture(n))) for n in range(4)]
        await until(held.began.is_set)
        champion.publish(make_model(tmp_path / "next.onnx", seed=9, spec=PreprocessSpec(width=24, height=24)), promote=True)
        await running.context.champion.refresh()
        assert (await running.context.pipeline.grade(picture(9))).model.version == 2  # the new one does not wait for the old
        held.gate.set()
        assert [one.model.version for one in await asyncio.gather(*accepted)] == [1, 1, 1, 1]


async def test_a_champion_that_changes_while_draining_loses_nothing(
    service: Service, champion: ModelRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, decoding = threading.Event(), threading.Event()
    decode = pipeline_module.decode

    def slow(*args: Any) -> Any:
        decoding.set()
        assert gate.wait(20)
        return decode(*args)

    monkeypatch.setattr(pipeline_module, "decode", slow)
    async with service() as running:
        context = running.context
        accepted = asyncio.create_task(context.pipeline.grade(picture(1, "png")))
        await until(decoding.is_set)
        old = context.champion.current
        champion.publish(make_model(tmp_path / "next.onnx", seed=9), promote=True)
        await context.champion.refresh()
        await until(lambda: old.batcher._worker.done())
        context.pipeline.draining = True
        gate.set()
        assert (await accepted).model.version == 2


@pytest.mark.usefixtures("champion")
async def test_draining_refuses_new_ones_and_finishes_the_accepted(service: Service) -> None:
    async with service() as running:
        held = HeldNetwork(running)
        accepted = [asyncio.create_task(running.context.pipeline.grade(picture(n))) for n in range(3)]
        await until(held.began.is_set)
        closing = asyncio.create_task(running.context.pipeline.close())
        await asyncio.sleep(0)
        with pytest.raises(Draining):
            await running.context.pipeline.grade(picture(9))
        held.gate.set()
        assert all(one.grade for one in await asyncio.gather(*accepted))
        await closing
        assert len(on_record(running)) == 3


@pytest.mark.usefixtures("champion")
async def test_a_camera_that_hangs_up_while_its_grading_is_kept_undoes_nothing(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with service() as running:
        records = running.context.records
        assert records is not None
        gate, keeping = threading.Event(), threading.Event()
        recording = running.context.pipeline._recording
        assert recording is not None

        def slow(entries: Any) -> Any:
            keeping.set()
            assert gate.wait(20)
            return records.add(entries)

        monkeypatch.setattr(recording._batcher, "_run", slow)
        gone = asyncio.create_task(running.context.pipeline.grade(picture(1)))
        await until(keeping.is_set)
        stays = asyncio.create_task(running.context.pipeline.grade(picture(2)))
        gone.cancel()
        gate.set()
        await asyncio.wait([gone])
        await stays
        assert len(on_record(running)) == 2
