"""The gate: whether a new model may grade. It is compared with the champion as both would serve, on the same images.

`run_gate` takes two model files; `compare` and `judge` are its pure half, on probabilities.
"""

from training.gate.bounds import GateBounds, Require
from training.gate.compare import compare
from training.gate.facts import Change, ClassOrder, Comparison, GradeChange, Graded, Latency, Reason, Verdict
from training.gate.judge import judge
from training.gate.run import Evidence, NamedModel, run_gate

__all__ = [
    "Change",
    "ClassOrder",
    "Comparison",
    "Evidence",
    "GateBounds",
    "GradeChange",
    "Graded",
    "Latency",
    "NamedModel",
    "Reason",
    "Require",
    "Verdict",
    "compare",
    "judge",
    "run_gate",
]
