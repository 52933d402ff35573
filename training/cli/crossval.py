"""`senka crossval`: figures that do not hang on one lucky split."""

import os
from pathlib import Path
from typing import Annotated

import typer

from training.cli.common import Costs, Json, Source, Split, TargetAccuracy, beside, group, part_of, progress_bar, usage

app = group()


@app.command(epilog="Example: senka crossval --data samples --arch lenet --folds 5 --seeds 1,2,3 --out cv")
def crossval(
    data: Source,
    arch: Annotated[str, typer.Option(help="Architecture, as `senka train` takes it.")] = "lenet",
    folds: Annotated[int, typer.Option(min=2, help="Parts; each is graded by a model trained on the others.")] = 5,
    seed: Annotated[list[int] | None, typer.Option(min=0, help="Of the split and the training; may repeat. Default: 0.")] = None,
    seeds: Annotated[str | None, typer.Option(metavar="1,2,3", help="Several seeds at once.")] = None,
    split: Split = "all",
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
    from models.architectures import NAMES
    from training.checkpoints import write_bytes
    from training.cli.figures import print_scores
    from training.cost import CostModel
    from training.crossval import crossvalidate
    from training.report import write_crossval_report
    from training.sources import load_all
    from training.trainers import trainer_for

    if arch not in NAMES:
        raise typer.BadParameter(f"There is no architecture {arch!r}. Known: {', '.join(NAMES)}.")
    with usage():
        trainer = trainer_for(arch, epochs=epochs, batch_size=batch_size, learning_rate=learning_rate)
    priced = CostModel.read(costs) if costs else None
    labelled = load_all(data, part_of(split))
    beside(report)
    if out:
        out.mkdir(parents=True, exist_ok=True)
    with progress_bar(f"Training {trainer.name}, folds", folds * len(chosen)) as (progress, task):
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
