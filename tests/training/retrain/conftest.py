"""One small world is built for all; each test gets its own copy."""

import os
from pathlib import Path

import pytest

from tests.training.retrain.worlds import World, build, quick_to_onnx


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> World:
    """To be read only."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("training.export.to_onnx", quick_to_onnx)
        return build(tmp_path_factory.mktemp("retrain"))


@pytest.fixture
def world(built: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr("training.export.to_onnx", quick_to_onnx)
    for name in [name for name in os.environ if name.startswith("SENKA_") and name != "SENKA_REQUIRE"]:
        monkeypatch.delenv(name)
    for name in ("OMP_WAIT_POLICY", "OMP_NUM_THREADS"):  # the command sets them
        monkeypatch.setenv(name, os.environ.get(name, "1"))
    monkeypatch.setenv("SENKA_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return built.copy(tmp_path / "home")
