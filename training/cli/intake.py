"""`senka intake`: what is wrong with a labelled batch, before anything is trained on it."""

import os
from pathlib import Path
from typing import Annotated

import typer

from training.cli.common import Json, group, progress_bar, said

app = group()


@app.command(epilog="Example: senka intake --data batch --against samples --golden golden --report intake")
def intake(
    data: Annotated[str, typer.Option(help="The batch: a labelled batch, folder per grade, .zip or CUCUMBER-9.")],
    against: Annotated[list[str] | None, typer.Option(help="An earlier source, to find copies and shifts; may repeat.")] = None,
    golden: Annotated[str | None, typer.Option(help="The golden set, to find leaks into it.")] = None,
    report: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write report.html, report.json and decisions.csv into this folder.")
    ] = None,
    suspects: Annotated[bool, typer.Option(help="Suspect labels; takes most of the time.")] = True,
    seed: Annotated[int, typer.Option(min=0, help="Of what suspects labels.")] = 0,
    decisions: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A filled-in decisions.csv: write the corrected batch into --out.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="New folder of the batch, corrected, or without what is left out."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Report unreadable photographs, copies, leaks, shifts and suspected labels; or apply decisions on them."""
    # Before torch starts its threads: where other programs want the cores too, threads that spin while they wait double the time.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if decisions:
        if out is None:
            raise typer.BadParameter("--decisions needs --out, the folder of the corrected batch.")
        if against or golden or report:
            raise typer.BadParameter("--decisions corrects a batch; --against, --golden and --report examine one.")
        _correct(data, decisions, out, as_json)
        return
    places = [Path(source).resolve() for source in (data, *(against or ()), *([golden] if golden else ()))]
    if twice := {str(place) for place in places if places.count(place) > 1}:
        raise typer.BadParameter(f"{', '.join(sorted(twice))} is named twice: everything would be a copy.")
    if out and out.exists():
        raise typer.BadParameter(f"{out} exists already; name a new folder.")
    _examine(data, against or [], golden, report, out, suspects, seed, as_json)


def _correct(data: str, decisions: Path, out: Path, as_json: bool) -> None:
    from training.intake import apply_decisions, read_decisions, read_incoming

    done = apply_decisions(read_incoming(data), read_decisions(decisions), out)
    if as_json:
        typer.echo(done.model_dump_json())
        return
    typer.echo(
        f"{done.folder}: {done.images} photographs; {done.changed} labels changed, {done.confirmed} confirmed, "
        f"{len(done.left_out)} left out, {done.undecided} undecided and kept, {len(done.refused)} rows refused"
    )


def _examine(
    data: str,
    against: list[str],
    golden: str | None,
    report: Path | None,
    out: Path | None,
    suspects: bool,
    seed: int,
    as_json: bool,
) -> None:
    from dataclasses import replace

    from training.checkpoints import write_bytes
    from training.intake import apply_decisions, describe, examine, read_incoming, write_page, write_template
    from training.intake.decisions import LEAVE_OUT

    incoming = read_incoming(data)
    # Read as leniently as the batch: an earlier photograph that is broken by now must not stop the look at a new one. They are
    # called by the paths that were given, which are distinct.
    earlier = [replace(read_incoming(source).data, name=source) for source in against]
    gold = replace(read_incoming(golden).data, name=golden) if golden else None
    if report:
        report.mkdir(parents=True, exist_ok=True)
    with said("training.intake"), progress_bar("Reading", None) as (progress, task):
        found = examine(
            incoming,
            earlier,
            gold,
            suspect=suspects,
            seed=seed,
            advance=lambda doing, done, of: progress.update(task, description=doing, completed=done, total=of),
        )
    if report:
        others = {other.name: other for other in (*earlier, *((gold,) if gold else ()))}
        write_page(report / "report.html", found, incoming.data, others)
        write_bytes(report / "report.json", found.model_dump_json(indent=1).encode())
        write_template(report / "decisions.csv", found)
    if out:
        grades = {sample.name: sample.grade for sample in incoming.data.samples}
        apply_decisions(incoming, {left.name: (grades[left.name], LEAVE_OUT) for left in found.left_out}, out)
    if as_json:
        typer.echo(found.model_dump_json())
        return
    for line in describe(found):
        typer.echo(line)
    if out:
        typer.echo(f"Written without what is left out: {out}")
    if report:
        typer.echo(f"Written: {report}")
