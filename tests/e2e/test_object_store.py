"""Photographs in an object store that goes away and comes back, under a service that is killed meanwhile."""

import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from service.records.folder import ContentFolder
from tests.e2e.conftest import Serve
from tests.e2e.live import LiveService
from tests.e2e.object_store import CREDENTIALS, ObjectStore, object_store
from tests.service.pictures import picture


@pytest.fixture
def store() -> Iterator[ObjectStore]:
    with object_store() as running:
        yield running


@pytest.fixture
def settings(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    return {"image_store": "s3://photographs/senka", "image_store_endpoint": store.url, "workers": 2}


def key(photograph: bytes) -> str:
    return f"{sha256(photograph).hexdigest()}.jpg"


def post(service: LiveService, photographs: list[bytes]) -> dict[str, bytes]:
    """Ids and the photographs behind them; every one must be answered."""
    answers = [(service.grade(photograph), photograph) for photograph in photographs]
    assert {answer.status for answer, _ in answers} == {200}
    return {answer.json["id"]: photograph for answer, photograph in answers}


def test_an_outage_and_a_kill_lose_no_photograph(home: Path, serve: Serve, store: ObjectStore, settings: dict[str, Any]) -> None:
    photographs = [picture(number) for number in range(60)]
    assert len(set(photographs)) == 60
    spool = ContentFolder(home / "photographs")
    with serve(home, **settings) as service:
        posted = post(service, photographs[:20])
        store.wait_for({key(photograph) for photograph in photographs[:20]})
        store.down()
        posted |= post(service, photographs[20:40])
        away = service.get(f"/v1/gradings/{next(iter(posted))}/image")
        assert (away.status, away.json["code"]) == (503, "photograph_unavailable")
        assert {name for name, _ in spool.files()} >= {key(photograph) for photograph in photographs[20:40]}
        service.kill()
    with serve(home, **settings) as service:
        posted |= post(service, photographs[40:])
        for grading_id, photograph in list(posted.items())[20:]:
            assert service.get(f"/v1/gradings/{grading_id}/image").body == photograph, "it waits here, so it can be seen"
        store.up()
        store.wait_for({key(photograph) for photograph in photographs})
        for grading_id, photograph in posted.items():
            image = service.get(f"/v1/gradings/{grading_id}/image")
            assert (image.status, image.body) == (200, photograph)
        end = time.monotonic() + 30
        while list(spool.files()) and time.monotonic() < end:
            time.sleep(0.1)
        assert not list(spool.files())
    assert len(store.objects()) == 60


def test_a_full_spool_costs_photographs_but_no_gradings(
    home: Path, serve: Serve, store: ObjectStore, settings: dict[str, Any]
) -> None:
    photographs = [picture(number) for number in range(200, 240)]
    store.down()
    limit = 5 * max(map(len, photographs))
    with serve(home, **settings, spool_bytes=limit) as service:
        posted = post(service, photographs)
        waiting = {name for name, _ in ContentFolder(home / "photographs").files()}
        # each of two workers looks every half second how much waits, and counts its own meanwhile
        assert 5 <= len(waiting) < 40
        store.up()
        store.wait_for(waiting)
        seen = [service.get(f"/v1/gradings/{grading_id}/image") for grading_id in posted]
        assert {answer.status for answer in seen} == {200, 404}
        assert sum(answer.status == 200 for answer in seen) == len(waiting)
        end = time.monotonic() + 30
        more = photographs[0]
        while key(picture(999)) not in store.objects() and time.monotonic() < end:
            more = picture(999)
            assert service.grade(more).status == 200
            time.sleep(0.2)
        assert key(more) in store.objects(), "there is room again"
