"""Everything about one grading: the answer of `GET /v1/explain/why/{grading_id}`. Loads no torch, but does work for a worker."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from models.card import card_of
from models.explain.placement import Placement
from models.explain.why import Why, cam_reduction, why
from models.gallery import Galleries, GalleryNotMade, GalleryUnreadable
from models.graph import run_logits
from service.explain.jobs import WhyJob

if TYPE_CHECKING:
    import onnxruntime as ort

NEIGHBOURS: Final = 6
_TURNED_NAMES: Final = {
    "left end": "upper end",
    "right end": "lower end",
    "upper end": "right end",
    "lower end": "left end",
}
"""Of a part of an input that was turned by 90 degrees counterclockwise, as one sees it in the photograph."""

Floats = npt.NDArray[np.float32]
Similar = Callable[[Floats, int], list[tuple[int, float]]]
"""Embeddings (N, D), k -> the k rows most like the job's photograph, with their similarity."""


def reasons(job: WhyJob, session: "ort.InferenceSession", logits: Floats, cam: Floats | None, similar: Similar) -> dict[str, Any]:
    """Logits (1, K) and maps (1, K, h, w) of the served graph for the job's photograph -> the answer, less the record's part."""
    card, pixels, placement = card_of(session), job.subject.pixels, job.subject.placement
    found = why(
        pixels,
        logits[0],
        None if cam is None else cam[0],
        score=lambda photographs: run_logits(session, photographs),
        reduction=cam_reduction(card.architecture),
        temperature=card.calibration.temperature,
    )
    hidden = found.counterfactual
    return {
        "grade": card.grades[found.grade],
        "runner_up": card.grades[found.runner_up],
        "probabilities": dict(zip(card.grades, found.probabilities.tolist(), strict=True)),
        "margin": found.margin,
        "additive": found.additive,
        "method": found.method,
        "parts": _parts(found, placement),
        "bias": found.bias,
        "map": {
            "shape": list(found.values.shape),
            "values": found.values.tolist(),
            "minimum": float(found.values.min()),
            "maximum": float(found.values.max()),
            "evidence": found.evidence,
            "weak": found.weak,
        },
        "fruit_share": found.fruit_share,
        "counterfactual": hidden
        and {
            "box": _box(hidden.box, placement),
            "grade": card.grades[hidden.grade],
            "confidence": hidden.probability,
        },
        **_neighbours(job, similar),
    }


def _parts(found: Why, placement: Placement) -> list[dict[str, Any]]:
    parts = []
    for share in found.shares:
        box, name = share.part.box, share.part.name
        shown = _TURNED_NAMES.get(name, name) if placement.rotated else name
        parts.append({"name": shown, "share": share.logits, "box": None if box is None else _box(box, placement)})
    return parts


def _box(box: tuple[int, int, int, int], placement: Placement) -> list[float]:
    x0, y0, x1, y1 = box
    return [round(side, 2) for side in placement.box_to_photograph((x0, y0, x1, y1))]


def _neighbours(job: WhyJob, similar: Similar) -> dict[str, Any]:
    version = job.model.version
    try:
        index = Galleries(job.galleries).neighbours(version.sha256, version.number)
    except (GalleryNotMade, GalleryUnreadable) as error:
        return {"neighbours": [], "neighbours_hint": str(error)}
    if index is None:
        make = f"senka gallery --model {version.number} --data SOURCE"
        return {"neighbours": [], "neighbours_hint": f"The gallery was made without photographs. Make it with them: {make}."}
    neighbours = [
        {
            "image": f"/v1/explain/gallery/{index.thumbnail(row)}?version={version.number}",
            "grade": index.grades[row],
            "similarity": similarity,
        }
        for row, similarity in similar(index.embeddings, NEIGHBOURS)
    ]
    return {"neighbours": neighbours, "neighbours_hint": None}
