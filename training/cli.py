"""Training's commands. `service/cli` loads this module by name, so that the service never imports training or torch;
heavy imports stand inside the commands, so that `senka --help` stays quick."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
data_app = typer.Typer(no_args_is_help=True, help="The public data set.", epilog="Example: senka data fetch cucumber-9")
app.add_typer(data_app, name="data")

Source = Annotated[
    list[str], typer.Option("--data", help="CUCUMBER-9 archive or folder, labelled batch, folder per grade, MNIST.")
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")]
Split = Annotated[str, typer.Option(help="Part of a source that has parts: train, test or all.")]


@contextmanager
def progress_bar(label: str, total: int | None) -> Iterator[tuple[Progress, TaskID]]:
    """A bar on standard error, silent when that is not a terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as progress:
        yield progress, progress.add_task(label, total=total)


def _print(as_json: bool, facts: dict[str, Any], text: str) -> None:
    typer.echo(json.dumps(facts) if as_json else text)


def _size(text: str, most: int) -> tuple[int, int]:
    width, _, height = text.partition("x")
    sides = [int(side) for side in (width, height) if side.isdecimal() and 8 <= int(side) <= most]
    if len(sides) != 2:
        raise typer.BadParameter(f"{text!r} is not WIDTHxHEIGHT, 8 to {most} pixels each, such as 64x48.")
    return sides[0], sides[1]


def _beside(file: Path | None) -> Path | None:
    """A file to be written at the end: its folder is made now, so that no work is lost to a missing one."""
    if file:
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.is_dir():
            raise typer.BadParameter(f"{file} is a folder; name a file.")
    return file


@contextmanager
def _usage() -> Iterator[None]:
    """Values that a setting refuses are wrong usage."""
    try:
        yield
    except ValidationError as error:
        raise typer.BadParameter("; ".join(f"{found['loc'][-1]}: {found['msg']}" for found in error.errors())) from error


@app.command(epilog="Example: senka synth samples --count 900 --seed 1")
def synth(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="New or empty folder.")],
    count: Annotated[int, typer.Option(min=1, help="Number of photographs.")] = 900,
    seed: Annotated[int, typer.Option(min=0, help="The same seed renders the same photographs.")] = 0,
    size: Annotated[list[str] | None, typer.Option(help="WIDTHxHEIGHT in pixels; may repeat. Default: a mixture.")] = None,
    sheet: Annotated[Path | None, typer.Option(help="Also write a contact sheet of the first 108 as PNG.")] = None,
    as_json: Json = False,
) -> None:
    """Render cucumbers of known grade, length, thickness and bend as a labelled batch."""
    import numpy as np

    from models.imaging import decode_whole, encode_png
    from training.synth import DEFAULT_SIZES, contact_sheet, render, synthesize

    sizes = [_size(text, 4096) for text in size] if size else DEFAULT_SIZES
    for width, height in sizes:
        try:
            render("BL", (width, height), np.random.default_rng(0))
        except ValueError as error:
            raise typer.BadParameter(f"{width}x{height}: {error}") from error
    _beside(sheet)
    with progress_bar("Rendering", count) as (progress, task):
        rows = synthesize(folder, count, seed, sizes, advance=lambda: progress.advance(task))
    if sheet:
        shown = sorted(rows[:108], key=lambda row: row.grade)
        sheet.write_bytes(encode_png(contact_sheet([(r.grade, decode_whole((folder / r.path).read_bytes())) for r in shown])))
    _print(
        as_json, {"folder": str(folder), "images": len(rows), "seed": seed}, f"Rendered {len(rows)} photographs into {folder}."
    )


@data_app.command("fetch", epilog="Example: senka data fetch cucumber-9 --out data/cucumber-9")
def fetch(
    name: Annotated[str, typer.Argument(help="cucumber-9, the only public set so far.")],
    out: Annotated[Path | None, typer.Option(help="Folder for the archives. Default: $SENKA_HOME/data/NAME.")] = None,
    as_json: Json = False,
) -> None:
    """Download the CUCUMBER-9 archives (CC BY 4.0, Makoto Koike) and verify them."""
    from models.places import Places
    from training.sources.cucumber9 import ATTRIBUTION
    from training.sources.fetch import fetch_cucumber9

    if name != "cucumber-9":
        raise typer.BadParameter(f"There is no public data set {name!r}. Known: cucumber-9.")
    folder = out or Places.load().home / "data" / name
    with progress_bar("Downloading, bytes", None) as (progress, task):
        paths = fetch_cucumber9(folder, advance=lambda n: progress.advance(task, n))
    lines = [*(f"{p} (verified)" for p in paths), ATTRIBUTION]
    _print(as_json, {"files": [str(p) for p in paths], "attribution": ATTRIBUTION}, "\n".join(lines))


@app.command(epilog="Example: senka train --data samples --arch lenet --out runs/first")
def train(
    data: Source,
    out: Annotated[Path, typer.Option(metavar="RUN", help="Folder for checkpoint, curves, metrics.json and the error gallery.")],
    arch: Annotated[str, typer.Option(help="deep-mnist or lenet.")] = "lenet",
    split: Split = "train",
    epochs: Annotated[int | None, typer.Option(min=1, help="Passes over the images. Default: the architecture's.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=2, help="Images a step.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Peak step size.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, data, machine and threads: same weights.")] = 0,
    size: Annotated[str | None, typer.Option(help="Network input, WIDTHxHEIGHT. Default: the architecture's.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the run in RUN where it was stopped.")] = False,
    as_json: Json = False,
) -> None:
    """Train a network on labelled photographs."""
    # Before torch starts its threads: where other programs want the cores too, threads that spin while they wait double the time.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from models.architectures import NAMES, default_spec
    from models.preprocess import PreprocessSpec
    from training.config import default_config
    from training.fit import Progress as Epoch
    from training.fit import fit
    from training.run import REPORT_FILE
    from training.sources import load_all

    if arch not in NAMES:
        raise typer.BadParameter(f"There is no architecture {arch!r}. Known: {', '.join(NAMES)}.")
    shape: dict[str, int] = {}
    if size:
        shape["width"], shape["height"] = _size(size, 1024)
    with _usage():
        spec = PreprocessSpec.model_validate({**default_spec(arch).model_dump(), **shape})
        config = default_config(arch, spec, epochs=epochs, batch_size=batch_size, learning_rate=learning_rate, seed=seed)
    labelled = load_all(data, _split(split))
    with progress_bar(f"Training {arch} on {len(labelled)} images, epochs", config.epochs) as (progress, task):

        def watch(epoch: Epoch) -> None:
            shown = f"epoch loss {epoch.loss:.3f}, validation {epoch.validation_accuracy:.3f}"
            progress.update(task, completed=epoch.epoch, description=shown)

        try:
            run = fit(config, labelled, out, resume=resume, watch=watch)
        except KeyboardInterrupt:
            typer.echo(f"senka: stopped; the same command with --resume continues {out}.", err=True)
            raise typer.Exit(1) from None
    metrics = run.metrics()
    scores = metrics.scores
    _print(
        as_json,
        {"run": str(out), "temperature": metrics.calibration.temperature, **scores.model_dump(mode="json")},
        f"Trained {arch} on {len(labelled) - scores.images} images: accuracy {scores.accuracy:.3f} on {scores.images} held out "
        f"(ECE {scores.ece:.3f}).\nErrors: {out / REPORT_FILE}\nCurves: tensorboard --logdir {out}",
    )


@app.command("export", epilog="Example: senka export runs/first --out first.onnx")
def export_command(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a finished training run.")],
    out: Annotated[Path, typer.Option(metavar="MODEL.onnx", help="File to write.")],
    as_json: Json = False,
) -> None:
    """Write a run's network as ONNX with its card inside, checked against PyTorch."""
    from training.export import PARITY_LIMIT, export
    from training.run import Run

    _beside(out)
    card, difference = export(Run.open(run), out)
    facts = {"model": str(out), "bytes": out.stat().st_size, "parity": difference, "parity_limit": PARITY_LIMIT}
    _print(
        as_json,
        {**facts, "card": card.model_dump(mode="json")},
        f"Wrote {out} ({out.stat().st_size / 1e6:.1f} MB); PyTorch and ONNX Runtime differ by at most {difference:.1e}.",
    )


@app.command(epilog="Example: senka evaluate --model champion --data samples --json")
def evaluate(
    model: Annotated[str, typer.Option(help="ONNX file, or a published version or alias such as champion.")],
    data: Source,
    split: Split = "all",
    report: Annotated[Path | None, typer.Option(help="Also write an HTML page with every error.")] = None,
    as_json: Json = False,
) -> None:
    """Score a model on labelled photographs, as it would serve."""
    from models.places import Places
    from training.evaluate import evaluate as evaluate_model
    from training.sources import load_all

    _beside(report)
    found, content = Places.load().find_model(model)
    labelled = load_all(data, _split(split))
    with progress_bar("Grading", len(labelled)) as (progress, task):
        scores = evaluate_model(content, str(found.path), labelled, report, advance=lambda n: progress.advance(task, n))
    if as_json:
        typer.echo(scores.model_dump_json())
        return
    typer.echo(f"{scores.images} images: accuracy {scores.accuracy:.3f}, macro-F1 {scores.macro_f1:.3f}, ECE {scores.ece:.3f}")
    table = Table("grade", "precision", "recall", "images")
    for grade, row in scores.per_grade.items():
        table.add_row(grade, f"{row.precision:.3f}", f"{row.recall:.3f}", str(row.support))
    Console().print(table)


@app.command(epilog="Example: senka summary deep-mnist")
def summary(arch: Annotated[str, typer.Argument(help="deep-mnist or lenet.")], as_json: Json = False) -> None:
    """Layers, output shapes, parameters and multiply-accumulates of a network."""
    from models.architectures import NAMES, build, default_spec
    from models.architectures.summary import summarize

    if arch not in NAMES:
        raise typer.BadParameter(f"There is no architecture {arch!r}. Known: {', '.join(NAMES)}.")
    spec = default_spec(arch)
    rows = summarize(build(arch, 10 if arch == "deep-mnist" else 9, spec), spec.channels, spec.height, spec.width)
    parameters, macs = sum(r.parameters for r in rows), sum(r.macs for r in rows)
    if as_json:
        layers = [{**{s: getattr(r, s) for s in r.__slots__}, "parameters": r.parameters} for r in rows]
        typer.echo(json.dumps({"architecture": arch, "parameters": parameters, "macs": macs, "layers": layers}))
        return
    table = Table(
        "layer", "kind", "output", "weights", "biases", "MACs", title=f"{arch}, {spec.channels}x{spec.height}x{spec.width}"
    )
    for row in rows:
        shape = "x".join(map(str, row.output))
        table.add_row(row.name, row.kind, shape, f"{row.weights:,}", f"{row.biases:,}", f"{row.macs:,}")
    table.add_section()
    table.add_row("total", "", "", f"{parameters:,} parameters", "", f"{macs:,}")
    Console().print(table)


def _split(text: str) -> Any:
    if text not in ("train", "test", "all"):
        raise typer.BadParameter(f"{text!r} is not train, test or all.")
    return text
