"""A training run: labelled images -> a run folder with a checkpoint, curves and figures.

A run can be killed at any moment and resumed to the weights of an uninterrupted one: every random number of an epoch comes
from (seed, epoch), and the state after an epoch is written in one step.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch.nn import functional as F

from models.errors import DataError
from training.arrays import Arrays, require_trainable, to_arrays
from training.board import Board
from training.calibrate import fit_temperature
from training.config import TrainingConfig
from training.loop import Loop
from training.run import Run, RunFacts
from training.sources import LabelledSet, Sample
from training.splits import hold_out, require_grades
from training.start import Start, first_network
from training.stopping import EarlyStopping

log = logging.getLogger(__name__)

RESUME_FILE: Final = "resume.pt"
SAVE_EVERY_S: Final = 5.0
"""How much work a killed run may have to do again; small networks finish several epochs in the time of one save."""


@dataclass(frozen=True, slots=True)
class Progress:
    """What a watcher hears after each epoch."""

    epoch: int
    epochs: int
    loss: float
    validation_accuracy: float
    validation_loss: float


def fit(
    config: TrainingConfig,
    data: LabelledSet,
    out: Path,
    resume: bool = False,
    watch: Callable[[Progress], None] | None = None,
    device: str | None = None,
    start: Start | None = None,
    pictures_every: int | None = None,
    save_every_s: float = SAVE_EVERY_S,
    held_out: LabelledSet | None = None,
) -> Run:
    """Train and write the run folder `out`, from the weights of `start` where there is one.

    With `held_out` all of `data` is trained on, and calibration, curves and figures are of that set; without, of a share of
    `data`. TensorBoard gets pictures at the end, and after every `pictures_every` epochs. Raises RunError when `out` holds
    another run (or, with `resume`, one of other settings, data or start) or when `start` does not fit, DataError for data that
    cannot be trained on, a `held_out` that is not apart from it or a loss that is no longer finite.
    """
    kept, validated = _parts(config, data, held_out)
    require_trainable(data, kept, config.batch_size)
    train, validation = (to_arrays(part, data.labels, config.preprocess) for part in (kept, validated))
    network, started = first_network(config, data.labels, start)
    facts = RunFacts.describe(config, data, started, held_out)
    loop = Loop(config, network, train, len(facts.grades), _device(device))
    run = Run.create(out, facts, resume)  # only now: what cannot be trained must not leave a folder behind
    stopping = EarlyStopping(config.patience)
    epoch = _restore(loop, stopping, out / RESUME_FILE) if resume else 0
    with Board(out / "tensorboard", facts.grades, validation, first_step=epoch) as board:
        saved = time.monotonic()
        while epoch < config.epochs and not stopping.done:
            loss = loop.run_epoch(epoch)
            epoch += 1
            logits = loop.logits(validation.inputs).numpy()
            accuracy, validation_loss = _figures(logits, validation, epoch)
            stopping.see(epoch, accuracy, validation_loss, loop.weights)
            board.curves(epoch - 1, loss, validation_loss, accuracy, loop.learning_rates)
            if pictures_every and epoch % pictures_every == 0:
                board.pictures(epoch - 1, logits, loop.weights())
            over = epoch == config.epochs or stopping.done
            if over or time.monotonic() - saved >= save_every_s:
                loop.save(out / RESUME_FILE, epochs_done=epoch, stopping=stopping.state_dict())
                saved = time.monotonic()
            if watch:
                watch(Progress(epoch, config.epochs, loss, accuracy, validation_loss))
        if stopping.weights is not None:
            loop.use(stopping.weights)
            log.info("kept the weights of epoch %d of %d, the best on the held-out images", stopping.best_epoch, epoch)
        logits = loop.logits(validation.inputs).numpy()
        board.pictures(epoch - 1, logits, loop.weights())
    run.finish(
        loop.weights(),
        logits,
        [sample.name for sample in validated],
        validation.targets.numpy(),
        fit_temperature(logits, validation.targets.numpy()),
        validation.inputs.numpy(),
        (held_out or data).attribution,
        epochs=epoch,
        best_epoch=stopping.best_epoch or None,
        groups=[sample.group for sample in validated],
    )
    return run


def _parts(config: TrainingConfig, data: LabelledSet, held_out: LabelledSet | None) -> tuple[list[Sample], list[Sample]]:
    """What is trained on and what is held out, each by name: the order of a manifest's lines decides nothing."""
    if held_out is None:
        seed = config.seed if config.split_seed is None else config.split_seed
        return hold_out(data, config.validation_fraction, seed, by=config.group_by)
    require_grades(data)
    _require_apart(data, held_out)
    kept, validated = (sorted(part.samples, key=lambda sample: sample.name) for part in (data, held_out))
    return kept, validated


def _require_apart(data: LabelledSet, held_out: LabelledSet) -> None:
    """Raise DataError unless `held_out` can judge what `data` teaches: its grades, no fruit and no photograph of it."""
    if len(held_out) < 2:
        raise DataError(f"{held_out.name} holds {len(held_out)} images; hold out two or more, best some of every grade.")
    if unknown := sorted(set(held_out.labels).difference(data.labels)):
        raise DataError(
            f"{held_out.name} shows {' '.join(unknown)}, which {data.name} does not: nothing teaches it. Add images of it to the "
            "training set, or leave it out.",
            unknown=unknown,
        )
    # Two sources may both call a photograph 0001.jpg: an own name says nothing about the fruit, a declared group does.
    groups = sorted(set(data.declared_groups().values()) & {sample.group for sample in held_out.samples})
    groups += sorted(set(held_out.declared_groups().values()) & {sample.group for sample in data.samples} - set(groups))
    contents = {sample.digest() for sample in data.samples}
    twice = sorted(sample.name for sample in held_out.samples if sample.digest() in contents)
    if groups or twice:
        what = (
            f"{len(groups)} fruit ({', '.join(groups[:3])})" if groups else f"{len(twice)} photographs ({', '.join(twice[:3])})"
        )
        raise DataError(
            f"{data.name} and {held_out.name} share {what}: their figures would be too good. Keep all of a fruit on one side.",
            groups=groups,
            photographs=twice,
        )


def _restore(loop: Loop, stopping: EarlyStopping, path: Path) -> int:
    """Continue where the run stopped; returns the number of epochs done. A run killed before its first save starts anew."""
    if not path.exists():
        return 0
    state = loop.restore(path)
    stopping.load_state_dict(state["stopping"])
    return int(state["epochs_done"])


def _figures(logits: np.ndarray, validation: Arrays, epoch: int) -> tuple[float, float]:
    """Accuracy and mean cross-entropy of (N, grades) logits on the held-out part. Raises DataError when they are not finite."""
    if not np.isfinite(logits).all():
        raise DataError(f"After epoch {epoch} the network's answers are not finite. Lower --learning-rate, or set --clip-norm.")
    accuracy = float((logits.argmax(1) == validation.targets.numpy()).mean())
    return accuracy, float(F.cross_entropy(torch.from_numpy(logits), validation.targets))


def _device(wanted: str | None) -> torch.device:
    return torch.device(wanted or ("cuda" if torch.cuda.is_available() else "cpu"))
