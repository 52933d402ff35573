"""The trainings of a retraining: fine-tuned from the champion, and from scratch where much changed; the better one goes on."""

import logging
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from models.architectures import default_spec
from models.card import ModelCard
from models.errors import DataError, RunError
from models.grades import GRADES
from models.repository import Version
from models.retrainings import RetrainRequest
from training import checkpoints
from training.config import TrainingConfig, default_config
from training.evaluate import answers
from training.export import export
from training.fit import Progress, fit
from training.fit_recipe import fit_recipe
from training.recipe import find_recipe
from training.retrain.material import Material, Taken
from training.retrain.progress import Reporter
from training.run import METRICS_FILE, Run, RunFacts, StartFacts
from training.sources import LabelledSet
from training.start import Start

log = logging.getLogger(__name__)

CANDIDATE_FILE: Final = "candidate.json"
FINE_TUNED: Final = "fine-tuned"
FROM_SCRATCH: Final = "from scratch"
FINE_EPOCHS: Final = 30
FINE_RATE: Final = 1e-3
"""Peak learning rate of a fine-tuning: half of what a network starts afresh with."""
RBF: Final = "rbf"
_DEFAULT: Final = "lenet"

Kind = Literal["fine-tuned", "from scratch"]


@dataclass(frozen=True, slots=True)
class Champion:
    """The model that grades now. `start` is None where it cannot be gone on from, `why_not` says why."""

    version: Version
    content: bytes
    card: ModelCard
    start: Start | None
    why_not: str = ""


class Candidate(BaseModel):
    """`candidate.json`: the trained model that goes to the gate."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind
    run: str
    """Folder of its run, in that of the retraining."""
    model: str
    parity: float
    material: str
    """sha256 of what it was trained and chosen on: where that changed since, as by a larger golden set, it is trained anew."""
    losses: dict[str, float]
    """Mean cross-entropy of each training that was tried, on the held-out photographs."""

    @classmethod
    def read(cls, folder: Path) -> "Candidate | None":
        """None before the training is done."""
        path = folder / CANDIDATE_FILE
        return cls.model_validate_json(path.read_bytes()) if path.exists() else None


def train_candidate(
    request: RetrainRequest,
    material: Material,
    taken: Taken,
    folder: Path,
    name: str,
    champion: Champion | None,
    reporter: Reporter,
) -> Candidate:
    """Train what there is to try, keep the one of the least loss on `material.validation`, and write `candidate.json`.

    Trainings that were interrupted go on, finished ones are not repeated. Raises DataError for photographs that cannot be trained
    on, ParityError for a model that could not be exported.
    """
    before = Candidate.read(folder)
    if before and before.material == material.sha256:
        return before
    _require_grades(material, champion)
    tried: list[tuple[Kind, Run]] = []
    if champion and champion.start and request.scratch != "always":
        tried.append((FINE_TUNED, _fine_tuned(request, material, folder / "fine-tuned", champion, reporter)))
    if not tried or (request.scratch != "never" and (taken.changed or _other(request, champion))):
        tried.append((FROM_SCRATCH, _from_scratch(request, material, folder / "from-scratch", champion, reporter)))
    found: list[tuple[float, Kind, Run, Path, float]] = []
    for kind, run in tried:
        reporter.tell(f"exporting the {kind} model")
        model = folder / f"{run.folder.name}.onnx"
        _, difference = export(run, model, name)
        reporter.tell(f"comparing the {kind} model")
        found.append((loss(model.read_bytes(), material), kind, run, model, difference))
    _, kind, run, model, difference = min(found, key=lambda one: one[0])
    candidate = Candidate(
        kind=kind,
        run=run.folder.name,
        model=model.name,
        parity=difference,
        material=material.sha256,
        losses={other: round(value, 4) for value, other, *_ in found},
    )
    checkpoints.write_bytes(folder / CANDIDATE_FILE, candidate.model_dump_json(indent=1).encode())
    return candidate


def loss(model: bytes, material: Material) -> float:
    """Mean cross-entropy on the held-out photographs, the recent and the earlier ones counting alike, however many they are."""
    found = answers(model, material.validation)
    own = found.probabilities[np.arange(len(found.truth)), found.truth]
    entropy = -np.log(np.maximum(own, 1e-12))
    recent = {sample.name for part in (material.recent, material.chosen) if part for sample in part.samples}
    is_recent = np.array([sample.name in recent for sample in material.validation.samples])
    return float(np.mean([entropy[part].mean() for part in (is_recent, ~is_recent) if part.any()]))


def _require_grades(material: Material, champion: Champion | None) -> None:
    known = material.everything().labels
    if missing := [grade for grade in (champion.card.grades if champion else GRADES) if grade not in known]:
        why = "the model would forget it. Name what the champion was trained on" if champion else "label some, or name others"
        raise DataError(
            f"There are no photographs of {' '.join(missing)} to learn from, new or earlier: {why}: --replay SOURCE.",
            missing=missing,
        )


def _other(request: RetrainRequest, champion: Champion | None) -> bool:
    """Whether another network is asked for than the champion's."""
    if champion is None or request.scratch == "always":
        return True
    return bool(request.recipe) or request.arch not in (None, champion.card.architecture)


def _fine_tuned(request: RetrainRequest, material: Material, out: Path, champion: Champion, reporter: Reporter) -> Run:
    data = material.replayed(request.seed)
    config = _sized(
        default_config(
            champion.card.architecture,
            champion.card.preprocess,
            seed=request.seed,
            epochs=request.epochs or FINE_EPOCHS,
            learning_rate=FINE_RATE,
        ),
        data,
    )
    return _fitted(config, data, material.validation, out, "fine-tuning", champion.start, reporter)


def _from_scratch(request: RetrainRequest, material: Material, out: Path, champion: Champion | None, reporter: Reporter) -> Run:
    data = material.everything()
    card = champion.card if champion else None
    architecture = request.arch or (None if request.recipe else card and card.architecture) or _DEFAULT
    spec = card.preprocess if card and architecture == card.architecture else None
    if request.recipe or architecture == RBF:
        recipe = find_recipe(request.recipe or (card and card.recipe) or "best", seed=request.seed)
        return _finished(out, RunFacts.describe(recipe, data)) or fit_recipe(
            recipe, data, out, resume=True, advance=reporter.tell
        )
    config = _sized(default_config(architecture, spec or default_spec(architecture), seed=request.seed), data)
    return _fitted(config, data, material.validation, out, "training from scratch", None, reporter)


def _fitted(
    config: TrainingConfig,
    data: LabelledSet,
    held_out: LabelledSet,
    out: Path,
    doing: str,
    start: Start | None,
    reporter: Reporter,
) -> Run:
    started = StartFacts(kind=start.kind, name=start.name, sha256=start.sha256) if start else None
    if done := _finished(out, RunFacts.describe(config, data, started, held_out)):
        return done
    reporter.tell(doing, 0, config.epochs)

    def watch(epoch: Progress) -> None:
        reporter.tell(doing, epoch.epoch, epoch.epochs)

    return fit(config, data, out, resume=True, watch=watch, start=start, held_out=held_out)


def _finished(out: Path, wanted: RunFacts) -> Run | None:
    """The run in `out`, once it is done. One that began otherwise goes: the golden set grew since, or the champion changed."""
    try:
        found = Run.open(out)
    except RunError:  # none yet, or one that was killed before it wrote what it is
        shutil.rmtree(out, ignore_errors=True)
        return None
    if found.facts.deciding() != wanted.deciding():
        log.info("the training in %s began from other photographs or another champion: it begins anew", out.name)
        shutil.rmtree(out)
        return None
    return found if (out / METRICS_FILE).exists() else None


def _sized(config: TrainingConfig, data: LabelledSet) -> TrainingConfig:
    """With batches that so few photographs can fill."""
    return config.model_copy(update={"batch_size": max(2, min(config.batch_size, len(data) // 4))})


def notes_of(candidate: Candidate, champion: Champion | None) -> Iterator[str]:
    """What was tried, in words."""
    if champion and champion.why_not:
        yield champion.why_not
    if len(candidate.losses) > 1:
        told = ", ".join(f"{kind} {value:.3f}" for kind, value in candidate.losses.items())
        yield f"Two trainings were tried; loss on held-out photographs: {told}. The {candidate.kind} one went to the gate."
