"""`GET /v1/gradings/{grading_id}/similar`: fruit that look alike to the network."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import update

from models.preprocess import PreprocessSpec
from service import looks, similar
from service.api.similar import SimilarFruit
from service.records import similar as records_similar
from service.records.repository import Entry
from service.records.tables import gradings
from service.schemas import Problem
from tests.service.api.test_review import embedding, lose, post  # noqa: F401
from tests.service.gradings import grading
from tests.service.pictures import picture
from tests.service.running import Running

pytestmark = pytest.mark.anyio

Service = Callable[..., AbstractAsyncContextManager[Running]]


async def ask(running: Running, grading_id: str, query: str = "", status: int = 200) -> Any:
    response = await running.client.get(f"/v1/gradings/{grading_id}/similar{query}")
    assert response.status_code == status, response.text
    (SimilarFruit if status == 200 else Problem).model_validate(response.json())
    return response.json()


def cosines(numbers: list[int]) -> np.ndarray:
    """1 - cosine between the embeddings of pictures, which are the pictures themselves."""
    spec = PreprocessSpec(width=16, height=16)
    flat = np.array([spec.from_bytes(picture(number)).reshape(-1) for number in numbers], np.float64) / 255 - 0.5
    units = flat / np.linalg.norm(flat, axis=1, keepdims=True)
    return np.asarray(1 - units @ units.T)


@pytest.mark.usefixtures("embedding")
async def test_the_nearest_by_embedding_come_first(service: Service) -> None:
    async with service(keep="all") as running:
        made = [await post(running, number) for number in range(12)]
        again = await post(running, 0)  # the same photograph tells nobody anything
        found = await ask(running, made[0]["id"])
        assert (found["by"], found["compared"], len(found["gradings"])) == ("embedding", 11, 11)
        shown = [one["id"] for one in found["gradings"]]
        assert not {made[0]["id"], again["id"]} & set(shown)
        apart = cosines(list(range(12)))[0]
        places = {one["id"]: number for number, one in enumerate(made)}
        assert [places[one] for one in shown] == [int(n) for n in np.argsort(apart, kind="stable") if n != 0]
        distances = [one["distance"] for one in found["gradings"]]
        assert distances == pytest.approx(sorted(apart[1:]), abs=2e-4)
        (answered,) = [one for one in made if one["id"] == shown[0]]
        assert {name: found["gradings"][0][name] for name in answered} == answered
        two = await ask(running, made[0]["id"], "?limit=2")
        assert [one["id"] for one in two["gradings"]] == shown[:2]


@pytest.mark.usefixtures("champion")
async def test_without_an_embedding_by_probabilities(service: Service) -> None:
    async with service(keep="all") as running:
        made = [await post(running, number) for number in range(8)]
        found = await ask(running, made[3]["id"], "?limit=3")
        assert (found["by"], found["compared"], len(found["gradings"])) == ("probabilities", 7, 3)
        vectors = np.array([list(one["probabilities"].values()) for one in made])
        units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        nearest = np.sort(np.delete(1 - units @ units[3], 3))[:3]
        assert [one["distance"] for one in found["gradings"]] == pytest.approx(nearest, abs=2e-4)


@pytest.mark.usefixtures("embedding")
async def test_what_is_gone_is_not_shown_and_what_was_gone_is_still_compared(service: Service, home: Path) -> None:
    async with service(keep="all") as running:
        made = [await post(running, number) for number in range(6)]
        records = running.context.records
        assert records is not None
        with records.engine.begin() as connection:
            gone = update(gradings).where(gradings.c.id == made[1]["id"])
            connection.execute(gone.values(photograph_deleted_at=datetime.now(UTC)))
        found = await ask(running, made[0]["id"])
        assert (found["by"], found["compared"]) == ("embedding", 4)
        assert made[1]["id"] not in [one["id"] for one in found["gradings"]]
        of_the_gone = await ask(running, made[1]["id"])
        assert (of_the_gone["by"], of_the_gone["compared"]) == ("probabilities", 5)
        lost = await post(running, 6)
        lose(home, records.get(lost["id"]).photograph)  # type: ignore[union-attr, arg-type]
        assert (await ask(running, lost["id"]))["by"] == "probabilities"
        assert lost["id"] not in [one["id"] for one in (await ask(running, made[0]["id"]))["gradings"]]


@pytest.mark.usefixtures("embedding")
async def test_no_longer_than_there_is_time(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(similar, "WITHIN_S", 1.5)
    async with service(keep="all") as running:
        made = [await post(running, number) for number in range(30)]
        at = iter(range(1000))
        clock = type("Clock", (), {"monotonic": staticmethod(lambda: float(next(at)))})
        monkeypatch.setattr(looks, "time", clock)  # every look at it is a second later: there is time for one batch
        first = await ask(running, made[0]["id"])
        assert (first["by"], first["compared"]) == ("probabilities", 29)
        second = await ask(running, made[0]["id"])
        assert (second["by"], second["compared"]) == ("embedding", 15)
        for _ in range(3):
            last = await ask(running, made[0]["id"])
        assert last["compared"] == 29
        nearest = [int(n) for n in np.argsort(cosines(list(range(30)))[0], kind="stable") if n != 0]
        assert [one["id"] for one in last["gradings"]] == [made[number]["id"] for number in nearest[:12]]


@pytest.mark.usefixtures("embedding")
async def test_only_the_newest_are_compared(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records_similar, "COMPARED", 5)
    async with service(keep="all") as running:
        made = [await post(running, number) for number in range(9)]
        found = await ask(running, made[0]["id"])
        assert {one["id"] for one in found["gradings"]} == {one["id"] for one in made[4:]}
        monkeypatch.setattr(records_similar, "LOOKED_AT", 2)
        assert len((await ask(running, made[0]["id"]))["gradings"]) == 2


async def test_what_cannot_be_asked(service: Service) -> None:
    async with service() as running:
        one = grading(0, grade=None)
        running.context.records.add([Entry(one)])  # type: ignore[union-attr]
        assert await ask(running, one.id) == {"gradings": [], "by": "probabilities", "compared": 0}
        assert (await ask(running, "nothing", status=404))["code"] == "grading_not_found"
        for query in ("?limit=0", "?limit=51", "?limit=x", "?line=1"):
            assert (await ask(running, one.id, query, 422))["code"] == "invalid_request"
    async with service(records="off") as running:
        assert (await ask(running, one.id, status=404))["code"] == "grading_not_found"
