"""`GET /v1/review`: what to label next, by the looks that the model in service sees."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from models.repository import ModelRepository
from service import looks
from service.api.review import ReviewQuery, ReviewQueue
from service.schemas import Problem
from tests.service.models import make_model
from tests.service.pictures import picture
from tests.service.running import Running

pytestmark = pytest.mark.anyio

Service = Callable[..., AbstractAsyncContextManager[Running]]


def make_embedding(path: Path) -> Path:
    """A tiny model whose embedding is the photograph itself, laid flat."""
    model = onnx.load(make_model(path))
    model.graph.node.append(helper.make_node("Identity", ["flat"], ["embedding"]))
    model.graph.output.append(helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["N", 16 * 16 * 3]))
    onnx.save(model, path)
    return path


@pytest.fixture
def embedding(repository: ModelRepository, tmp_path: Path) -> ModelRepository:
    repository.publish(make_embedding(tmp_path / "embedding.onnx"), "first", promote=True)
    return repository


async def post(running: Running, number: int, **query: str) -> dict[str, Any]:
    response = await running.client.post("/v1/grade", content=picture(number), params=query)
    assert response.status_code == 200, response.text
    return response.json()  # type: ignore[no-any-return]


async def ask(running: Running, query: str = "", status: int = 200) -> Any:
    response = await running.client.get(f"/v1/review{query}")
    assert response.status_code == status, response.text
    if status == 200:
        ReviewQueue.model_validate(response.json())
    else:
        Problem.model_validate(response.json())
    return response.json()


def lose(home: Path, key: str) -> None:
    """As a disk does: the record still says that the photograph is there."""
    (file,) = home.rglob(key)
    file.unlink()


EVERYTHING_IS_MANUAL = {"manual_below": 1.0, "keep_share": 0.0}


@pytest.mark.usefixtures("embedding")
async def test_no_two_of_the_same_look_come_first(service: Service) -> None:
    async with service(**EVERYTHING_IS_MANUAL) as running:
        made = [await post(running, number) for number in [1] * 10 + [2] * 10 + [3, 4]]
        found = await ask(running)
        assert (found["considered"], found["diversity"], len(found["gradings"])) == (22, "embedding", 20)
        looks = [tuple(one["probabilities"].values()) for one in found["gradings"]]
        assert len(set(looks[:4])) == 4
        first = found["gradings"][0]
        assert first["score"] == pytest.approx(1 - first["confidence"] + first["runner_up"]["probability"], abs=1e-4)
        assert first["score"] == max(one["score"] for one in found["gradings"])
        assert first["why"] == ["unsure"]
        assert "It went to the manual lane." in first["because"]
        (answered,) = [one for one in made if one["id"] == first["id"]]
        assert {name: first[name] for name in answered} == answered


@pytest.mark.usefixtures("embedding")
async def test_what_was_embedded_is_not_read_again(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    async with service(**EVERYTHING_IS_MANUAL) as running:
        for number in range(12):
            await post(running, number)
        photographs = running.context.records.photographs  # type: ignore[union-attr]
        read: list[str] = []
        get = photographs.get
        monkeypatch.setattr(photographs, "get", lambda key: read.append(key) or get(key))
        first = await ask(running)
        assert len(read) == 12
        assert await ask(running) == first
        await post(running, 99)
        await ask(running)
        assert len(read) == 13


@pytest.mark.usefixtures("champion")
async def test_without_an_embedding_probabilities_tell_looks_apart(service: Service) -> None:
    async with service(**EVERYTHING_IS_MANUAL) as running:
        for number in [1] * 10 + [2, 3, 4]:
            await post(running, number)
        found = await ask(running, "?limit=4")
        assert found["diversity"] == "probabilities"
        assert len({tuple(one["probabilities"].values()) for one in found["gradings"]}) == 4


@pytest.mark.usefixtures("embedding")
async def test_what_takes_too_long_is_ordered_by_probabilities_and_goes_on_next_time(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with service(**EVERYTHING_IS_MANUAL) as running:
        for number in range(20):
            await post(running, number)
        at = iter(range(0, 1000, 1))
        clock = type("Clock", (), {"monotonic": staticmethod(lambda: float(next(at)))})
        monkeypatch.setattr(looks, "time", clock)  # every look at it is a second later: three batches do not fit in two
        assert (await ask(running))["diversity"] == "probabilities"
        assert (await ask(running))["diversity"] == "embedding"


@pytest.mark.usefixtures("embedding")
async def test_a_new_model_sees_other_looks(service: Service, repository: ModelRepository, tmp_path: Path) -> None:
    async with service(**EVERYTHING_IS_MANUAL) as running:
        for number in range(3):
            await post(running, number)
        assert (await ask(running))["diversity"] == "embedding"
        repository.publish(make_model(tmp_path / "plain.onnx", seed=2), "plain", promote=True)
        await running.context.champion.refresh()
        assert (await ask(running))["diversity"] == "probabilities"


@pytest.mark.usefixtures("embedding")
async def test_what_is_corrected_or_gone_is_left_out(service: Service, home: Path) -> None:
    async with service(**EVERYTHING_IS_MANUAL) as running:
        one, two, three = [await post(running, number) for number in range(3)]
        body = {"grading_id": one["id"], "grade": one["grade"]}
        assert (await running.client.post("/v1/corrections", json=body)).status_code == 201
        lose(home, running.context.records.get(two["id"]).photograph)  # type: ignore[union-attr]
        found = await ask(running)
        assert [each["id"] for each in found["gradings"]] == [three["id"]]


@pytest.mark.usefixtures("embedding")
async def test_the_audit_has_its_places(service: Service) -> None:
    async with service(manual_below=0.0, keep_share=1.0) as running:
        for number in range(30):
            await post(running, number)
        found = await ask(running, "?why=audit&limit=100")
        assert (len(found["gradings"]), found["diversity"]) == (30, None)
        assert all("audit" in one["why"] and "Drawn by lot" in one["because"] for one in found["gradings"])
        everything = await ask(running, "?limit=15")
        by_lot = [one["id"] for one in found["gradings"]]
        others = [one["id"] for place, one in enumerate(everything["gradings"]) if place not in (4, 14)]
        expected = next(one for one in by_lot if one not in others[:4])
        assert everything["gradings"][4]["id"] == expected
        assert (await ask(running, "?why=disagreement"))["gradings"] == []
        only = await ask(running, "?why=unsure&limit=100")
        assert all("unsure" in one["why"] for one in only["gradings"])


@pytest.mark.usefixtures("embedding")
async def test_lines_lots_and_times(service: Service) -> None:
    async with service(**EVERYTHING_IS_MANUAL) as running:
        one = await post(running, 1, line="1", lot="A")
        two = await post(running, 2, line="2", lot="A")
        for query, expected in (
            ("?line=1", {one["id"]}),
            ("?lot=A", {one["id"], two["id"]}),
            ("?line=2&lot=B", set()),
            (f"?since={two['received_at']}&line=1", set()),
            ("?until=2020-01-01T00:00:00Z", set()),
        ):
            assert {each["id"] for each in (await ask(running, query))["gradings"]} == expected, query


async def test_what_cannot_be_asked(service: Service) -> None:
    async with service() as running:
        assert await ask(running) == {"gradings": [], "considered": 0, "diversity": None}
        for query in ("?limit=0", "?limit=101", "?why=boredom", "?cursor=x", "?since=yesterday", "?line=%00"):
            assert (await ask(running, query, 422))["code"] == "invalid_request"
    async with service(records="off") as running:
        assert (await ask(running, "", 409))["code"] == "records_off"


def test_the_default_is_the_last_seven_days() -> None:
    now = datetime(2026, 11, 24, 9, tzinfo=UTC)
    assert ReviewQuery().filters(now).since == now - timedelta(days=7)
    until = datetime(2026, 10, 1, tzinfo=UTC)
    assert ReviewQuery(until=until).filters(now).since == until - timedelta(days=7)
    assert ReviewQuery(until=datetime.min.replace(tzinfo=UTC)).filters(now).since == datetime.min.replace(tzinfo=UTC)


def test_embeddings_of_the_tiny_model_are_its_photographs(tmp_path: Path) -> None:
    from models.explain.neighbours import embed_served
    from models.graph import open_session

    session = open_session(make_embedding(tmp_path / "e.onnx").read_bytes())
    photographs = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3)).astype(np.uint8)
    assert embed_served(session, photographs) == pytest.approx(photographs.reshape(2, -1) / 255 - 0.5, abs=1e-6)
