"""`senka corrections`: what people corrected, for training."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from service.cli.installed import records
from service.settings import Settings

if TYPE_CHECKING:
    from service.records.corrected import CorrectedBatch, Step, Window

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
corrections_app = typer.Typer(
    no_args_is_help=True,
    help="What people corrected: export it as a labelled batch.",
    epilog="Example: senka corrections export --out corrections-2026",
)
app.add_typer(corrections_app, name="corrections")


@app.callback()
def group() -> None:
    """Holds the one group."""


@corrections_app.callback()
def corrections() -> None:
    """Holds its one command under its own name."""


Json = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")]
Since = Annotated[
    str | None, typer.Option(metavar="T", help="Corrections from then on: 2026-11-01, from its start in UTC, or RFC 3339.")
]
Until = Annotated[
    str | None, typer.Option(metavar="T", help="Corrections before then: 2026-11-24, that day included, or RFC 3339.")
]


@corrections_app.command(epilog="Example: senka corrections export --out november --since 2026-11-01 --until 2026-11-30")
def export(
    out: Annotated[Path, typer.Option(metavar="DIR", help="New or empty folder.")],
    since: Since = None,
    until: Until = None,
    as_json: Json = False,
) -> None:
    """Write the photographs that were corrected as a labelled batch, graded as people say: manifest.csv and the images.

    The newest correction that was not undone counts, also where it agrees with the model. Photographs of no cucumber are listed
    in not_cucumbers.csv beside the manifest, which training does not read; corrections whose photograph is no longer kept are
    counted. The records still forget these photographs in time: only a batch that is taken in by the service (POST /v1/batches)
    keeps its photographs there for ever.
    """
    window = window_of(since, until)
    made = export_to(out, window)
    if as_json:
        typer.echo(json.dumps({"folder": str(out), **window.to_json(), **made.to_json()}))
    else:
        typer.echo(f"{out}: {words(made)}\nsha256 {made.sha256}")


def export_to(out: Path, window: "Window") -> "CorrectedBatch":
    """Export this installation's corrections, with a bar on standard error. Raises as `export_corrected`."""
    from service.records.corrected import CorrectedBatch, export_corrected, nothing_found
    from service.records.photographs import open_store

    settings = Settings.load()
    if _has_no_records(settings):  # opening them would make them
        raise nothing_found(CorrectedBatch(), window)
    store = open_store(settings)
    try:
        with records(settings) as engine, _progress() as step:
            return export_corrected(engine, store, out, window, reserve_bytes=settings.disk_reserve_bytes, step=step)
    finally:
        store.close()


def words(made: "CorrectedBatch") -> str:
    """What an export holds and what it lacks, in one line."""
    grades = ", ".join(f"{grade} {count:,}" for grade, count in made.to_json()["grades"].items() if count)
    said = f"{made.photographs:,} photographs ({grades or 'none'}), {made.confirmed:,} of them graded as the model did"
    others = (
        (made.not_cucumbers, "no cucumbers, in a list of their own"),
        (made.repeated, "corrections repeat another of the same photograph"),
        (made.contradicted, "contradict a newer one of the same photograph"),
        (made.not_kept, "have no photograph any more"),
        (made.damaged, "have a damaged photograph"),
    )
    return "; ".join([said, *(f"{count:,} {what}" for count, what in others if count)]) + "."


def window_of(since: str | None, until: str | None) -> "Window":
    """A window of time; a day alone is the whole of it. Raises BadParameter."""
    from service.records.corrected import Window

    first = _moment(since, timedelta()) if since else None
    last = _moment(until, timedelta(days=1)) if until else None
    if first and last and first >= last:
        raise typer.BadParameter(f"{since} is not before {until}: no correction was made in between.")
    return Window(first, last)


def _moment(text: str, whole_day: timedelta) -> datetime:
    """An RFC 3339 moment, or a day in UTC with `whole_day` added."""
    try:
        found = datetime.fromisoformat(text)
        if len(text) == len("2026-11-24"):
            return found.replace(tzinfo=UTC) + whole_day
        if found.tzinfo is not None:
            return found.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise typer.BadParameter(f"{text!r} is neither a day such as 2026-11-24 nor a moment such as 2026-11-24T17:00:00Z.")


def _has_no_records(settings: Settings) -> bool:
    return not settings.database_url and not (settings.home / "senka.db").exists()


@contextmanager
def _progress() -> Iterator["Step"]:
    """A bar on standard error, silent when that is not a terminal."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("Exporting corrections", total=None)

        def step(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        yield step
