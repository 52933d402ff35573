"""Imported by the fork server alone, which forks every worker: what is slow to load is loaded once, and a worker that was
killed is back in a fraction of a second.

ONNX Runtime is left out: importing it starts a thread, and a process with threads must not fork.
"""

import gc
import importlib

from service.explain.entry import step_back

step_back()
for name in ("captum.attr", "torch.fx", "models.architectures"):
    importlib.import_module(name)
importlib.import_module("torch").use_deterministic_algorithms(True)  # which loads a compiler's settings, for half a second
gc.freeze()  # looking through what was loaded for garbage would copy its pages into every worker
