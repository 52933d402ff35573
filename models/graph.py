"""The graph inside an ONNX file, as both training and serving run it."""

from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from models.errors import InvalidCard
from models.imaging import Pixels
from models.safe_onnx import require_safe

if TYPE_CHECKING:  # importing it starts threads, and a process with threads must not fork: see `service.preloaded`
    import onnxruntime as ort

INPUT: Final = "image"
LOGITS: Final = "logits"
CAM: Final = "cam"
"""(N, K, h, w) float32: what each place in the photograph adds to each logit. Only graphs of networks that explain have it."""
EMBEDDING: Final = "embedding"
"""(N, D) float32: the features that the last layer sees. As CAM."""


def open_session(
    model: bytes, options: "ort.SessionOptions | None" = None, providers: list[str] | None = None
) -> "ort.InferenceSession":
    """Bytes of an ONNX file -> session. Raises InvalidCard where they ask for more than a network needs, or cannot be read."""
    require_safe(model)
    options = options or session_options()
    options.add_session_config_entry("session.load_model_format", "ONNX")  # not ONNX Runtime's own, which nobody looked at
    import onnxruntime as ort

    try:
        return ort.InferenceSession(model, options, providers=providers or ["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's exceptions share no base class but this one
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InvalidCard(f"Not a readable ONNX model: {reason[:200]}") from error


def session_options(threads: int = 0) -> "ort.SessionOptions":
    """Options of a session with `threads` threads; 0: as many as there are cores."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    return options


def takes_bytes(session: "ort.InferenceSession") -> bool:
    """Whether the graph takes (N, H, W, 3) uint8; otherwise it takes (N, 3, H, W) float32 in 0..1."""
    return bool(session.get_inputs()[0].type == "tensor(uint8)")


def network_values(session: "ort.InferenceSession", photographs: Pixels) -> npt.NDArray[np.uint8] | npt.NDArray[np.float32]:
    """(N, H, W, 3) uint8 RGB of the card's size -> what the graph's input takes: itself, or (N, 3, H, W) float32 in 0..1."""
    if takes_bytes(session):
        return photographs
    return photographs.transpose(0, 3, 1, 2).astype(np.float32) / np.float32(255)


def run_logits(session: "ort.InferenceSession", photographs: Pixels) -> npt.NDArray[np.float32]:
    """(N, H, W, 3) uint8 RGB of the card's size -> (N, K) float32, in the order of the card's grades.

    ONNX Runtime runs the whole graph, also for its other outputs: `models.pruning.logits_only` cuts those off.
    """
    logits: npt.NDArray[np.float32] = session.run([LOGITS], {INPUT: network_values(session, photographs)})[0]
    return logits
