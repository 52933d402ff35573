"""A home, a champion in it, and the service on top, all in this process."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from models.repository import ModelRepository
from service.settings import Settings
from tests.service.models import make_model
from tests.service.running import Running, run_service


@pytest.fixture
def anyio_backend() -> str:
    """The service runs on asyncio alone."""
    return "asyncio"


@pytest.fixture(autouse=True)
def _own_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever this machine sets for a service of its own stays out."""
    for name in os.environ:
        if name.startswith("SENKA_") and name != "SENKA_REQUIRE":
            monkeypatch.delenv(name)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty SENKA_HOME."""
    folder = tmp_path / "home"
    monkeypatch.setenv("SENKA_HOME", str(folder))
    return folder


@pytest.fixture
def repository(home: Path) -> ModelRepository:
    """The model repository of `home`."""
    return ModelRepository(home / "models")


@pytest.fixture
def champion(repository: ModelRepository, tmp_path: Path) -> Iterator[ModelRepository]:
    """The repository with version 1 in it, the champion."""
    repository.publish(make_model(tmp_path / "first.onnx"), "first", promote=True)
    return repository


@pytest.fixture
def service(home: Path) -> Callable[..., AbstractAsyncContextManager[Running]]:
    """`async with service(max_batch=8) as running`: the application on `home`, with these settings."""

    def run(**settings: object) -> AbstractAsyncContextManager[Running]:
        return run_service(Settings(home=home, providers="cpu", **settings))

    return run
