"""Real servers, stopped at the end of each test; what they logged is shown when a test fails."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from models.repository import ModelRepository
from tests.e2e.live import LiveService
from tests.service.models import make_model

Serve = Callable[..., AbstractContextManager[LiveService]]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A SENKA_HOME with a champion."""
    folder = tmp_path / "home"
    repository_of(folder).publish(make_model(tmp_path / "first.onnx"), "first", promote=True)
    return folder


def repository_of(home: Path) -> ModelRepository:
    return ModelRepository(home / "models")


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """`with serve(home, workers=2, max_queue=8) as service`: a ready `senka serve`; it must stop with exit code 0.

    With `ready` False it need only listen.
    """
    logs: list[Path] = []
    started: list[LiveService] = []

    @contextmanager
    def run(home: Path, workers: int = 1, *, ready: bool = True, **settings: object) -> Iterator[LiveService]:
        logs.append(tmp_path / f"serve-{len(logs)}.log")
        service = LiveService(home, logs[-1], workers, settings)
        started.append(service)
        service.wait_listening()
        if ready:
            service.wait_ready()
        yield service
        if service.process.poll() is None:
            assert service.stop() == 0, service.said

    yield run
    for service in started:
        if service.process.poll() is None:
            service.kill()
    for log in logs:
        print(f"--- {log.name}\n{log.read_text()}")
