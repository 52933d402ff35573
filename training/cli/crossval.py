"""`senka crossval`: figures that do not hang on one lucky split."""

import os
from pathlib import Path
from typing import Annotated

import typer

from training.cli.common import (
    Costs,
    Json,
    Set,
    Source,
    Split,
    TargetAccuracy,
    beside,
    group,
    part_of,
    progress_bar,
    said,
    sides,
    usage,
)

app = group()


@app.command(epilog="Example: senka crossval --data samples --recipe best --seeds 1,2,3 --out cv")
def crossval(
    data: Source,
    arch: Annotated[str | None, typer.Option(help="Architecture, as `senka train` takes it. Default: lenet.")] = None,
    recipe: Annotated[str | None, typer.Option(help="Recipe in place of an architecture: best, or fruit.")] = None,
    folds: Annotated[int, typer.Option(min=2, help="Parts; each is graded by a model trained on the others.")] = 5,
    seed: Annotated[list[int] | None, typer.Option(min=0, help="Of the split and the training; may repeat. Default: 0.")] = None,
    seeds: Annotated[str | None, typer.Option(metavar="1,2,3", help="Several seeds at once.")] = None,
    split: Split = "all",
    by_light: Annotated[
        int | None,
        typer.Option(min=2, metavar="N", help="Tell N kinds of light apart and test in light that training did not see."),
    ] = None,
    group_by: Annotated[
        str, typer.Option(metavar="fruit|lot", help="Test whole fruit, or whole lots, that training did not see.")
    ] = "fruit",
    size: Annotated[str | None, typer.Option(metavar="WIDTHxHEIGHT", help="Network input, pixels.")] = None,
    from_: Annotated[
        str | None, typer.Option("--from", metavar="START", help="Weights to start from that never saw these photographs.")
    ] = None,
    changes: Set = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Passes over the images. Default: the architecture's.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=2, help="Images a step.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Peak step size.")] = None,
    costs: Costs = None,
    target_accuracy: TargetAccuracy = 0.9,
    report: Annotated[Path | None, typer.Option(help="Also write an HTML page with every error of the first seed.")] = None,
    out: Annotated[Path | None, typer.Option(help="Also write crossval.json, oof.npz and report.html into this folder.")] = None,
    as_json: Json = False,
) -> None:
    """Train and score on folds of labelled photographs: each is graded by a model that never saw it."""
    # Before torch starts its threads: where other programs want the cores too, threads that spin while they wait double the time.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    chosen = _seeds(seed, seeds)
    if group_by not in ("fruit", "lot"):
        raise typer.BadParameter(f"{group_by!r} is not fruit or lot.")
    if by_light and group_by == "lot":
        raise typer.BadParameter("--by-light and --group-by lot are two ways to part the photographs; give one of them.")
    from training.checkpoints import write_bytes
    from training.cli.figures import print_scores
    from training.cost import CostModel
    from training.crossval import crossvalidate
    from training.golden import Golden
    from training.lighting import by_light as grouped_by_light
    from training.report import write_crossval_report
    from training.sources import load_all
    from training.splits import by_lot
    from training.start import find_start, require_unseen
    from training.trainers import trainer_for

    fixed = {"epochs": epochs, "batch_size": batch_size, "learning_rate": learning_rate}
    if recipe and (arch or from_ or any(value is not None for value in fixed.values())):
        raise typer.BadParameter("--recipe decides the architecture and how it is trained; change it with --set NAME=VALUE.")
    with usage():
        start = find_start(from_) if from_ else None
        # A recipe holds nothing out; a network is calibrated on lots that it was not trained on either.
        inner = {} if recipe or group_by == "fruit" else {"group_by": group_by}
        trainer = trainer_for(
            arch, recipe, changes or [], size=sides(size, 1024) if size else None, start=start, **fixed, **inner
        )
    priced = CostModel.read(costs) if costs else None
    labelled = load_all(data, part_of(split))
    Golden().require_unseen(labelled)
    if start:
        require_unseen(start, labelled)
    if by_light:
        labelled = grouped_by_light(labelled, by_light)
    if group_by == "lot":
        labelled = by_lot(labelled)
    beside(report)
    if out:
        out.mkdir(parents=True, exist_ok=True)
    with said(), progress_bar(f"Training {trainer.name}, folds", folds * len(chosen)) as (progress, task):
        done = crossvalidate(
            trainer,
            labelled,
            folds,
            chosen,
            advance=lambda: progress.advance(task),
            costs=priced,
            target_accuracy=target_accuracy,
        )
    result = done.result
    if out:
        done.out_of_fold.save(out / "oof.npz")
        write_bytes(out / "crossval.json", result.model_dump_json(indent=1).encode())
    for page in (report, out / "report.html" if out else None):
        if page:
            write_crossval_report(page, result, done.out_of_fold, labelled.attribution)
    if as_json:
        typer.echo(result.model_dump_json())
        return
    for number, accuracies in zip(result.seeds, result.fold_accuracies, strict=True):
        typer.echo(f"seed {number}: accuracy of the folds {' '.join(f'{accuracy:.3f}' for accuracy in accuracies)}")
    print_scores(result)
    written = [str(place) for place in (out, report) if place]
    if written:
        typer.echo(f"Written: {', '.join(written)}")


def _seeds(repeated: list[int] | None, listed: str | None) -> list[int]:
    """The seeds of `--seed` or of `--seeds`, each once."""
    if repeated and listed:
        raise typer.BadParameter("give --seed or --seeds, not both.")
    if listed is None:
        found = repeated or [0]
    else:
        parts = [part.strip() for part in listed.split(",")]
        if not all(part.isdecimal() for part in parts):
            raise typer.BadParameter(f"--seeds {listed!r} is not a list of whole numbers such as 1,2,3.")
        found = [int(part) for part in parts]
    if len(set(found)) != len(found):
        raise typer.BadParameter(f"the seeds {' '.join(map(str, found))} name one twice.")
    return found
