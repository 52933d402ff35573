"""`senka evaluate`: a model's figures on labelled photographs."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from training.cli.common import Json, Source, Split, beside, group, part_of, progress_bar

app = group()


@app.command(epilog="Example: senka evaluate --model champion --data samples --json")
def evaluate(
    model: Annotated[str, typer.Option(help="ONNX file, or a published version or alias such as champion.")],
    data: Source,
    split: Split = "all",
    report: Annotated[Path | None, typer.Option(help="Also write an HTML page with every error.")] = None,
    as_json: Json = False,
) -> None:
    """Score a model on labelled photographs, as it would serve."""
    from models.places import Places
    from training.evaluate import evaluate as evaluate_model
    from training.sources import load_all

    beside(report)
    found, content = Places.load().find_model(model)
    labelled = load_all(data, part_of(split))
    with progress_bar("Grading", len(labelled)) as (progress, task):
        scores = evaluate_model(content, str(found.path), labelled, report, advance=lambda n: progress.advance(task, n))
    if as_json:
        typer.echo(scores.model_dump_json())
        return
    typer.echo(f"{scores.images} images: accuracy {scores.accuracy:.3f}, macro-F1 {scores.macro_f1:.3f}, ECE {scores.ece:.3f}")
    table = Table("grade", "precision", "recall", "images")
    for grade, row in scores.per_grade.items():
        table.add_row(grade, f"{row.precision:.3f}", f"{row.recall:.3f}", str(row.support))
    Console().print(table)
