"""The explanation that comes with a grading: class activation maps out of the graph that graded."""

from typing import Any, Final

import numpy as np

from models.card import ModelCard
from models.grades import GRADES
from service.decision import Decision
from service.inference.session import Scores

NONE: Final[dict[str, Any]] = {"method": "cam", "maps": None}


def explanation(scores: Scores | None, decision: Decision, card: ModelCard) -> dict[str, Any]:
    """The maps of all nine grades and, of the grade and its runner-up, the difference: why this and not that.

    `maps` is None, and `detail` says why, where no network saw the photograph in time or the network has no such map: the
    grading itself must not suffer from a question about it.
    """
    if scores is None or decision.grade is None or decision.runner_up is None:
        return {**NONE, "detail": "The photograph was not graded before its deadline, so there is nothing to explain."}
    if scores.logits is None:
        return {**NONE, "detail": "The explanation was being loaded, and the deadline was too near to wait: ask again."}
    if scores.cam is None:
        return {
            **NONE,
            "detail": f"The network ({card.architecture}) has no class activation map. POST /v1/explain with another method, "
            "such as grad_cam or occlusion; GET /v1/explain/methods lists what this model offers.",
        }
    grade, against = GRADES.index(decision.grade), GRADES.index(decision.runner_up[0])
    contrastive = scores.cam[grade] - scores.cam[against]
    return {
        "method": "cam",
        "shape": list(scores.cam.shape[1:]),
        "maps": dict(zip(GRADES, np.ascontiguousarray(scores.cam), strict=True)),
        "logits": dict(zip(GRADES, scores.logits.tolist(), strict=True)),
        "contrastive": {
            "grade": decision.grade,
            "against": decision.runner_up[0],
            "values": contrastive,
            "minimum": float(contrastive.min()),
            "maximum": float(contrastive.max()),
        },
    }
