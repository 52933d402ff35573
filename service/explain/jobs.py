"""What crosses between the service and its explanation workers. Plain data; loads no torch."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from models.card import ModelCard
from models.explain.placement import Placement
from models.explain.result import Explanation, Floats
from models.imaging import Pixels
from models.repository import Version


@dataclass(frozen=True, slots=True)
class Model:
    """A published model as the service knows it; the worker loads its own copy."""

    root: Path
    """Folder of the repository."""
    version: Version
    card: ModelCard

    def to_json(self) -> dict[str, Any]:
        return {"name": self.version.name, "version": self.version.number, "sha256": self.version.sha256}


@dataclass(frozen=True, slots=True)
class Subject:
    """A photograph as the network sees it, and where it lies there."""

    pixels: Pixels
    """(H, W, 3) uint8 RGB of the network's size."""
    placement: Placement
    enlarged: Pixels | None = None
    """The same at another size, for a method that paints over the photograph."""


@dataclass(frozen=True, slots=True)
class ExplainJob:
    """One method on one photograph, or on none. `parameters` are settled; `target` is a grade, None the one given."""

    model: Model
    method: str
    parameters: dict[str, Any] = field(default_factory=dict)
    layer: str | None = None
    target: str | None = None
    subject: Subject | None = None


@dataclass(frozen=True, slots=True)
class Explained:
    """What a worker answers to an ExplainJob."""

    explanation: Explanation
    target: str | None = None
    """The grade explained; None for methods that explain none."""
    logits: Floats | None = None
    """(K,), of the served graph, in the order of the card's grades; None without a photograph."""

    @property
    def size_bytes(self) -> int:
        """About what keeping this takes."""
        frames: list[str] = self.explanation.facts.get("frames", [])
        return self.explanation.values.nbytes + sum(map(len, frames)) + 4096


@dataclass(frozen=True, slots=True)
class DescribeJob:
    """What a model's network offers: its methods and layers, as `GET /v1/explain/methods` answers."""

    model: Model


@dataclass(frozen=True, slots=True)
class WhyJob:
    """Everything about one grading, as `GET /v1/explain/why/{grading_id}` answers."""

    model: Model
    subject: Subject
    galleries: Path
    """Folder of all models' galleries."""


@dataclass(frozen=True, slots=True)
class ArchitecturesJob:
    """The table of all networks, as `GET /v1/explain/architectures` answers."""


Job = ExplainJob | DescribeJob | WhyJob | ArchitecturesJob
