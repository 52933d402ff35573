"""What the commands share: options, a progress bar, and how they print."""

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from models.errors import InvalidSetting

Source = Annotated[
    list[str],
    typer.Option(
        "--data", help="CUCUMBER-9, labelled batch, folder per grade, Label Studio export, MNIST, or records: (the corrections)."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")]
Split = Annotated[str, typer.Option(help="Part of a source that has parts: train, test or all.")]
Costs = Annotated[
    Path | None,
    typer.Option(
        help="TOML or JSON with price_yen by grade, claim_yen and cost_yen. Default: straight 14, bent 5 yen on average."
    ),
]
TargetAccuracy = Annotated[
    float, typer.Option(min=0.0, max=1.0, help="Share of accepted photographs that should be right; proposes the confidence.")
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="Change a setting, such as ridge=0.2 or mixup=0.2; may repeat."),
]


def group(**settings: Any) -> typer.Typer:
    """A Typer whose commands `service/cli` finds by name."""
    return typer.Typer(**{"no_args_is_help": True, "rich_markup_mode": None, "add_completion": False, **settings})


@contextmanager
def progress_bar(label: str, total: int | None) -> Iterator[tuple[Progress, TaskID]]:
    """A bar on standard error, silent when that is not a terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as progress:
        yield progress, progress.add_task(label, total=total)


def show(as_json: bool, facts: dict[str, Any], text: str) -> None:
    typer.echo(json.dumps(facts) if as_json else text)


def sides(text: str, most: int) -> tuple[int, int]:
    width, _, height = text.partition("x")
    sides = [int(side) for side in (width, height) if side.isdecimal() and 8 <= int(side) <= most]
    if len(sides) != 2:
        raise typer.BadParameter(f"{text!r} is not WIDTHxHEIGHT, 8 to {most} pixels each, such as 64x48.")
    return sides[0], sides[1]


def beside(file: Path | None) -> Path | None:
    """A file to be written at the end: its folder is made now, so that no work is lost to a missing one."""
    if file:
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.is_dir():
            raise typer.BadParameter(f"{file} is a folder; name a file.")
    return file


class _Lines(logging.Handler):
    """What training has to say while it works, as lines on standard error."""

    def emit(self, record: logging.LogRecord) -> None:
        typer.echo(f"senka: {self.format(record)}", err=True)


@contextmanager
def said(package: str = "training") -> Iterator[None]:
    """Show the log lines of a package while a command runs."""
    logger, handler = logging.getLogger(package), _Lines(logging.INFO)
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)


@contextmanager
def usage() -> Iterator[None]:
    """Values that a setting refuses are wrong usage."""
    try:
        yield
    except InvalidSetting as error:
        raise typer.BadParameter(str(error)) from error
    except ValidationError as error:
        raise typer.BadParameter("; ".join(f"{found['loc'][-1]}: {found['msg']}" for found in error.errors())) from error


def part_of(text: str) -> Any:
    if text not in ("train", "test", "all"):
        raise typer.BadParameter(f"{text!r} is not train, test or all.")
    return text
