"""An explanation as JSON, NPY or PNG. Blocks: call it from a thread."""

from io import BytesIO
from typing import Any, Final

import numpy as np
import orjson

from models.card import ModelCard
from models.errors import InvalidParameter
from models.explain import pictures
from models.explain.catalogue import METHODS
from models.explain.result import Floats
from models.grades import GRADES
from models.imaging import Pixels
from service.explain.jobs import Explained, ExplainJob

JSON: Final = "application/json"
NPY: Final = "application/x-npy"
PNG: Final = "image/png"
MEDIA_TYPES: Final = (JSON, NPY, PNG)
DRAWN_OVER: Final = tuple(name for name, method in METHODS.items() if method.photograph and method.kind in ("map", "pixels"))
"""Methods whose answer can be drawn over its photograph."""


def facts(job: ExplainJob, explained: Explained) -> dict[str, Any]:
    """Everything about an explanation but its values, ready for JSON."""
    found, method, card = explained.explanation, METHODS[job.method], job.model.card
    logits = explained.logits
    placement = job.subject.placement if job.subject else None
    return {
        "method": method.name,
        "shows": method.shows,
        "kind": found.kind,
        "layer": found.layer,
        "target": explained.target,
        "shape": list(found.values.shape),
        "minimum": float(found.values.min()),
        "maximum": float(found.values.max()),
        "signed": found.signed,
        "evidence": found.evidence,
        "weak": found.weak,
        "model": job.model.to_json(),
        "seed": job.parameters.get("seed"),
        "parameters": job.parameters,
        "logits": None if logits is None else _by_grade(card, logits),
        "probabilities": None if logits is None else _by_grade(card, _calibrated(card, logits)),
        "photograph": placement and {"width": placement.photograph_width, "height": placement.photograph_height},
        "placement": placement and placement.to_json(),
        **found.facts,
    }


def as_json(job: ExplainJob, explained: Explained) -> bytes:
    """`facts` and the raw values, nested."""
    values = np.ascontiguousarray(explained.explanation.values)
    return orjson.dumps({**facts(job, explained), "values": values}, option=orjson.OPT_SERIALIZE_NUMPY)


def as_npy(explained: Explained) -> bytes:
    """The raw values, float32, in NumPy's own format."""
    buffer = BytesIO()
    np.save(buffer, explained.explanation.values, allow_pickle=False)
    return buffer.getvalue()


def as_png(job: ExplainJob, explained: Explained, photograph: Pixels | None = None, opacity: float = 0.5) -> bytes:
    """The heat map; over the photograph at its own size, (H, W, 3) uint8, where one is given.

    Raises InvalidParameter for a method that cannot be drawn over one.
    """
    if photograph is None:
        return pictures.encode(pictures.heat_map(explained.explanation))
    require_overlay(job.method)
    assert job.subject is not None  # noqa: S101 - every method of DRAWN_OVER has a photograph
    return pictures.encode(pictures.overlay(explained.explanation, photograph, job.subject.placement, opacity))


def require_overlay(method: str) -> None:
    """Raises InvalidParameter unless the method's answer can be drawn over its photograph."""
    if method not in DRAWN_OVER:
        message = f"{method} gives no map of its photograph to draw over it. These do: {', '.join(DRAWN_OVER)}."
        raise InvalidParameter(message, valid=list(DRAWN_OVER))


def _by_grade(card: ModelCard, values: Floats) -> dict[str, float]:
    return {grade: float(values[card.grades.index(grade)]) for grade in GRADES}


def _calibrated(card: ModelCard, logits: Floats) -> Floats:
    """As the service grades: softmax(logits / temperature)."""
    odds = np.exp((logits - logits.max()) / card.calibration.temperature)
    calibrated: Floats = odds / odds.sum()
    return calibrated
