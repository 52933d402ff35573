"""Many cameras at once: each gets the answer of its own photograph, whatever batch it travelled in."""

import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from models.preprocess import PreprocessSpec
from tests.e2e.conftest import Serve, repository_of
from tests.e2e.live import LiveService, ask
from tests.service.models import make_model
from tests.service.pictures import picture

CLIENTS = 64
EACH = 10
TOLERANCE = 1e-5


@pytest.fixture(scope="module")
def photographs() -> list[bytes]:
    """One of its own for every request, in all formats, so that some decode inline and some in threads."""
    kinds = ("jpeg", "jpeg", "jpeg", "png", "webp", "bmp")
    return [picture(number, kinds[number % len(kinds)], size=(32, 32)) for number in range(CLIENTS * EACH)]


@pytest.fixture
def heavier(tmp_path: Path) -> Path:
    """A home whose champion takes long enough for a batch to form."""
    home = tmp_path / "home"
    spec = PreprocessSpec(width=32, height=32)
    repository_of(home).publish(make_model(tmp_path / "heavier.onnx", spec=spec, hidden=1024), promote=True)
    return home


def one_by_one(service: LiveService, photographs: list[bytes]) -> list[dict[str, float]]:
    with closing(service.connection()) as connection:
        answers = [ask(connection, "POST", "/v1/grade?dry_run=true", data).json for data in photographs]
    assert {answer["batch_size"] for answer in answers} == {1}
    return [answer["probabilities"] for answer in answers]


def all_at_once(service: LiveService, photographs: list[bytes]) -> list[dict[str, Any]]:
    """Each client posts its photographs one after the other on a connection it keeps; the answers in order."""
    answers: list[Any] = [None] * len(photographs)
    together = threading.Barrier(CLIENTS)

    def client(number: int) -> None:
        with closing(service.connection()) as connection:
            connection.connect()
            together.wait(30)
            for index in range(number, len(photographs), CLIENTS):
                answers[index] = ask(connection, "POST", f"/v1/grade?camera={index}", photographs[index])

    threads = [threading.Thread(target=client, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [answer.status for answer in answers] == [200] * len(photographs)
    return [answer.json for answer in answers]


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_every_camera_gets_the_answer_of_its_own_photograph(
    serve: Serve, heavier: Path, photographs: list[bytes], workers: int
) -> None:
    with serve(heavier, workers, deadline_ms=60_000) as service:
        alone = one_by_one(service, photographs)
        assert len({tuple(answer.values()) for answer in alone}) == len(photographs)  # no two are alike
        batches = service.metric("senka_batch_size_sum"), service.metric("senka_batch_size_count")
        answers = all_at_once(service, photographs)

        for index, (answer, expected) in enumerate(zip(answers, alone, strict=True)):
            assert answer["camera"] == str(index)
            assert max(abs(answer["probabilities"][grade] - expected[grade]) for grade in expected) < TOLERANCE
        graded = service.metric("senka_batch_size_sum") - batches[0]
        runs = service.metric("senka_batch_size_count") - batches[1]
        assert graded == len(photographs)
        assert graded / runs > 1.5, f"{graded} photographs in {runs} runs"
        assert max(answer["batch_size"] for answer in answers) > 4

        with closing(service.connection()) as connection:
            for index, answer in enumerate(answers):
                path = f"/v1/gradings/{answer['id']}"
                assert ask(connection, "GET", path).json == answer
                if index % 16 == 0:
                    assert ask(connection, "GET", f"{path}/image").body == photographs[index]
        assert service.get("/v1/stats").json["total"] == len(photographs) == len({answer["id"] for answer in answers})


def test_more_than_the_queue_holds_is_refused_and_the_rest_is_graded(
    serve: Serve, heavier: Path, photographs: list[bytes]
) -> None:
    with serve(heavier, max_queue=4, max_batch=2, deadline_ms=60_000) as service:
        refused: list[str] = []
        graded: list[str] = []

        def client(number: int) -> None:
            with closing(service.connection()) as connection:
                for data in photographs[number * EACH : (number + 1) * EACH]:
                    answer = ask(connection, "POST", "/v1/grade", data)
                    if answer.status == 200:
                        graded.append(answer.json["id"])
                    else:
                        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
                        refused.append(answer.json["code"])

        threads = [threading.Thread(target=client, args=(number,)) for number in range(32)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert len(graded) + len(refused) == 32 * EACH
        assert set(refused) == {"overloaded"}
        assert graded
        assert service.get("/v1/stats").json["total"] == len(graded)
        assert service.metric("senka_rejected_total") == len(refused)
