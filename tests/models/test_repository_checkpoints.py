"""Checkpoints that the model repository keeps beside its models."""

from hashlib import sha256
from pathlib import Path

import pytest

from models.errors import CheckpointMismatch, CheckpointMissing
from models.repository import ModelRepository
from tests.models.onnx_files import make_model


class TestCheckpoint:
    """The weights that trainings go on from, beside the model that was exported from them."""

    @pytest.fixture
    def weights(self, tmp_path: Path) -> Path:
        path = tmp_path / "run" / "checkpoint.pt"
        path.parent.mkdir()
        path.write_bytes(b"weights")
        return path

    @pytest.fixture
    def model(self, tmp_path: Path, weights: Path) -> Path:
        digest = sha256(weights.read_bytes()).hexdigest()
        return make_model(tmp_path / "m.onnx", seed=3, checkpoint_sha256=digest)

    def test_it_is_kept_beside_the_model(self, repository: ModelRepository, model: Path, weights: Path) -> None:
        version = repository.publish(model, checkpoint=weights)
        assert version.checkpoint == version.path.parent / "checkpoint.pt"
        assert repository.load_checkpoint(version) == b"weights"

    def test_it_can_be_added_later(self, repository: ModelRepository, model: Path, weights: Path) -> None:
        version = repository.publish(model, promote=True)
        with pytest.raises(CheckpointMissing, match="--run RUN"):
            repository.load_checkpoint(version)
        assert repository.publish(model, checkpoint=weights) == version
        assert repository.load_checkpoint(version) == b"weights"
        assert repository.publish(model) == version  # and stays
        assert repository.load_checkpoint(version) == b"weights"

    def test_that_of_another_model_is_refused(
        self, repository: ModelRepository, tmp_path: Path, model: Path, weights: Path
    ) -> None:
        with pytest.raises(CheckpointMismatch, match="not the checkpoint the model was exported from"):
            repository.publish(make_model(tmp_path / "other.onnx", seed=0), checkpoint=weights)
        assert not repository.folder.exists()
        version = repository.publish(model, checkpoint=weights)
        version.checkpoint.write_bytes(b"weighty")
        with pytest.raises(CheckpointMismatch):
            repository.load_checkpoint(version)
        repository.publish(model, checkpoint=weights)  # mends it
        assert repository.load_checkpoint(version) == b"weights"
