"""`senka keys`: which cameras may post."""

import json
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from service.cli.installed import records, whoever
from service.settings import Settings

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
keys_app = typer.Typer(
    no_args_is_help=True, help="Keys of cameras: add, list, revoke.", epilog="Example: senka keys add 'line 1' --camera line1-top"
)
app.add_typer(keys_app, name="keys")


@app.callback()
def group() -> None:
    """Holds the one group."""


Json = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")]


@keys_app.command(epilog="Example: senka keys add 'line 1' --camera line1-top")
def add(
    name: str,
    camera: Annotated[str | None, typer.Option(help="The only camera it may post for; default: any.")] = None,
    as_json: Json = False,
) -> None:
    """Make a key and print it, once: it is not kept anywhere."""
    from service.security.keys import Keys

    with records(Settings.load()) as engine:
        key, bearer = Keys(engine).add(name, camera, by=whoever())
    if as_json:
        typer.echo(json.dumps({**key.to_json(), "key": bearer}))
        return
    typer.echo(bearer)
    typer.echo("Give it to the camera now, it is not shown again: it sends `Authorization: Bearer KEY`.", err=True)
    typer.echo(f"To take it back: senka keys revoke {key.prefix}", err=True)


@keys_app.command("list", epilog="Example: senka keys list --json")
def list_keys(as_json: Json = False) -> None:
    """All keys there ever were, newest first."""
    from service.security.keys import Keys

    with records(Settings.load()) as engine:
        found = Keys(engine).list()
    if as_json:
        typer.echo(json.dumps({"keys": [key.to_json() for key in found]}))
    elif not found:
        typer.echo("There are no keys yet: senka keys add NAME --camera CAMERA")
    else:
        table = Table("prefix", "name", "camera", "made", "last used", "revoked")
        for key in found:
            used, revoked = (moment.isoformat(" ", "minutes") if moment else "" for moment in (key.last_used_at, key.revoked_at))
            table.add_row(key.prefix, key.name, key.camera or "any", key.created_at.date().isoformat(), used, revoked)
        Console().print(table)


@keys_app.command(epilog="Example: senka keys revoke 1f4c09ab")
def revoke(prefix: Annotated[str, typer.Argument(help="The eight digits after senka_.")], as_json: Json = False) -> None:
    """Never take a key again; running services follow within two seconds."""
    from service.security.keys import Keys

    with records(Settings.load()) as engine:
        key = Keys(engine).revoke(prefix, by=whoever())
    typer.echo(json.dumps(key.to_json()) if as_json else f"The key {key.prefix} ({key.name}) is revoked.")
