from pathlib import Path

import pytest

from models.repository import ModelRepository
from tests.models.onnx_files import make_model


@pytest.fixture
def repository(tmp_path: Path) -> ModelRepository:
    return ModelRepository(tmp_path / "repository")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Six different models."""
    folder = tmp_path_factory.mktemp("models")
    return [make_model(folder / f"{seed}.onnx", seed=seed) for seed in range(6)]
