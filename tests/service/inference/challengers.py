"""What the tests of the shadow share: challengers, and what is counted of them."""

from pathlib import Path
from typing import Any

from prometheus_client import REGISTRY

from models.repository import ModelRepository
from tests.service.models import make_model


def counted(result: str) -> float:
    """`senka_shadow_total` of a result, as it stands."""
    return REGISTRY.get_sample_value("senka_shadow_total", {"result": result}) or 0.0


def challenge(repository: ModelRepository, folder: Path, seed: int = 2, **options: Any) -> int:
    """Publish another model; it is the challenger."""
    return repository.publish(make_model(folder / f"{seed}.onnx", seed=seed, **options)).number
