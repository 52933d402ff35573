"""What a gate leaves in the folder of a retraining, written by hand."""

import json
from pathlib import Path
from typing import Any, Final

from models.grades import GRADES
from models.retrainings import GATE_VERDICT, Retraining, Retrainings, RetrainRequest

RIGHT: Final = 8
"""Of each grade's ten images: the candidate's. The champion has one fewer."""


def change(candidate: float, champion: float | None) -> dict[str, Any]:
    worse = None if champion is None else round(candidate - champion, 6)
    return {"candidate": candidate, "champion": champion, "worse": worse, "low": None, "high": None, "bound": 0.1, "beyond": None}


def counts(right: int) -> list[list[int]]:
    """Ten images of each grade, the wrong ones taken for the next grade."""
    rows = [[0] * len(GRADES) for _ in GRADES]
    for place, row in enumerate(rows):
        row[place], row[(place + 1) % len(GRADES)] = right, 10 - right
    return rows


def comparison(champion: bool = True, confusion: bool = True) -> dict[str, Any]:
    """The candidate has RIGHT of ten images of each grade, the champion one fewer."""
    ours, theirs = RIGHT / 10, (RIGHT - 1) / 10 if champion else None
    made = {
        "data": "golden",
        "images": 90,
        "fruit": 45,
        "grades": GRADES,
        "accuracy": change(ours, theirs),
        "recall": {grade: {**change(ours, theirs), "fruit": 5, "images": 10} for grade in GRADES},
        "far_errors": None,
        "cost": change(1.5, 2.0 if champion else None),
        "log_loss": change(0.4, 0.5 if champion else None),
        "ece": change(0.03, 0.04 if champion else None),
        "ece_by_chance": 0.02,
        "coverage": change(0.7, 0.6 if champion else None),
        "temperature_ratio": 1.0,
        "champion_temperature_ratio": 1.0,
        "won": 12,
        "lost": 3,
        "p_value": 0.01,
    }
    if confusion:
        made["confusion"] = {"candidate": counts(RIGHT), "champion": counts(RIGHT - 1) if champion else None}
    return made


def verdict(sha256: str, outcome: str = "better", passed: bool = True, **more: Any) -> dict[str, Any]:
    return {
        "outcome": outcome,
        "passed": passed,
        "require": "better",
        "reasons": [{"code": outcome, "text": f"It is {outcome}."}],
        "notes": ["Too few fruit to judge the recall of C (3 fruit)."],
        "candidate": {"name": "the fine-tuned model", "sha256": sha256, "architecture": "lenet"},
        "champion": {"name": "cucumber 1", "sha256": "c" * 64, "architecture": "lenet"},
        "golden": comparison(),
        "judged_at": "2026-11-24T02:11:00.000+00:00",
        "bounds": {"target_accuracy": 0.9, "certainty": 0.95},
        **more,
    }


def judged(retrainings: Retrainings, retraining_id: str, said: dict[str, Any], **state: Any) -> tuple[Retraining, Path]:
    """A retraining that has ended, and the file of its verdict."""
    known = retrainings.create(RetrainRequest(by="sato"), retraining_id).model_copy(
        update={"state": "published", "stage": "done", "champion": 1, **state}
    )
    retrainings.write(known)
    path = retrainings.folder(retraining_id) / GATE_VERDICT
    path.parent.mkdir()
    path.write_text(json.dumps(said))
    return known, path
