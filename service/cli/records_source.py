"""`--data records:` for the commands of training: the corrections on record, exported before the command sees them.

Training never imports the service, so what it gets is a labelled batch in a folder like any other. The folder lives as long as
the command: a copy that stayed would outlive what retention deletes, and nobody would know it. What should stay is exported with
`senka corrections export`. It is made in SENKA_HOME, for a season of photographs does not fit where temporary files go.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, Final

import typer

PREFIX: Final = "records:"
FOLDER: Final = "batches-from-records"
NAME: Final = "records"
"""Always the same: names of samples begin with it where there are several sources, and so decide the fingerprint of the data."""


def with_records(command: Any) -> Any:
    """The command, able to read `records:` and `records:SINCE..UNTIL` where it takes `--data`."""
    inner: Callable[..., Any] | None = command.callback
    if inner is None or not any(param.name == "data" for param in command.params):
        return command

    @wraps(inner)
    def exporting_first(**given: Any) -> Any:
        data = given["data"] or _of_a_resumed(given.get("resume"))
        asked = [source for source in _listed(data) if source.startswith(PREFIX)]
        if not asked:
            return inner(**given)
        if len(asked) > 1:
            raise typer.BadParameter(f"{' and '.join(asked)}: name {PREFIX} once; one span of time may hold both.")
        with exported(asked[0]) as folder:
            found = [str(folder) if source == asked[0] else source for source in _listed(data)]
            more = {"asked": _listed(data)} if "asked" in given else {}  # what a command notes down must outlive the folder
            return inner(**{**given, "data": found[0] if isinstance(data, str) else found, **more})

    command.callback = exporting_first
    return command


@contextmanager
def exported(source: str) -> Iterator[Path]:
    """The corrections that a source such as `records:2026-11-01..2026-11-24` names, as a labelled batch; gone at the end.

    Raises BadParameter, CorrectionsNotExported, RecordsUnavailable, PhotographUnavailable, OSError.
    """
    from service.cli.corrections import export_to, window_of, words
    from service.records.aside import aside
    from service.records.corrected import nothing_found
    from service.settings import Settings

    since, until = _span(source)
    window = window_of(since, until)
    with aside(Settings.load().home / FOLDER, "command") as folder:
        made = export_to(folder / NAME, window)
        if not made.photographs:
            raise nothing_found(made, window)
        typer.echo(f"senka: {source} {words(made)}", err=True)
        yield folder / NAME


def _span(source: str) -> tuple[str | None, str | None]:
    span = source.removeprefix(PREFIX)
    since, dots, until = span.partition("..")
    if span and not dots:
        raise typer.BadParameter(f"{source!r} is no span of time; write {PREFIX} or {PREFIX}2026-11-01..2026-11-24, open or not.")
    return since or None, until or None


def _of_a_resumed(retraining_id: str | None) -> list[str]:
    """The sources of a retraining that goes on before it has read them."""
    if retraining_id is None:
        return []
    from models.places import Places

    retrainings = Places.load().retrainings
    return [] if retrainings.has_taken_in(retraining_id) else list(retrainings.request(retraining_id).data)


def _listed(data: str | Sequence[str] | None) -> list[str]:
    return [data] if isinstance(data, str) else list(data or ())
