"""`senka regrade`: what the past would have been under another model, or under the rules of another profile."""

import csv
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from models.grades import GRADES
from service.cli.corrections import window_of
from service.cli.installed import records
from service.grading import rfc3339
from service.settings import Settings

if TYPE_CHECKING:
    from service.records.filters import Filters
    from service.regrading import Changed, Regraded, Step

app = typer.Typer(rich_markup_mode=None)

REPORT: Final = "regrade.json"
WORDS: Final = "report.txt"
CHANGED: Final = "changed.csv"
_SKIPPED: Final = {
    "no_grade": "missed their deadline and have no grade",
    "photograph_not_kept": "have no photograph any more",
    "photograph_unreadable": "have a photograph that cannot be read",
}


@app.command(epilog="Example: senka regrade --since 2026-11-01 --model challenger --report regraded")
def regrade(
    since: Annotated[
        str, typer.Option(metavar="T", help="Gradings from then on: 2026-11-01, from its start in UTC, or RFC 3339.")
    ],
    until: Annotated[
        str | None, typer.Option(metavar="T", help="Gradings before then: 2026-11-24, that day included; now by default.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="ONNX file, or a published version or alias: looks at the photographs again.")
    ] = None,
    profile: Annotated[
        int | None, typer.Option(min=1, help="Version of the rules; by default each grading's own decide its lane.")
    ] = None,
    line: Annotated[str | None, typer.Option(help="Of this line alone.")] = None,
    lot: Annotated[str | None, typer.Option(help="Of this lot alone.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many, the oldest of the span.")] = None,
    report: Annotated[
        Path | None, typer.Option(metavar="DIR", help="New or empty folder for the report and the list of what changed.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Grade the past again under another model or other rules, and report what would have changed. Nothing on record is changed.

    --profile alone takes the probabilities on record; --model looks at the photographs that are still kept. Stopped with Ctrl-C
    it reports what it has done.
    """
    if model is None and profile is None:
        raise typer.BadParameter("Name a --model, a --profile, or both: there is nothing else to grade the past by.")
    filters = _filters(since, until, line, lot)
    asked = {
        "since": rfc3339(filters.since) if filters.since else None,
        "until": rfc3339(filters.until) if filters.until else None,
        "line": line,
        "lot": lot,
        "limit": limit,
        "profile": profile,
    }
    with _folder(report) as folder:
        made, name = _regraded(filters, model, profile, limit, folder)
        answer = {**asked, "model": name, **made.to_json()}
        said = words(made)
        if folder:
            (folder / REPORT).write_text(json.dumps(answer, indent=1))
            (folder / WORDS).write_text(f"{said}\n")
    typer.echo(json.dumps(answer) if as_json else said)
    if not answer["complete"]:
        raise KeyboardInterrupt


def _regraded(
    filters: "Filters", model: str | None, profile: int | None, limit: int | None, folder: Path | None
) -> tuple["Regraded", dict[str, Any] | None]:
    from models.imaging import ImageLimits
    from service.inference.session import LoadedModel, threads_for
    from service.profiles import rules_of
    from service.records.photographs import open_store
    from service.regrading import Again, Lanes, RegradingImpossible, regrade

    settings = Settings.load()
    if not settings.database_url and not (settings.home / "senka.db").exists():  # opening them would make them
        raise RegradingImpossible(f"There are no records in {settings.home}: nothing was ever graded here.")
    with ExitStack() as stack:
        engine = stack.enter_context(records(settings))
        lanes = Lanes(engine, profile, rules_of(settings))
        again = name = None
        if model is not None:
            version, data = settings.find_model(model)
            loaded = LoadedModel.load(data, version, settings.providers, threads_for(1, settings.threads), settings.max_batch)
            store = open_store(settings)
            stack.callback(store.close)
            again = Again(loaded, store, ImageLimits(settings.max_pixels), settings.max_batch)
            name = {"name": version.name, "version": version.number, "sha256": version.sha256}
        changed = stack.enter_context(_list_of_changes(folder)) if folder else lambda _: None
        step = stack.enter_context(_progress())
        return regrade(engine, filters, lanes, again, limit=limit, changed=changed, step=step), name


def words(made: "Regraded") -> str:
    """The report for people."""
    facts = made.to_json()
    lines = [f"{made.graded:,} of {made.found:,} gradings were graded again."]
    if not facts["complete"]:
        lines.append(f"Stopped after {made.done:,} of them.")
    lines += [f"{count:,} {_SKIPPED.get(reason, reason)}." for reason, count in facts["skipped"].items() if count]
    if not made.graded:
        return "\n".join(lines)
    manual = facts["manual_share"]
    lines.append(f"{made.grades_changed:,} would have another grade, {made.lanes_changed:,} another lane.")
    lines.append(f"Manual lane: {manual['before']:.2%} before, {manual['after']:.2%} after.")
    if made.corrected:
        right = facts["accuracy"]
        lines.append(
            f"Of {made.corrected:,} that people graded, right before: {right['before']:.2%}, after: {right['after']:.2%}. "
            "People look at doubtful ones: this is no share of all."
        )
    else:
        lines.append("Nobody corrected any of them, so nothing tells which grades are right.")
    lines += ["", "on record \\ new " + "".join(f"{grade:>8}" for grade in GRADES)]
    lines += [f"{old:<16}" + "".join(f"{made.table[old, new]:>8}" for new in GRADES) for old in GRADES]
    for when in ("before", "after"):
        shares = (facts["share_by_grade"][grade][when] for grade in GRADES)
        lines.append(f"{when:<16}" + "".join(f"{share:>8.1%}" for share in shares))
    return "\n".join(lines)


def _filters(since: str, until: str | None, line: str | None, lot: str | None) -> "Filters":
    from service.records.filters import Filters

    first = window_of(since, None).since
    last = window_of(None, until).until if until else datetime.now(UTC)  # what is graded meanwhile is not the past
    if first and last and first >= last:
        raise typer.BadParameter(f"{since} is not before {until or 'now'}: no grading was made in between.")
    return Filters(since=first, until=last, line=line, lot=lot)


@contextmanager
def _folder(report: Path | None) -> Iterator[Path | None]:
    """A folder aside, which takes the report's place once it is whole. Raises BadParameter where something is there already."""
    if report is None:
        yield None
        return
    from service.records.aside import aside

    out = report.resolve()
    _require_empty(out)
    with aside(out.parent, out.name) as parent:
        made = parent / "report"
        made.mkdir()
        yield made
        _require_empty(out)
        made.rename(out)


def _require_empty(out: Path) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise typer.BadParameter(f"{out} is there already and not an empty folder. Name another.")


@contextmanager
def _list_of_changes(folder: Path) -> Iterator["Callable[[Changed], None]"]:
    from service.records.export import safe_cell
    from service.regrading import Changed, cells

    with (folder / CHANGED).open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [column.name for column in fields(Changed)])
        writer.writeheader()
        yield lambda one: writer.writerow({name: safe_cell(value) for name, value in cells(one).items()})


@contextmanager
def _progress() -> Iterator["Step"]:
    """A bar on standard error, silent when that is not a terminal."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("Grading again", total=None)

        def step(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        yield step
