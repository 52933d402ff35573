"""The intake of a retraining: sources -> kept batches, with a report of everything that was left out."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Final

import numpy as np

from models.card import ModelCard
from models.errors import DataError
from models.labelled import CORRECTIONS
from models.retrainings import INTAKE_PAGE, RetrainRequest
from training.checkpoints import write_bytes
from training.evaluate import Answers, answers
from training.golden import Golden
from training.intake import Incoming, Report, clean, examine, read_incoming, write_page, write_template
from training.intake.suspects import confident_joint, find_suspects
from training.kept import Kept, keep, kept
from training.retrain.material import Taken, grow_golden, never_learned, pixels_of, unknown_to, without
from training.retrain.progress import Reporter
from training.sources import RECORDS, LabelledSet, load
from training.splits import hold_out

MUCH: Final = ("different", "far off")
"""Verdicts of a shift after which a training from scratch is tried, too."""
GOLDEN_ASIDE: Final = "to-golden"
_NOT_OF_LIGHT: Final = frozenset(("frame_px",))


def take_in(
    request: RetrainRequest,
    sources: Sequence[str],
    folder: Path,
    root: Path,
    golden: Golden,
    champion: tuple[bytes, ModelCard] | None,
    reporter: Reporter,
) -> Taken:
    """Read, examine and keep the new photographs; write the report into `folder` and what was taken as `material.json`.

    One that was killed is begun anew, and ends with the same. Raises DataError where nothing is new.
    """
    reporter.stage("intake", "reading")
    judged_on = _as_it_was(never_learned(golden, request.golden), folder)
    golden_pixels = pixels_of(judged_on)
    replayed = [keep(without(load(one, request.split), golden_pixels), root, replayed=True) for one in request.replay]
    known = kept(root)
    card = champion[1] if champion else None
    again = {one.folder for one in replayed}
    pending = [batch for batch in unknown_to(card, known) if batch.folder not in again]
    # The batch that this retraining kept before it was killed is no earlier one: all of it would be copies of itself.
    began = datetime.fromisoformat(reporter.state.started_at)
    before = [batch for batch in known if batch.folder in again or datetime.fromisoformat(batch.kept_at) < began]
    notes: list[str] = []
    changed = champion is None
    if sources:
        incoming, corrected = _read(sources)
        corrected = corrected or any(source.startswith(RECORDS) for source in request.data)
        report = _examined(incoming, before, judged_on, champion, reporter)
        _write(folder, report, incoming, before, judged_on)
        changed = changed or any(shift.verdict in MUCH for shift in report.shifts if shift.measure not in _NOT_OF_LIGHT)
        mine, to_golden = _cleaned(incoming, report, request)
        if to_golden is not None:
            # Kept aside first: after a kill they are told from those that were golden before, see _as_it_was.
            aside = keep(to_golden, folder / GOLDEN_ASIDE, selected=corrected)
            notes.append(grow_golden(golden, aside.data))
        if mine is not None:
            reporter.tell("keeping the batch")
            batch = keep(mine, root, selected=corrected)
            pending = [*(one for one in pending if one.folder != batch.folder), batch]
    if not pending:
        raise DataError(
            "There is nothing new to learn from: every photograph was left out or learned before. See the intake report."
        )
    earlier = [batch for batch in kept(root) if batch.folder not in {one.folder for one in pending}]
    taken = Taken(
        new=tuple(batch.folder.name for batch in pending),
        earlier=tuple(batch.folder.name for batch in earlier),
        changed=changed or 4 * sum(len(one.data) for one in pending) >= sum(len(one.data) for one in earlier),
        notes=tuple(notes),
    )
    taken.write(folder)
    return taken


def _as_it_was(golden: LabelledSet | None, folder: Path) -> LabelledSet | None:
    """The golden photographs without those that this retraining added before it was killed: the same share is set aside again,
    not another one of the rest."""
    mine = {pixels for batch in kept(folder / GOLDEN_ASIDE) for pixels in pixels_of(batch.data)}
    if golden is None or not mine:
        return golden
    others = tuple(sample for sample in golden.samples if sample.pixel_digest() not in mine)
    return replace(golden, samples=others, parts=()) if others else None


def _read(sources: Sequence[str]) -> tuple[Incoming, bool]:
    """Several sources as one batch, and whether corrections are among them."""
    incoming = [read_incoming(source) for source in sources]
    corrected = any(row.source == CORRECTIONS for one in incoming for row in one.rows.values())
    if len(incoming) == 1:
        return incoming[0], corrected
    refused = tuple(
        one.model_copy(update={"name": f"{source.data.name}/{one.name}"}) for source in incoming for one in source.refused
    )
    return Incoming(LabelledSet.merged(source.data for source in incoming), refused), corrected


def _examined(
    incoming: Incoming,
    known: Sequence[Kept],
    golden: LabelledSet | None,
    champion: tuple[bytes, ModelCard] | None,
    reporter: Reporter,
) -> Report:
    """The intake report; labels are suspected by the champion, which has never seen these photographs."""
    report = examine(
        incoming,
        [batch.data for batch in known],
        golden and replace(golden, name="the golden set"),
        suspect=False,
        advance=reporter.tell,
    )
    if champion is None:
        return report.model_copy(update={"unsuspected": "there is no champion yet; `senka intake` suspects labels without one"})
    out = {left.name for left in report.left_out}
    judged = replace(
        incoming.data,
        samples=tuple(one for one in incoming.data.samples if one.name not in out and one.grade in champion[1].grades),
    )
    if not judged.samples:
        return report.model_copy(update={"unsuspected": "every photograph is left out"})
    found = answers(champion[0], judged, _counted(reporter, "suspecting labels", len(judged)))
    return report.model_copy(update=_suspected(judged, found))


def _suspected(judged: LabelledSet, found: Answers) -> dict[str, object]:
    names = [sample.name for sample in judged.samples]
    given = np.asarray(found.truth, np.int64)
    probabilities = found.probabilities.astype(np.float64)
    return {
        "suspects": tuple(find_suspects(names, given, probabilities, found.card.grades)),
        "estimated_errors": round(confident_joint(probabilities, given).estimated_errors, 4),
        "unsuspected": "",
    }


def _write(folder: Path, report: Report, incoming: Incoming, known: Sequence[Kept], golden: LabelledSet | None) -> None:
    others = {batch.data.name: batch.data for batch in known}
    if golden:
        others["the golden set"] = replace(golden, name="the golden set")
    write_page(folder / INTAKE_PAGE, report, incoming.data, others)
    write_bytes(folder / "intake.json", report.model_dump_json(indent=1).encode())
    write_template(folder / "decisions.csv", report)


def _cleaned(incoming: Incoming, report: Report, request: RetrainRequest) -> tuple[LabelledSet | None, LabelledSet | None]:
    """What is learned from and what the golden set grows by; None for nothing.

    A photograph that was learned before under another label is learned again: somebody put the label right.
    """
    righted = {copy.name for copy in report.earlier if copy.exact and copy.contradicts}
    left_out = tuple(
        left for left in report.left_out if not (left.name in righted and left.why == "copy of an earlier photograph")
    )
    report = report.model_copy(update={"left_out": left_out})
    if len(report.left_out) == len(incoming.data):
        return None, None
    usable = clean(incoming.data, report)
    if not request.to_golden:
        return usable, None
    rest, aside = hold_out(usable, request.to_golden, request.seed)
    return replace(usable, samples=tuple(rest), parts=()), replace(usable, samples=tuple(aside), parts=())


def _counted(reporter: Reporter, doing: str, total: int) -> Callable[[int], None]:
    done = 0

    def advance(more: int) -> None:
        nonlocal done
        done += more
        reporter.tell(doing, done, total)

    return advance
