"""`senka train` and `senka export`: labelled photographs to an ONNX file."""

import os
from pathlib import Path
from typing import Annotated

import typer

from training.cli.common import Json, Source, Split, beside, group, part_of, progress_bar, show, sides, usage

app = group()


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
        shape["width"], shape["height"] = sides(size, 1024)
    with usage():
        spec = PreprocessSpec.model_validate({**default_spec(arch).model_dump(), **shape})
        config = default_config(arch, spec, epochs=epochs, batch_size=batch_size, learning_rate=learning_rate, seed=seed)
    labelled = load_all(data, part_of(split))
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
    show(
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

    beside(out)
    card, difference = export(Run.open(run), out)
    facts = {"model": str(out), "bytes": out.stat().st_size, "parity": difference, "parity_limit": PARITY_LIMIT}
    show(
        as_json,
        {**facts, "card": card.model_dump(mode="json")},
        f"Wrote {out} ({out.stat().st_size / 1e6:.1f} MB); PyTorch and ONNX Runtime differ by at most {difference:.1e}.",
    )
