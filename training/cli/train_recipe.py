"""`senka train --recipe`: the same command where a name decides the network and how it is trained."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from training.cli.common import progress_bar, show, usage

if TYPE_CHECKING:  # torch takes seconds to load; `senka train --help` does not wait for it
    from training.sources import LabelledSet

_ITS_OWN = {"data", "out", "split", "seed", "resume", "size", "recipe", "changes", "as_json"}


def require_its_own(context: typer.Context) -> None:
    """Raise BadParameter for an option that was given and that the recipe decides."""
    for parameter in context.command.params:
        name = str(parameter.name)
        source = context.get_parameter_source(name)
        if name not in _ITS_OWN and source is not None and source.name == "COMMANDLINE":
            raise typer.BadParameter(f"{parameter.opts[0]} does not go with --recipe, which decides it; see --set.")


def train_recipe(
    name: str,
    changes: Sequence[str],
    shape: dict[str, int],
    seed: int,
    data: "LabelledSet",
    out: Path,
    resume: bool,
    as_json: bool,
) -> None:
    """Follow a recipe into `out` and print its figures."""
    from models.architectures import default_spec
    from training.fit_recipe import fit_recipe
    from training.recipe import RECIPE_SETTINGS, find_recipe, parse_changes
    from training.run import REPORT_FILE

    with usage():
        spec = {**default_spec("rbf").model_dump(), **shape}
        recipe = find_recipe(name, preprocess=spec, seed=seed, **parse_changes(changes, RECIPE_SETTINGS))
    with progress_bar("Rendering", recipe.renders) as (progress, task):

        def advance(doing: str, done: int, of: int) -> None:
            progress.update(task, description=doing.capitalize(), completed=done, total=of)

        try:
            run = fit_recipe(recipe, data, out, resume, advance)
        except KeyboardInterrupt:
            typer.echo(f"senka: stopped; the same command with --resume continues {out}.", err=True)
            raise typer.Exit(1) from None
    metrics = run.metrics()
    scores = metrics.scores
    facts = {"run": str(out), "recipe": name, "temperature": metrics.calibration.temperature, "light_alone": metrics.light_alone}
    show(
        as_json,
        {**facts, **scores.model_dump(mode="json")},
        f"Trained {name} on {scores.images} images: accuracy {scores.accuracy:.3f}, each image graded without itself "
        f"(ECE {scores.ece:.3f}).\nErrors: {out / REPORT_FILE}",
    )
