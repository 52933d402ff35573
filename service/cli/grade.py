"""`senka grade`: files, without a server."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from models.errors import ImageError, SenkaError
from models.imaging import ImageLimits
from service.decision import Decision, decide
from service.settings import Settings

app = typer.Typer(rich_markup_mode=None)


class UnreadableFile(SenkaError):
    code = "unreadable_file"


@app.command(epilog="Example: senka grade photo.jpg --json")
def grade(
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="JPEG, PNG, WebP or BMP files.")],
    model: Annotated[str, typer.Option(help="ONNX file, or a published version or alias.")] = "champion",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Grade photographs as the service would; exit 1 when one of them could not be graded."""
    from service.inference.session import LoadedModel

    settings = Settings.load()
    version, data = settings.find_model(model)
    loaded = LoadedModel.load(data, version, settings.providers)
    limits = ImageLimits(settings.max_pixels)
    graded: list[tuple[Path, Decision]] = []
    failed: list[tuple[Path, SenkaError]] = []
    for path in images:
        try:
            pixels = loaded.card.preprocess.from_bytes(_read(path), limits)
        except (ImageError, UnreadableFile) as reason:
            failed.append((path, reason))
            continue
        graded.append((path, decide(loaded.probabilities([pixels])[0], settings.manual_below)))
    if as_json:
        facts = {
            "model": {"name": version.name, "version": version.number},
            "gradings": [_facts(*one) for one in graded],
            "failed": [_refusal(*one) for one in failed],
        }
        typer.echo(json.dumps(facts))
    else:
        _print(graded)
    for path, error in failed:
        typer.echo(f"senka: {path}: {error}", err=True)
    if failed:
        raise typer.Exit(1)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UnreadableFile(f"{error.strerror}.") from error


def _facts(path: Path, decision: Decision) -> dict[str, object]:
    return {
        "file": str(path),
        "grade": decision.grade,
        "confidence": decision.confidence,
        "probabilities": decision.probabilities,
        "lane": decision.lane,
        "reasons": list(decision.reasons),
    }


def _refusal(path: Path, error: SenkaError) -> dict[str, object]:
    return {"file": str(path), "code": error.code, "detail": str(error)}


def _print(graded: list[tuple[Path, Decision]]) -> None:
    table = Table("file", "grade", "confidence", "second choice", "lane")
    for path, decision in graded:
        second = f"{decision.runner_up[0]} {decision.runner_up[1]:.0%}" if decision.runner_up else ""
        table.add_row(path.name, decision.grade, f"{decision.confidence:.0%}", second, decision.lane)
    if graded:
        Console().print(table)
