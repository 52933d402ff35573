"""Start, stop, swap, crash: nothing that was answered is lost, nothing that was accepted goes without an answer."""

import json
import signal
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from http.client import HTTPException
from pathlib import Path

import pytest

from models.preprocess import PreprocessSpec
from tests.e2e import live
from tests.e2e.conftest import Serve, repository_of
from tests.e2e.live import Answer, LiveService, ask, senka
from tests.service.models import make_model
from tests.service.pictures import picture

PICTURES = [picture(number) for number in range(40)]


class Line:
    """Clients that post, by default without a pause, until they are stopped or refused; `answers` by when they were asked."""

    def __init__(self, service: LiveService, clients: int, pause_s: float = 0.0) -> None:
        self.answers: list[tuple[float, Answer]] = []
        self.broken: list[tuple[float, str]] = []
        self._service, self._pause_s = service, pause_s
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._post, args=(number,)) for number in range(clients)]

    def __enter__(self) -> "Line":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join(40)

    def join(self) -> None:
        for thread in self._threads:
            thread.join(40)
            assert not thread.is_alive()

    def _post(self, number: int) -> None:
        connection = self._service.connection()
        asked = time.monotonic()
        try:
            while not self._stopped.wait(self._pause_s):
                asked = time.monotonic()
                number += 1
                self.answers.append((asked, ask(connection, "POST", f"/v1/grade?line={number}", PICTURES[number % 40])))
        except (OSError, HTTPException) as error:
            self.broken.append((asked, repr(error)))
        finally:
            connection.close()

    def statuses(self) -> Counter[int]:
        return Counter(answer.status for _, answer in self.answers)

    def graded(self) -> list[dict[str, object]]:
        return [answer.json for _, answer in self.answers if answer.status == 200]


def wait_for(condition: Callable[[], bool], within_s: float = 20.0) -> float:
    began = time.monotonic()
    while not condition():
        assert time.monotonic() < began + within_s, "it did not happen in time"
        time.sleep(0.01)
    return time.monotonic() - began


def every_grading(service: LiveService) -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = {}
    cursor = ""
    while True:
        page = service.get(f"/v1/gradings?limit=500{cursor}").json
        found |= {one["id"]: one for one in page["gradings"]}
        if page["next_cursor"] is None:
            return found
        cursor = f"&cursor={page['next_cursor']}"


@pytest.mark.parametrize("workers", [1, 2])
def test_a_stop_under_load_answers_everything_it_accepted(serve: Serve, home: Path, workers: int) -> None:
    with serve(home, workers) as service:
        pages = [service.connection() for _ in range(2)]
        for page in pages:
            page.request("GET", "/v1/events")
        streams = [page.getresponse() for page in pages]
        assert streams[0].readline() == b"retry: 1000\n"
        with Line(service, 12) as line:
            wait_for(lambda: len(line.answers) > 200)
            asked_to_stop = time.monotonic()
            service.terminate()
            code = service.process.wait(15)
            took_s = time.monotonic() - asked_to_stop
            line.join()
        assert code == 0
        assert took_s < 8
        for stream, page in zip(streams, pages, strict=True):
            rest = stream.read()  # to its end, in order: an incomplete body would raise
            assert rest.endswith(b"\n\n")
            page.close()
        # whoever asked before was answered; who came after was refused, one way or the other
        assert [broken for broken in line.broken if broken[0] < asked_to_stop - 0.05] == []
        assert set(line.statuses()) <= {200, 503}
        refusals = [answer.json["code"] for _, answer in line.answers if answer.status == 503]
        assert set(refusals) <= {"draining"}
        assert "Traceback" not in service.said
        graded = line.graded()
    with serve(home) as again:
        on_record = every_grading(again)
        assert [one for one in graded if on_record.get(str(one["id"])) != one] == []


def test_a_service_without_a_champion_waits_for_one_and_then_grades(serve: Serve, tmp_path: Path) -> None:
    home = tmp_path / "empty"
    with serve(home, ready=False) as service:
        for answer in (service.get("/health/ready"), service.grade(PICTURES[0])):
            assert (answer.status, answer.json["code"], answer.headers["retry-after"]) == (503, "model_not_ready", "1")
        assert service.get("/health/live").status == 200
        assert service.get("/").status == 200
        model = make_model(tmp_path / "first.onnx")
        done = senka(home, "models", "publish", str(model), "--promote", "--json")
        assert done.returncode == 0, done.stderr
        assert service.wait_ready(within_s=20) < 4
        assert service.grade(PICTURES[0]).json["model"]["sha256"] == json.loads(done.stdout)["sha256"]


def test_promotion_and_rollback_under_load_lose_nothing(serve: Serve, home: Path, tmp_path: Path) -> None:
    repository = repository_of(home)
    with serve(home) as service:
        with Line(service, 8) as line:

            def answered_by(version: int, since: float) -> Callable[[], bool]:
                return lambda: any(a.json["model"]["version"] == version for t, a in line.answers[-20:] if t > since)

            wait_for(lambda: len(line.answers) > 50)
            steps = [
                lambda: (
                    repository.publish(
                        make_model(tmp_path / "next.onnx", seed=1, spec=PreprocessSpec(width=48, height=24)), promote=True
                    ).number
                ),
                lambda: repository.rollback().number,
                lambda: repository.promote(2).number,
            ]
            for step in steps:
                version = step()
                assert wait_for(answered_by(version, time.monotonic())) < 3
        assert line.broken == []
        assert set(line.statuses()) == {200}
        on_record = every_grading(service)
        assert all(on_record[str(one["id"])] == one for one in line.graded())
        assert service.metric("senka_model_info") == 1
        assert "Traceback" not in service.said


@pytest.mark.parametrize("workers", ["1", pytest.param("2", marks=pytest.mark.slow)])
def test_a_corrupt_champion_at_the_start_is_one_clear_line(home: Path, workers: str) -> None:
    model = repository_of(home).get("champion").path
    model.write_bytes(model.read_bytes()[:-50])
    done = senka(home, "serve", "--port", "0", "--workers", workers)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    reasons = [line for line in done.stderr.splitlines() if "is not the file that was published" in line]
    assert 1 <= len(reasons) <= int(workers)  # each worker says it
    assert "senka: " in reasons[0]
    assert done.stdout == ""


def test_a_corrupt_new_champion_leaves_the_old_one_in_service(serve: Serve, home: Path, tmp_path: Path) -> None:
    repository = repository_of(home)
    with serve(home) as service:
        newer = repository.publish(make_model(tmp_path / "next.onnx", seed=1))
        newer.path.write_bytes(b"not the model that was published")
        refused = senka(home, "models", "promote", "2")
        assert (refused.returncode, len(refused.stderr.splitlines())) == (1, 1)
        aliases = repository.folder / "aliases.json"
        aliases.write_text(json.dumps({**json.loads(aliases.read_text()), "champion": 2, "history": [1]}))
        wait_for(lambda: "version 2 was not loaded" in service.said)
        assert service.grade(PICTURES[0]).json["model"]["version"] == 1
        assert service.get("/v1/models").json["serving"] == 1
        assert "Traceback" not in service.said


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_port_in_use_is_one_clear_line(home: Path, workers: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = senka(home, "serve", "--port", str(taken.getsockname()[1]), "--workers", workers)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert len([line for line in done.stderr.splitlines() if "in use" in line]) == 1


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"SENKA_DATABASE_URL": "nosuchdatabase://here"}, "SENKA_DATABASE_URL or SENKA_HOME cannot be used"),
        ({"SENKA_MAX_BATCH": "many"}, "SENKA_MAX_BATCH: Input should be a valid integer"),
    ],
)
def test_a_setting_that_cannot_be_used_is_one_clear_line(
    home: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], says: str
) -> None:
    monkeypatch.setattr(live, "environment", lambda home, original=live.environment: {**original(home), **settings})
    done = senka(home, "serve", "--port", "0")
    assert done.returncode == 1
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_two_workers_share_the_line_and_their_figures_are_summed(serve: Serve, home: Path) -> None:
    with serve(home, workers=2) as service:
        wait_for(lambda: service.said.count("Application startup complete") == 2)
        with Line(service, 8) as line:
            wait_for(lambda: len(line.answers) >= 160)
        assert line.broken == []
        graded = len(line.graded())
        assert service.metric("senka_gradings_total") == graded
        assert service.metric("senka_stage_seconds_count") == 6 * graded
        assert service.metric("senka_queue_depth") == 0
        assert service.get("/v1/stats").json["total"] == graded == len(every_grading(service))
        assert service.said.count("model cucumber version 1 loaded") == 2


def test_a_worker_that_dies_is_replaced(serve: Serve, home: Path) -> None:
    with serve(home, workers=2) as service:
        wait_for(lambda: service.said.count("Application startup complete") == 2)
        workers = service.grading_processes()
        assert len(workers) == 2
        workers[0].kill()
        wait_for(lambda: service.said.count("Application startup complete") == 3)
        assert service.grade(PICTURES[0]).status == 200
        assert service.metric("senka_model_info") == 1  # the dead one's gauges are gone


@pytest.mark.parametrize("workers", [1, 2])
def test_a_crash_loses_nothing_that_was_acknowledged(serve: Serve, home: Path, workers: int) -> None:
    with serve(home, workers) as service:
        with Line(service, 8) as line:
            wait_for(lambda: len(line.answers) >= 100)
            service.kill()
        graded = line.graded()
        assert len(graded) >= 100
    with serve(home) as again:
        on_record = every_grading(again)
        with closing(again.connection()) as connection:
            for one in graded:
                assert on_record[str(one["id"])] == one
                photograph = ask(connection, "GET", f"/v1/gradings/{one['id']}/image")
                assert (photograph.status, photograph.body) == (200, PICTURES[int(str(one["line"])) % 40])
        assert again.grade(PICTURES[0]).status == 200


def test_a_page_sees_what_another_worker_grades(serve: Serve, home: Path) -> None:
    with serve(home, workers=2) as service:
        wait_for(lambda: service.said.count("Application startup complete") == 2)
        page = service.connection()
        page.request("GET", "/v1/events")
        stream = page.getresponse()
        assert stream.getheader("content-type") == "text/event-stream; charset=utf-8"
        assert stream.readline() == b"retry: 1000\n"
        made = {service.grade(PICTURES[n]).json["id"] for n in range(10)}  # a connection each: both workers get some
        while made:
            line = stream.readline()
            if line.startswith(b'data: {"id":'):
                made.discard(json.loads(line[6:])["id"])
        page.close()


def test_ctrl_c_is_a_stop_and_no_failure(home: Path, tmp_path: Path) -> None:
    service = LiveService(home, tmp_path / "serve.log").wait_listening()
    service.process.send_signal(signal.SIGINT)
    try:
        assert service.process.wait(15) == 0, service.said
    except subprocess.TimeoutExpired:
        service.kill()
        raise
    assert "Traceback" not in service.said
