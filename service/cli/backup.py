"""`senka backup`, `senka restore`."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from service.settings import Settings

app = typer.Typer(rich_markup_mode=None)

Json = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")]


@app.command(epilog="Example: senka backup /mnt/usb/senka-2026-11-24.tar")
def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The tar to write; it must not be there yet.")],
    photographs: Annotated[bool, typer.Option("--photographs/--no-photographs", help="With the photographs on record.")] = True,
    models: Annotated[bool, typer.Option("--models/--no-models", help="With the model repository.")] = True,
    batches: Annotated[bool, typer.Option("--batches/--no-batches", help="With the labelled batches.")] = True,
    as_json: Json = False,
) -> None:
    """Write records, photographs, models and labelled batches into one file, all of one moment, while the service runs.

    The file holds hashes of passwords and keys: only its owner may read it. Keep it elsewhere than this machine.
    """
    from service.records.backup import Contents, write_backup
    from service.records.database import open_database
    from service.records.photographs import open_store

    settings = Settings.load()
    engine = open_database(settings.records_url)
    store = open_store(settings) if photographs else None
    try:
        with _progress() as step:
            folders = settings.models if models else None, settings.batches if batches else None
            manifest = write_backup(file, Contents(engine, store, *folders), step)
    finally:
        engine.dispose()
        if store:
            store.close()
    facts = _facts(file, manifest)
    if as_json:
        typer.echo(json.dumps(facts))
        return
    kept = manifest.photographs
    lost = f" {kept.missing} photographs that records name were not in the image store." if kept.missing else ""
    typer.echo(
        f"{file}: {facts['rows']:,} rows of {len(manifest.tables)} tables, {kept.count:,} photographs, "
        f"{len(manifest.models)} files of models, {len(manifest.batches)} of labelled batches, {facts['bytes']:,} bytes.{lost}"
    )


@app.command(epilog="Example: senka restore /mnt/usb/senka-2026-11-24.tar")
def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="A backup.")],
    force: Annotated[bool, typer.Option("--force", help="Where there are records already: rename them, then restore.")] = False,
    as_json: Json = False,
) -> None:
    """Put a backup back, after checking all of it; into SQLite or PostgreSQL, whichever SENKA_DATABASE_URL names.

    Stop the service first. Nothing is deleted: with --force what was there gets another name. Everybody logs in again after.
    """
    from service.records.photographs import open_store
    from service.records.restore import restore as put_back

    settings = Settings.load()
    store = open_store(settings)
    try:
        with _progress() as step:
            done = put_back(file, settings, store, force=force, step=step)
    finally:
        store.close()
    facts = _facts(file, done.manifest)
    if as_json:
        typer.echo(json.dumps({**facts, "aside": done.aside}))
        return
    typer.echo(f"Restored {facts['rows']:,} rows and {done.manifest.photographs.count:,} photographs of {done.manifest.made_at}.")
    for name in done.aside:
        typer.echo(f"What was there before is now {name}.")


def _facts(file: Path, manifest: Any) -> dict[str, Any]:
    rows = {name: facts.rows for name, facts in manifest.tables.items()}
    return {
        "file": str(file),
        "bytes": file.stat().st_size,
        "made_at": manifest.made_at,
        "revision": manifest.revision,
        "rows": sum(rows.values()),
        "tables": rows,
        "photographs": manifest.photographs.count,
        "photographs_missing": manifest.photographs.missing,
        "models": len(manifest.models),
        "batches": len(manifest.batches),
    }


@contextmanager
def _progress() -> Iterator[Any]:
    """A function for `Step`: one bar for each thing worked on, on standard error, none where that is no terminal."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as progress:
        tasks: dict[str, TaskID] = {}

        def step(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = progress.add_task(what, total=total)
            progress.update(tasks[what], completed=done, total=total)

        yield step
