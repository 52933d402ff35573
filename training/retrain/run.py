"""A retraining from its request to its end, stage by stage."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Final

from models.card import card_of
from models.durable import read_json
from models.errors import CheckpointMissing, DataError, ModelError, ModelNotFound, RunError, SenkaError
from models.graph import open_session
from models.places import Places
from models.repository import CHAMPION, ModelRepository
from models.retrainings import GATE_PAGE, GATE_VERDICT, Retraining, RetrainRequest
from training.checkpoints import write_bytes
from training.gate import GateBounds, NamedModel, Verdict, run_gate
from training.gate.report import write_gate_report
from training.golden import Golden
from training.kept import kept
from training.retrain.candidates import FINE_TUNED, RBF, Candidate, Champion, notes_of, train_candidate
from training.retrain.material import Material, Taken, assemble, never_learned
from training.retrain.progress import Reporter, RetrainingCancelled, Watch
from training.retrain.taking import GOLDEN_ASIDE, take_in
from training.run import CHECKPOINT_FILE
from training.sources import LabelledSet, load, load_all
from training.start import find_start

log = logging.getLogger(__name__)

_ENDED: Final = ("refused", "published", "promoted")


def retrain(places: Places, retraining_id: str, sources: Sequence[str] | None = None, watch: Watch | None = None) -> Retraining:
    """Run a retraining, or go on with one; the caller holds its turn. `sources` replace those of the request, which may be named
    otherwise there. Returns how it ended: refused, published or promoted.

    Raises RetrainingNotFound, RunError for one that has ended, RetrainingCancelled, and what its stages raise; `state.json` says
    so too, and the champion is as it was.
    """
    retrainings = places.retrainings
    request, before = retrainings.request(retraining_id), retrainings.get(retraining_id)
    if before.state in _ENDED:
        raise RunError(f"Retraining {retraining_id} has ended: {before.text} Start another one.")
    if before.stage != "waiting":
        retrainings.forget_cancelling(retraining_id)
    reporter = Reporter(retrainings, before.model_copy(update={"state": "running", "finished_at": None, "text": ""}), watch)
    try:
        return _run(
            places, request, sources if sources is not None else request.data, retrainings.folder(retraining_id), reporter
        )
    except (RetrainingCancelled, KeyboardInterrupt):
        reporter.end(state="cancelled", text=f"Cancelled. Go on with it: senka retrain --resume {retraining_id}.")
        raise
    except SenkaError as error:
        reporter.end(state="failed", text=str(error))
        raise
    except Exception as error:
        reporter.end(state="failed", text=f"{type(error).__name__}: {error}")
        raise


def _run(places: Places, request: RetrainRequest, sources: Sequence[str], folder: Path, reporter: Reporter) -> Retraining:
    repository, golden = places.repository, Golden(places.golden)
    _require_golden(request, golden)
    bounds = GateBounds.model_validate(request.bounds)
    champion = find_champion(repository)
    if ended := _promoted_before(folder, champion, reporter):
        return ended
    reporter.stage("intake", "reading", champion=champion.version.number if champion else None)
    taken = Taken.read(folder)
    if taken is None:
        graded = (champion.content, champion.card) if champion else None
        taken = take_in(request, sources, folder, places.kept_batches, golden, graded, reporter)
    judged_on = load(request.golden) if request.golden else golden.data()
    material = assemble(taken, places.kept_batches, never_learned(golden, request.golden) or judged_on, request)
    reporter.stage(
        "training",
        new_images=len(material.new) + len(material.recent or ()) + len(material.chosen or ()),
        golden_images=len(judged_on),
    )
    candidate = train_candidate(request, material, taken, folder, places.model_name, champion, reporter)
    learned = material.replayed(request.seed) if candidate.kind == FINE_TUNED else material.everything()
    reporter.stage("gate", "grading", candidate=candidate.kind, replayed_images=len(learned) - len(material.new))
    verdict = _judged(request, folder, candidate, champion, judged_on, material, bounds, reporter)
    reasons = tuple(reason.text for reason in verdict.reasons)
    notes = (*taken.notes, *notes_of(candidate, champion))
    if verdict.passed:
        golden.require_unseen(learned)  # somebody may have added to it meanwhile
    else:
        text = " ".join(("The gate did not let the new model through.", *reasons, *notes))
        return reporter.end(state="refused", stage="done", reasons=reasons, text=text)
    return _published(request, repository, folder, candidate, champion, " ".join((*reasons, *notes)), reasons, reporter)


def find_champion(repository: ModelRepository) -> Champion | None:
    """The model that grades now, and whether a training can go on from it; None where there is none yet."""
    try:
        version = repository.get(CHAMPION)
    except ModelNotFound:
        return None
    content = repository.load(version)
    card = card_of(open_session(content))
    if card.architecture == RBF:
        return Champion(version, content, card, None, "An rbf network is fitted anew: it cannot be fine-tuned.")
    try:
        return Champion(version, content, card, find_start(str(version.number)))
    except CheckpointMissing:
        return Champion(version, content, card, None, "The champion was published without its weights: it cannot be fine-tuned.")


def _promoted_before(folder: Path, champion: Champion | None, reporter: Reporter) -> Retraining | None:
    """How it ended, where it was killed after its model had become the champion: it is not judged against itself."""
    candidate = Candidate.read(folder)
    if candidate is None or champion is None or champion.version.sha256 != _sha256(folder / candidate.model):
        return None
    verdict = _verdict(folder)
    reasons = tuple(reason.text for reason in verdict.reasons) if verdict else ()
    number = champion.version.number
    text = " ".join((f"Version {number} is the champion.", *reasons))
    return reporter.end(state="promoted", stage="done", candidate=candidate.kind, version=number, reasons=reasons, text=text)


def _require_golden(request: RetrainRequest, golden: Golden) -> None:
    if request.golden and request.to_golden:
        raise DataError("--to-golden grows the golden set of SENKA_HOME; it does not go with --golden.")
    if not (request.golden or golden.exists or request.to_golden):
        raise DataError(
            "There is no golden set to judge the new model on. Set photographs aside that no model is trained on: senka golden "
            "add --data SOURCE, or --to-golden 0.3 for a share of these."
        )


def _judged(
    request: RetrainRequest,
    folder: Path,
    candidate: Candidate,
    champion: Champion | None,
    golden: LabelledSet,
    material: Material,
    bounds: GateBounds,
    reporter: Reporter,
) -> Verdict:
    """Run the gate and write its page; one that has judged the same stands."""
    model = folder / candidate.model
    before, graded = _verdict(folder), (_sha256(model), champion.version.sha256 if champion else None)
    if before and before.golden and before.candidate:
        same = graded == (before.candidate.sha256, before.champion.sha256 if before.champion else None)
        if same and before.golden.images == len(golden):
            return before
    hard = [*([load_all(request.corrections)] if request.corrections else []), *([material.chosen] if material.chosen else [])]
    corrections = replace(LabelledSet.merged(hard), name="corrections") if hard else None
    recent = _with_golden_of_today(material.recent, folder)
    judged = len(golden) + len(recent or ()) + len(corrections or ())
    total, done = judged * (2 if champion else 1), 0

    def advance(more: int) -> None:
        nonlocal done
        done += more
        reporter.tell("grading", done, total)

    named = None if champion is None else NamedModel(f"{champion.version.name} {champion.version.number}", champion.content)
    verdict, evidence = run_gate(
        NamedModel(f"the {candidate.kind} model", model.read_bytes()),
        named,
        golden,
        corrections,
        recent=recent,
        tried=len(candidate.losses),
        bounds=bounds,
        require=request.require,
        parity=candidate.parity,
        advance=advance,
    )
    verdict = verdict.model_copy(update={"judged_at": datetime.now(UTC).isoformat(timespec="milliseconds")})
    page = folder / GATE_PAGE
    page.parent.mkdir(exist_ok=True)
    write_gate_report(page, verdict, evidence)
    write_bytes(folder / GATE_VERDICT, verdict.model_dump_json(indent=1).encode())  # last: with it the gate is done
    return verdict


def _verdict(folder: Path) -> Verdict | None:
    """What the gate said; None before it did."""
    path = folder / GATE_VERDICT
    try:
        return read_json(path, Verdict, f"delete {path} and resume the retraining")
    except FileNotFoundError:
        return None


def _sha256(file: Path) -> str:
    return sha256(file.read_bytes()).hexdigest()


def _with_golden_of_today(recent: LabelledSet | None, folder: Path) -> LabelledSet | None:
    """The recent photographs and those of the same batch that the golden set grew by: neither model saw them either."""
    aside = [batch.data for batch in kept(folder / GOLDEN_ASIDE) if not batch.selected]
    if not aside:
        return recent
    return replace(LabelledSet.merged([*([recent] if recent else []), *aside]), name="new", parts=())


def _withdrawn(repository: ModelRepository, checkpoint: Path) -> int | None:
    """The number of a version that was rolled back and has the same weights: the same photographs make them again."""
    weights = _sha256(checkpoint)
    for number in repository.aliases().withdrawn:
        try:
            if sha256(repository.load_checkpoint(repository.get(number))).hexdigest() == weights:
                return number
        except ModelError:  # deleted since, or published without its weights
            continue
    return None


def _published(
    request: RetrainRequest,
    repository: ModelRepository,
    folder: Path,
    candidate: Candidate,
    champion: Champion | None,
    why: str,
    reasons: tuple[str, ...],
    reporter: Reporter,
) -> Retraining:
    """Publish as challenger, and promote where that was asked for and the champion is still the one it was judged against."""
    reporter.stage("publish")
    weights = folder / candidate.run / CHECKPOINT_FILE
    if request.promote and (withdrawn := _withdrawn(repository, weights)):
        text = (
            f"Version {withdrawn}, of the same weights, was rolled back: it does not come back by itself. senka models promote "
            f"{withdrawn} takes it again."
        )
        return reporter.end(state="refused", stage="done", reasons=(text, *reasons), text=f"{text} {why}")
    note = f"retraining {folder.name}: {candidate.kind}"
    version = repository.publish(folder / candidate.model, note, checkpoint=weights)
    known = {"stage": "done", "version": version.number, "reasons": reasons}
    if not request.promote:
        text = f"Published as version {version.number}, the challenger. {why}"
        return reporter.end(state="published", text=text, **known)
    reporter.stage("promote", version=version.number)
    judged_against = champion.version.number if champion else None
    if not repository.promote_after(version.number, judged_against):
        now = repository.aliases().champion
        text = f"Published as version {version.number}, not promoted: version {now} became champion meanwhile. {why}"
        return reporter.end(state="published", text=text, **known)
    return reporter.end(state="promoted", text=f"Version {version.number} is the champion. {why}", **known)
