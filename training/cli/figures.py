"""How `evaluate` and `crossval` print their figures."""

import typer
from rich.console import Console
from rich.table import Table

from training.metrics import Scores


def print_scores(scores: Scores) -> None:
    """Figures with their 95 % intervals, then precision and recall by grade."""
    typer.echo(f"{scores.images} images of {scores.data}, {scores.model}; 95 % bootstrap intervals in brackets")
    accuracy = _with_interval(scores, "accuracy", scores.accuracy)
    typer.echo(f"accuracy     {accuracy}, {scores.errors} errors in {sum(map(sum, scores.confusion))} answers")
    typer.echo(f"macro-F1     {_with_interval(scores, 'macro_f1', scores.macro_f1)}")
    before = "" if scores.ece_before is None else f", {scores.ece_before:.3f} before calibration"
    typer.echo(f"ECE          {_with_interval(scores, 'ece', scores.ece)}{before}")
    typer.echo(f"NLL, Brier   {scores.negative_log_likelihood:.3f}, {scores.brier:.3f}")
    if scores.adjacent_errors is not None:
        typer.echo(f"errors       {scores.adjacent_errors} between neighbouring grades, {scores.far_errors} far")
    if scores.cost:
        mean = _with_interval(scores, "cost", scores.cost.mean_yen, ".2f")
        typer.echo(f"cost         {mean} yen a fruit, {scores.cost.total_yen:.0f} yen in all")
    chosen = scores.selective
    if chosen and chosen.threshold is not None and chosen.coverage is not None and chosen.accuracy is not None:
        coverage = _with_interval(scores, "coverage", chosen.coverage)
        typer.echo(
            f"threshold    confidence {chosen.threshold:.3f} accepts {coverage} of the images, {chosen.accuracy:.3f} right"
        )
    elif chosen:
        typer.echo(f"threshold    none: no confidence from which {chosen.target_accuracy:.3f} are right")
    if chosen:
        typer.echo(f"AURC         {chosen.aurc:.3f}")
    table = Table("grade", "precision", "recall", "images")
    for grade, row in scores.per_grade.items():
        table.add_row(grade, f"{row.precision:.3f}", f"{row.recall:.3f}", str(row.support))
    Console().print(table)


def _with_interval(scores: Scores, name: str, value: float, form: str = ".3f") -> str:
    found = scores.intervals.get(name)
    return f"{value:{form}}" + (f" [{found.low:{form}}, {found.high:{form}}]" if found else "")
