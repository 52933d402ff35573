"""`senka gate`: whether a new model may take over from the champion."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from training.cli.common import Costs, Json, Set, Split, group, part_of, progress_bar, usage

if TYPE_CHECKING:
    from training.gate import GateBounds, NamedModel, Verdict

app = group()

NONE = "none"


@app.command(epilog="Example: senka gate --candidate new.onnx --golden golden --report gate")
def gate(
    candidate: Annotated[str, typer.Option(help="ONNX file, or a published version or alias such as challenger.")],
    golden: Annotated[list[str], typer.Option(help="Labelled photographs that neither model was trained on; may repeat.")],
    champion: Annotated[str, typer.Option(help="What it is compared with; `none` for a first model: floors only.")] = "champion",
    corrections: Annotated[
        list[str] | None, typer.Option(help="Corrections of the last weeks: the candidate must not do worse on them; may repeat.")
    ] = None,
    split: Split = "test",
    run: Annotated[
        Path | None, typer.Option(help="Run the candidate was exported from: its file is checked against the checkpoint.")
    ] = None,
    require: Annotated[str, typer.Option(help="better, or not_worse: passes also where no gain can be shown.")] = "better",
    changes: Set = None,
    costs: Costs = None,
    report: Annotated[Path | None, typer.Option(metavar="DIR", help="Also write gate.html and verdict.json there.")] = None,
    as_json: Json = False,
) -> None:
    """Compare a model with the champion on the same photographs; exit 1, with the reasons, unless it may take over."""
    from models.places import Places
    from training.checkpoints import write_bytes
    from training.cost import CostModel
    from training.gate import NamedModel, run_gate
    from training.gate.report import write_gate_report
    from training.sources import load_all

    if require not in ("better", "not_worse"):
        raise typer.BadParameter(f"--require {require!r} is not better or not_worse.")
    with usage():
        bounds = _bounds(changes or [])
    priced = CostModel.read(costs) if costs else None
    places = Places.load()

    def find(wanted: str) -> NamedModel:
        version, content = places.find_model(wanted)
        return NamedModel(f"{version.name} {version.number}" if version.number else str(version.path), content)

    ours, theirs = find(candidate), None if champion == NONE else find(champion)
    part = part_of(split)
    images = load_all(golden, part)
    corrected = load_all(corrections, part) if corrections else None
    difference = _parity(run, ours) if run else None
    if report:
        report.mkdir(parents=True, exist_ok=True)
    total = (len(images) + len(corrected or ())) * (1 if theirs is None else 2)
    with progress_bar("Grading", total) as (progress, task):
        verdict, evidence = run_gate(
            ours,
            theirs,
            images,
            corrected,
            bounds=bounds,
            require=require,  # type: ignore[arg-type]  # checked above
            costs=priced,
            parity=difference,
            advance=lambda n: progress.advance(task, n),
        )
    if report:
        write_bytes(report / "verdict.json", verdict.model_dump_json(indent=1).encode())
        write_gate_report(report / "gate.html", verdict, evidence)
    typer.echo(verdict.model_dump_json() if as_json else _text(verdict, report))
    if not verdict.passed:
        raise typer.Exit(1)


def _bounds(changes: list[str]) -> "GateBounds":
    """Bounds with the changes of `--set NAME=VALUE`. Raises InvalidSetting, ValidationError."""
    from models.errors import InvalidSetting
    from training.gate import GateBounds

    given = {}
    for change in changes:
        name, equals, value = change.partition("=")
        if not equals or name not in GateBounds.model_fields:
            raise InvalidSetting(f"--set {change}: there is no such bound. Known: {', '.join(GateBounds.model_fields)}.")
        given[name] = value
    return GateBounds.model_validate(given)


def _parity(folder: Path, model: "NamedModel") -> float:
    """Greatest logit difference of the file to the checkpoint it names. Raises RunError, CheckpointMismatch."""
    from models.errors import CheckpointMismatch
    from training.export import load_network, parity
    from training.run import CHECKPOINT_FILE, Run

    run = Run.open(folder)
    network, digest = load_network(run)
    if digest != model.card.checkpoint_sha256:
        raise CheckpointMismatch(str(folder / CHECKPOINT_FILE), model.card.checkpoint_sha256, digest)
    return parity(network, model.content, run.parity_inputs())


def _text(verdict: "Verdict", report: Path | None) -> str:
    heads = {"better": "Better.", "not_better": "Not shown to be better.", "refused": "Refused."}
    lines = [f"{heads[verdict.outcome]} {'It passes.' if verdict.passed else 'It does not pass.'}"]
    lines += [f"- {reason.text}" for reason in verdict.reasons]
    lines += [f"note: {note}" for note in verdict.notes]
    if verdict.latency:
        champion = verdict.latency.champion_ms
        against = "" if champion is None else f", the champion {champion:.2f} ms"
        lines.append(f"One photograph takes {verdict.latency.candidate_ms:.2f} ms on one thread{against}.")
    if report:
        lines.append(f"Written: {report / 'gate.html'}, {report / 'verdict.json'}")
    return "\n".join(lines)
