"""`senka doctor`: what is wrong here, and how to mend it."""

import json
from typing import Annotated, Final

import typer

from service.settings import Settings

app = typer.Typer(rich_markup_mode=None)

_MARKS: Final = {"ok": "ok     ", "warning": "WARNING", "failure": "FAILURE"}


@app.command(epilog="Example: senka doctor --json")
def doctor(as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False) -> None:
    """Look at the whole installation and say what is wrong and what to do; exit 1 when something does not work.

    Changes nothing, and may run beside the service. It reads the database and a sample of the photographs.
    """
    from service.doctor import Level, examine

    found = []
    for finding in examine(Settings.load()):
        found.append(finding)
        if not as_json:
            typer.echo(f"{_MARKS[finding.level.value]} {finding.check}: {finding.says}")
            if finding.mend:
                typer.echo(f"        -> {finding.mend}")
    worst = {level: sum(1 for finding in found if finding.level is level) for level in Level}
    if as_json:
        findings = [finding.to_json() for finding in found]
        typer.echo(
            json.dumps({"findings": findings, **{f"{level.value}s": count for level, count in worst.items() if level != "ok"}})
        )
    else:
        typer.echo(f"{worst[Level.OK]} ok, {worst[Level.WARNING]} warnings, {worst[Level.FAILURE]} failures.")
    if worst[Level.FAILURE]:
        raise typer.Exit(1)
