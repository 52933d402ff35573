"""A finished run -> one ONNX file with its card inside, checked against PyTorch on real photographs."""

import warnings
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
import onnx
import torch

from models.architectures import build
from models.architectures.network import Explained, Foldable
from models.architectures.served import ServedNetwork
from models.card import CARD_KEY, ModelCard, card_of
from models.errors import ParityError, RunError
from models.graph import CAM, EMBEDDING, INPUT, LOGITS, open_session, run_logits
from training import checkpoints
from training.recipe import Recipe
from training.run import CHECKPOINT_FILE, Run

PARITY_LIMIT: Final = 1e-4
"""Greatest difference of any logit between PyTorch and ONNX Runtime."""
OPSET: Final = 20


def load_network(run: Run) -> tuple[ServedNetwork, str]:
    """The trained network of a run in evaluation mode, and its checkpoint's sha256. Raises RunError."""
    state, digest = checkpoints.load(run.folder / CHECKPOINT_FILE)
    if digest != run.metrics().checkpoint_sha256:
        raise RunError(f"{run.folder / CHECKPOINT_FILE} is not the checkpoint this run ended with. Train again.")
    spec = run.facts.config.preprocess
    network = build(run.facts.config.architecture, len(run.facts.grades), spec)
    network.load_state_dict(state)
    return ServedNetwork(network, spec).eval(), digest


def export(run: Run, out: Path, name: str = "cucumber") -> tuple[ModelCard, float]:
    """Write `out` and return its card and the greatest logit difference found.

    Raises ParityError, leaving nothing behind, when PyTorch and ONNX Runtime differ by more than PARITY_LIMIT.
    """
    network, digest = load_network(run)
    metrics = run.metrics()
    card = ModelCard(
        name=name,
        architecture=run.facts.config.architecture,
        grades=run.facts.grades,
        preprocess=run.facts.config.preprocess,
        calibration=metrics.calibration,
        data=run.facts.sources,
        recipe=run.facts.config.recipe if isinstance(run.facts.config, Recipe) else "",
        checkpoint_sha256=digest,
        seed=run.facts.config.seed,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        metrics={"accuracy": metrics.scores.accuracy, "macro_f1": metrics.scores.macro_f1, "ece": metrics.scores.ece},
    )
    photographs = run.parity_inputs()
    model = with_card(to_onnx(network, photographs[:2]), card)
    difference = parity(network, model, photographs)
    if difference > PARITY_LIMIT:
        raise ParityError(difference, PARITY_LIMIT, len(photographs))
    out.parent.mkdir(parents=True, exist_ok=True)
    checkpoints.write_bytes(out, model)
    return card, difference


def parity(network: ServedNetwork, model: bytes, photographs: np.ndarray) -> float:
    """Greatest logit difference PyTorch / ONNX Runtime over (N, H, W, 3) uint8, as one batch and one by one."""
    session = open_session(model)
    card_of(session)
    with torch.no_grad():
        reference = network.logits(torch.from_numpy(photographs)).numpy()
    batched = run_logits(session, photographs)
    single = np.concatenate([run_logits(session, photographs[i : i + 1]) for i in range(len(photographs))])
    return float(max(np.abs(batched - reference).max(), np.abs(single - reference).max()))


def to_onnx(network: ServedNetwork, example: np.ndarray) -> onnx.ModelProto:
    """example: (2, H, W, 3) uint8; one alone would let the exporter take the batch for 1."""
    if isinstance(network.network, Foldable):
        network = ServedNetwork(network.network.folded(), network.spec).eval()
    with warnings.catch_warnings():
        # The exporter itself uses calls that PyTorch has deprecated; nothing of ours can act on that.
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        warnings.filterwarnings("ignore", category=FutureWarning)
        program = torch.onnx.export(
            network,
            (torch.from_numpy(example),),
            input_names=[INPUT],
            output_names=[LOGITS, CAM, EMBEDDING] if isinstance(network.network, Explained) else [LOGITS],
            dynamic_shapes=({0: torch.export.Dim("batch", min=1)},),
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    if program is None:
        raise RunError("PyTorch returned no ONNX program.")
    return program.model_proto


def with_card(proto: onnx.ModelProto, card: ModelCard) -> bytes:
    onnx.helper.set_model_props(proto, {CARD_KEY: card.model_dump_json()})
    onnx.checker.check_model(proto, full_check=True)
    model_with_card: bytes = proto.SerializeToString()
    return model_with_card
