"""Explanations of a real `senka serve`: many clients at once, hang-ups, a service without torch, and an end without leftovers."""

import http.client
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.e2e.conftest import Serve
from tests.e2e.live import Answer, LiveService
from tests.service.explain.published import exported, repository_of
from tests.service.pictures import picture

pytestmark = pytest.mark.alone  # whoever explains gives way to all others, and would wait for the tests of other processes

CLIENTS = 8
QUESTIONS: list[tuple[str, dict[str, str], int | None]] = [
    ("method=cam", {}, 1),
    ("method=contrastive_cam&target=S", {}, 2),
    ("method=grad_cam&layer=conv2", {}, 3),
    ("method=grad_cam_pp", {"Accept": "image/png"}, 1),
    ("method=layer_cam&layer=relu1", {"Accept": "application/x-npy"}, 2),
    ("method=saliency", {}, 3),
    ("method=smooth_grad&samples=8&seed=4", {}, 1),
    ("method=integrated_gradients&steps=32", {}, 2),
    ("method=guided_backprop", {"Accept": "application/x-npy"}, 3),
    ("method=guided_grad_cam&overlay=true", {"Accept": "image/png"}, 1),
    ("method=occlusion&fill=grey", {}, 2),
    ("method=deconvolution&layer=relu2&channel=3", {}, 3),
    ("method=feature_maps&layer=relu2", {"Accept": "application/x-npy"}, 1),
    ("method=filters&layer=conv2", {"Accept": "application/x-npy"}, None),
    ("method=activation_maximization&layer=conv1&steps=4&seed=9", {}, None),
    ("method=deepdream&octaves=2&steps=2&seed=3&frames=2", {}, 2),
]
SLOW = "method=activation_maximization&layer=conv2&steps=200&octaves=6&size_px=320"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SENKA_HOME with a LeNet and its checkpoint; nothing is ever recorded there."""
    home = tmp_path_factory.mktemp("explained") / "home"
    files = exported(home.parent / "files")
    repository_of(home).publish(files.model, promote=True, checkpoint=files.checkpoint)
    return home


@pytest.fixture
def explaining(serve: Serve, made: Path) -> Iterator[LiveService]:
    with serve(made, records="off", explain_cache_bytes=0, explain_queue=CLIENTS) as service:
        yield service


def explain(service: LiveService, question: tuple[str, dict[str, str], int | None]) -> Answer:
    query, headers, photograph = question
    body = None if photograph is None else picture(photograph, size=(50, 31))
    return service.request("POST", f"/v1/explain?{query}", body, headers)


def libraries(process: psutil.Process) -> str:
    return Path(f"/proc/{process.pid}/maps").read_text()


def explainers(service: LiveService) -> list[psutil.Process]:
    """The fork server and its workers: the processes under the service that have torch."""
    return [child for child in psutil.Process(service.process.pid).children(recursive=True) if "libtorch" in libraries(child)]


def test_clients_at_once_get_bit_for_bit_what_one_gets_in_turn(explaining: LiveService) -> None:
    expected = [explain(explaining, question) for question in QUESTIONS]
    assert [answer.status for answer in expected] == [200] * len(QUESTIONS), [a.body[:200] for a in expected if a.status != 200]
    different: list[str] = []

    def ask_all(first: int) -> None:
        for offset in range(len(QUESTIONS)):
            number = (first * 2 + offset) % len(QUESTIONS)
            answer = explain(explaining, QUESTIONS[number])
            if (answer.status, answer.body) != (200, expected[number].body):
                different.append(f"{QUESTIONS[number][0]}: {answer.status} {answer.body[:100]!r}")

    clients = [threading.Thread(target=ask_all, args=(number,)) for number in range(CLIENTS)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    assert different == []
    assert "libtorch" not in libraries(psutil.Process(explaining.process.pid))
    assert explainers(explaining)


def test_a_service_that_only_grades_starts_no_worker(explaining: LiveService) -> None:
    assert explaining.grade(picture(1), "explain=cam").json["explanation"]["maps"]
    assert explainers(explaining) == []


def test_a_client_that_hangs_up_frees_its_place(serve: Serve, made: Path) -> None:
    with serve(made, records="off", explain_queue=1) as service:
        assert explain(service, QUESTIONS[0]).status == 200
        slow = hang_up_on(service, SLOW)
        time.sleep(0.3)  # the worker is busy with it
        waiting = hang_up_on(service, "method=filters")
        time.sleep(0.3)
        refused = explain(service, QUESTIONS[1])
        assert (refused.status, refused.json["code"], refused.headers["retry-after"]) == (429, "too_many_explanations", "1")
        waiting.close()
        time.sleep(1.5)
        answers: list[Answer] = []
        late = threading.Thread(target=lambda: answers.append(explain(service, QUESTIONS[2])))
        late.start()
        time.sleep(0.5)
        assert late.is_alive() or answers[0].status == 200  # it waits, and is not refused
        (worker,) = [process for process in explainers(service) if not process.children()]
        worker.kill()  # the slow job would take a minute
        late.join(30)
        assert answers[0].status == 200
        slow.close()


def hang_up_on(service: LiveService, query: str) -> http.client.HTTPConnection:
    connection = service.connection()
    connection.request("POST", f"/v1/explain?{query}")
    return connection


def test_a_stop_waits_for_no_explanation_and_leaves_no_process(serve: Serve, made: Path) -> None:
    with serve(made, records="off") as service:
        assert explain(service, QUESTIONS[0]).status == 200
        connection = hang_up_on(service, SLOW)
        time.sleep(0.5)
        started = psutil.Process(service.process.pid).children(recursive=True)
        assert explainers(service)
        began = time.monotonic()
        assert service.stop() == 0, service.said
        assert time.monotonic() - began < 6
        response = connection.getresponse()
        assert (response.status, b"draining" in response.read()) == (503, True)
        connection.close()
        _, alive = psutil.wait_procs(started, timeout=5)
        assert alive == []
        assert "Traceback" not in service.said
        assert "leaked" not in service.said


def test_workers_explain_each_beside_its_own_service(serve: Serve, made: Path) -> None:
    with serve(made, workers=2, records="off") as service:
        answers = [explain(service, QUESTIONS[2]) for _ in range(12)]
        assert {answer.status for answer in answers} == {200}
        assert len({answer.body for answer in answers}) == 1
        started = psutil.Process(service.process.pid).children(recursive=True)
        assert service.stop() == 0, service.said
        _, alive = psutil.wait_procs(started, timeout=5)
        assert alive == []
        assert "Traceback" not in service.said


def test_a_killed_service_takes_its_workers_along(serve: Serve, made: Path) -> None:
    with serve(made, records="off") as service:
        explain(service, QUESTIONS[0])
        slow = hang_up_on(service, SLOW)
        time.sleep(0.3)
        started = psutil.Process(service.process.pid).children(recursive=True)
        service.process.kill()
        service.process.wait()
        _, alive = psutil.wait_procs(started, timeout=10)
        slow.close()
        assert alive == []


def test_the_memory_for_explanations_answers_again(serve: Serve, made: Path) -> None:
    with serve(made, records="off") as service:
        first: Any = explain(service, QUESTIONS[7])
        for process in explainers(service):
            process.suspend()  # nobody could compute it now
        again = explain(service, QUESTIONS[7])
        for process in explainers(service):
            process.resume()
    assert again.body == first.body
