"""`senka models`: the model repository."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from models.card import card_of
from models.errors import RunError
from models.graph import open_session
from models.places import Places
from models.repository import CHECKPOINT_FILE, Exchange, ModelRepository, Version

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
models_app = typer.Typer(
    no_args_is_help=True, help="Published models: list, show, publish, promote, roll back.", epilog="Example: senka models list"
)
app.add_typer(models_app, name="models")


@app.callback()
def group() -> None:
    """Holds the one group."""


Json = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")]


def _repository() -> ModelRepository:
    return Places.load().repository


def _put_on_trail(done: Exchange, *, back: bool = False) -> None:
    from service.cli.trail import put_on_trail  # here: `list` and `show` need no database
    from service.rollout import PROMOTED, ROLLED_BACK

    put_on_trail(ROLLED_BACK if back else PROMOTED, done)


def _facts(version: Version) -> dict[str, Any]:
    return {"name": version.name, "version": version.number, "sha256": version.sha256, "path": str(version.path)}


@models_app.command("list", epilog="Example: senka models list --json")
def list_versions(as_json: Json = False) -> None:
    """Every published version and who grades."""
    found = _repository().describe()
    if as_json:
        typer.echo(json.dumps(found))
        return
    if not found["versions"]:
        folder = _repository().folder
        typer.echo(f"Nothing is published in {folder} yet: senka models publish MODEL.onnx --promote")
        return
    table = Table("version", "alias", "published", "sha256", "note", title=found["name"])
    for row in found["versions"]:
        table.add_row(str(row["version"]), " ".join(row["aliases"]), row["published_at"], row["sha256"][:12], row["note"])
    Console().print(table)


@models_app.command(epilog="Example: senka models show champion")
def show(
    version: Annotated[str, typer.Argument(help="Number, champion or challenger.")] = "champion",
    as_json: Annotated[bool, typer.Option("--json", help="On one line.")] = False,
) -> None:
    """The model card of a version, as JSON; refused when the file is not the one published."""
    repository = _repository()
    found = repository.get(version)
    card = card_of(open_session(repository.load(found)))
    typer.echo(json.dumps({**_facts(found), "card": card.model_dump(mode="json")}, indent=None if as_json else 1))


@models_app.command(epilog="Example: senka models publish first.onnx --promote")
def publish(
    model: Annotated[Path, typer.Argument(metavar="MODEL.onnx", help="An exported model.")],
    promote: Annotated[bool, typer.Option("--promote", help="Make it the champion at once.")] = False,
    note: Annotated[str, typer.Option(help="Why; kept with the version.")] = "",
    run: Annotated[
        Path | None,
        typer.Option(metavar="RUN", help="The training run it was exported from: keeps the weights that trainings go on from."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Copy a model into the repository as the challenger. The same file twice is one version.

    With --run its checkpoint is kept too: senka train --from champion.
    """
    checkpoint = run / CHECKPOINT_FILE if run else None
    if checkpoint and not checkpoint.is_file():
        raise RunError(f"There is no {checkpoint}. Name the folder of a finished run: senka train ... --out RUN.")
    repository = _repository()
    known = {version.number for version in repository.versions()}
    before = repository.aliases().champion
    version = repository.publish(model, note, promote, checkpoint)
    if promote:
        _put_on_trail(Exchange(before, version))
    aliases = repository.aliases()
    role = "champion" if aliases.champion == version.number else "challenger"
    if version.number in known:
        text = f"{model} is {version.name} version {version.number} already, {role}."
    else:
        text = f"Published {model} as {version.name} version {version.number}, {role}."
    typer.echo(json.dumps({**_facts(version), "alias": role}) if as_json else text)


@models_app.command(epilog="Example: senka models promote challenger")
def promote(version: Annotated[str, typer.Argument(help="Number, or challenger.")], as_json: Json = False) -> None:
    """Make a version the champion; running services follow within seconds."""
    done = _repository().exchange(version)
    _put_on_trail(done)
    now = done.now
    typer.echo(json.dumps(_facts(now)) if as_json else f"Version {now.number} of {now.name} is the champion.")


@models_app.command(epilog="Example: senka models rollback")
def rollback(as_json: Json = False) -> None:
    """Make the champion before this one the champion again."""
    done = _repository().exchange(None)
    _put_on_trail(done, back=True)
    now = done.now
    forward = f"`senka models promote {done.before}` goes forward again."
    text = f"Rolled back: version {now.number} of {now.name} is the champion; {forward}"
    typer.echo(json.dumps(_facts(now)) if as_json else text)
