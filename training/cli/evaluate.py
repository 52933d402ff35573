"""`senka evaluate`: a model's figures on labelled photographs."""

from pathlib import Path
from typing import Annotated

import typer

from training.cli.common import Costs, Json, Source, Split, TargetAccuracy, beside, group, part_of, progress_bar

app = group()


@app.command(epilog="Example: senka evaluate --model champion --data samples --json")
def evaluate(
    model: Annotated[str, typer.Option(help="ONNX file, or a published version or alias such as champion.")],
    data: Source,
    split: Split = "all",
    report: Annotated[Path | None, typer.Option(help="Also write an HTML page with every error.")] = None,
    costs: Costs = None,
    target_accuracy: TargetAccuracy = 0.9,
    as_json: Json = False,
) -> None:
    """Score a model on labelled photographs, as it would serve."""
    from models.places import Places
    from training.cli.figures import print_scores
    from training.cost import CostModel
    from training.evaluate import evaluate as evaluate_model
    from training.sources import load_all

    beside(report)
    priced = CostModel.read(costs) if costs else None
    found, content = Places.load().find_model(model)
    labelled = load_all(data, part_of(split))
    with progress_bar("Grading", len(labelled)) as (progress, task):
        scores = evaluate_model(
            content,
            str(found.path),
            labelled,
            report,
            advance=lambda n: progress.advance(task, n),
            costs=priced,
            target_accuracy=target_accuracy,
        )
    if as_json:
        typer.echo(scores.model_dump_json())
        return
    print_scores(scores)
    if report:
        typer.echo(f"Errors: {report}")
