"""One published model, loaded, checked and warm."""

import ctypes
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

import numpy as np
import numpy.typing as npt

from models.card import ModelCard, card_of
from models.errors import InvalidCard, ModelError
from models.grades import GRADES
from models.graph import CAM, INPUT, LOGITS, network_values, open_session, run_logits, session_options, takes_bytes
from models.imaging import Pixels
from models.pruning import logits_only
from models.repository import Version

if TYPE_CHECKING:
    import onnxruntime as ort

log = logging.getLogger(__name__)

Floats = npt.NDArray[np.float32]

_EXECUTION_PROVIDERS: Final = {
    "cpu": ["CPUExecutionProvider"],
    "cuda": ["CUDAExecutionProvider", "CPUExecutionProvider"],
    "tensorrt": ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"],
}


class ProviderUnavailable(ModelError):
    code = "provider_unavailable"


@dataclass(frozen=True, slots=True)
class Scores:
    """One photograph's calibrated probabilities (9,), float32 in the order of GRADES, as are the others.

    Where they were asked for, logits (9,), and cam (9, h, w), what each place adds to each logit, if the model's graph has one.
    """

    probabilities: Floats
    logits: Floats | None = None
    cam: Floats | None = None


class LoadedModel:
    """Grades batches of network inputs. `probabilities` and `explained` are each safe to call from one thread at a time."""

    def __init__(self, session: "ort.InferenceSession", card: ModelCard, version: Version, whole: bytes = b"") -> None:
        self.card = card
        self.version = version
        self.provider: str = session.get_providers()[0]
        self._session = session
        self._whole = whole
        self._explaining: ort.InferenceSession | None = None
        self.takes_bytes = takes_bytes(session)
        """Whether the graph takes (N, H, W, 3) uint8; otherwise (N, 3, H, W) float32 in 0..1."""
        self._order = [card.grades.index(grade) for grade in GRADES]

    @classmethod
    def load(cls, data: bytes, version: Version, wanted: str = "cpu", threads: int = 0, max_batch: int = 1) -> Self:
        """Check and warm a model from its bytes. Raises InvalidCard, GradeSetMismatch, ProviderUnavailable."""
        session = create_session(data, wanted, threads)
        card = card_of(session)
        card.require_grades()
        model = cls(session, card, version, data)
        # The first run of a shape allocates its memory and, on a GPU, picks its kernels: not while a fruit waits.
        blank = np.zeros((card.preprocess.height, card.preprocess.width, 3), np.uint8)
        try:
            for size in {1, max_batch}:
                model.probabilities([blank] * size)
        except Exception as error:  # ONNX Runtime's exceptions share no base class but this one
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise InvalidCard(f"The network does not run on the input that its card describes: {reason[:200]}") from error
        log.info("model %s version %d loaded on %s", version.name, version.number, model.provider)
        return model

    def probabilities(self, inputs: Sequence[Pixels]) -> npt.NDArray[np.float32]:
        """N inputs, each (H, W, 3) uint8 of the card's size -> (N, 9) calibrated probabilities in the order of GRADES."""
        return self._calibrated(run_logits(self._session, np.stack(inputs))[:, self._order])

    def explained(self, inputs: Sequence[Pixels]) -> list[Scores]:
        """The same with logits and class activation maps, from the whole of the served graph; the logits are the same bits.

        The graph with its explanation is opened on the first call: a service that only grades never pays for it.
        """
        if self._explaining is None:
            options = _options(self._session.get_session_options().intra_op_num_threads)
            self._explaining = open_session(self._whole, options, self._session.get_providers())
        whole = self._explaining
        has_cam = CAM in [output.name for output in whole.get_outputs()]
        found = whole.run([LOGITS, CAM] if has_cam else [LOGITS], {INPUT: network_values(whole, np.stack(inputs))})
        logits = found[0][:, self._order]
        cams = found[1][:, self._order] if has_cam else [None] * len(logits)
        return [Scores(*one) for one in zip(self._calibrated(logits), logits, cams, strict=True)]

    @property
    def explains(self) -> bool:
        """Whether the graph with its explanation is open already."""
        return self._explaining is not None

    def _calibrated(self, logits: Floats) -> Floats:
        scaled = (logits - logits.max(axis=1, keepdims=True)) / self.card.calibration.temperature
        odds = np.exp(scaled)
        result: Floats = odds / odds.sum(axis=1, keepdims=True)
        return result


def create_session(model: bytes, wanted: str, threads: int) -> "ort.InferenceSession":
    """A session that gives the logits alone, on the wanted provider; `auto` takes CUDA where it works, else the CPU.

    Raises InvalidCard, ProviderUnavailable.
    """
    options = _options(threads)
    choice = wanted
    if wanted == "auto":
        choice = "cuda" if cuda_present() else "cpu"
    if choice != "cpu":
        _preload()
    session = open_session(logits_only(model), options, _EXECUTION_PROVIDERS[choice])
    got = session.get_providers()[0]
    if got != _EXECUTION_PROVIDERS[choice][0]:
        if wanted != "auto":
            raise ProviderUnavailable(
                f"SENKA_PROVIDERS={wanted}, but ONNX Runtime could only start {got}. "
                "Check the GPU driver (nvidia-smi) and that onnxruntime-gpu's CUDA libraries are installed, or use auto.",
                wanted=wanted,
                got=got,
            )
        log.warning("a GPU driver is present, but ONNX Runtime fell back to %s", got)
    return session


def _options(threads: int) -> "ort.SessionOptions":
    options = session_options(threads)
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # a provider that fails to start is reported here, in words
    # Spinning threads steal the cores from decoding and from the other workers.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def cuda_present() -> bool:
    """Whether this machine has an NVIDIA driver and this ONNX Runtime was built for it."""
    import onnxruntime as ort

    if "CUDAExecutionProvider" not in ort.get_available_providers():
        return False
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    return True


def threads_for(workers: int, wanted: int) -> int:
    """Threads of each worker's session: as asked, or the cores shared out."""
    return wanted or max(1, len(os.sched_getaffinity(0)) // workers)


def _preload() -> None:
    """Load CUDA and cuDNN from the installed wheels; without this the loader looks in system folders alone."""
    import onnxruntime as ort

    ort.preload_dlls()
