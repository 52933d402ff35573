"""The worker processes: forked from one that has the service loaded, and gone with the one that watches over them."""

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil

from tests.e2e.conftest import Serve
from tests.e2e.live import LiveService
from tests.service.pictures import picture

PICTURE = picture(1)


def until(true: object, within_s: float = 20.0) -> None:
    assert callable(true)
    end = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_what_workers_are_forked_from_has_no_threads() -> None:
    """A thread is not there after the fork, but what it held locked is."""
    code = "import os, sys, service.preloaded; print(len(os.listdir('/proc/self/task')), 'onnxruntime' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["1", "False"]


def _server(service: LiveService) -> psutil.Process:
    (server,) = [child for child in psutil.Process(service.process.pid).children() if child.name() == "senka-fork"]
    return server


def test_workers_share_what_was_loaded(serve: Serve, home: Path) -> None:
    with serve(home, workers=2) as service:
        until(lambda: len(service.grading_processes()) == 2)
        assert {worker.ppid() for worker in service.grading_processes()} == {_server(service).pid}
        assert service.grade(PICTURE).status == 200


def test_workers_may_open_as_many_files_as_the_supervisor(serve: Serve, home: Path) -> None:
    with serve(home, workers=2, max_connections=600) as service:
        until(lambda: len(service.grading_processes()) == 2)
        allowed = [process.rlimit(psutil.RLIMIT_NOFILE)[0] for process in service.grading_processes()]
        assert min(allowed) >= 3 * 600


def test_workers_end_with_a_supervisor_that_was_killed(serve: Serve, home: Path) -> None:
    with serve(home, workers=2) as service:
        until(lambda: len(service.grading_processes()) == 2)
        workers, server = service.grading_processes(), _server(service)
        service.process.kill()
        _, alive = psutil.wait_procs([*workers, server], timeout=20)
        assert alive == []
        with socket.socket() as again:  # nobody listens any more: a new service can
            again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            again.bind(("127.0.0.1", service.port))
        service.process.wait(10)


def test_a_fork_server_that_dies_is_replaced_with_its_workers(serve: Serve, home: Path) -> None:
    with serve(home, workers=2) as service:
        until(lambda: service.said.count("Application startup complete") == 2)
        before = service.grading_processes()
        _server(service).kill()
        until(lambda: service.said.count("Application startup complete") == 4)
        _, alive = psutil.wait_procs(before, timeout=20)  # nobody's children now: gone once init has looked
        assert alive == []
        assert len(service.grading_processes()) == 2
        assert service.grade(PICTURE).status == 200


def test_a_stop_of_every_process_at_once_is_a_stop_in_order(serve: Serve, home: Path) -> None:
    """Some managers signal a whole group; the fork server must not go before those that it alone can watch."""
    with serve(home, workers=2) as service:
        until(lambda: service.said.count("Application startup complete") == 2)
        everybody = [psutil.Process(service.process.pid), _server(service), *service.grading_processes()]
        for process in everybody:
            process.send_signal(signal.SIGTERM)
        assert service.process.wait(20) == 0
        assert service.said.count("Application shutdown complete") == 2
        _, alive = psutil.wait_procs(everybody[1:], timeout=5)
        assert alive == []
