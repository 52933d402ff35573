"""`senka train` and `senka export`: labelled photographs to an ONNX file."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from training.cli import train_options as option
from training.cli.common import Json, Source, Split, beside, group, part_of, progress_bar, said, show, sides, usage
from training.cli.train_recipe import require_its_own, train_recipe

if TYPE_CHECKING:  # torch takes seconds to load; `senka train --help` does not wait for it
    from training.config import TrainingConfig
    from training.run import Run
    from training.seeds import SeedSummary
    from training.sources import LabelledSet
    from training.start import Start

app = group(rich_markup_mode="rich")  # panels: there are too many options for one list


@app.command(epilog="Example: senka train --data samples --arch lenet --out runs/first")
def train(
    context: typer.Context,
    data: Source,
    out: option.Out,
    arch: option.Arch = None,
    recipe: option.Recipe = None,
    changes: option.Changes = None,
    split: Split = "train",
    seed: option.Seed = 0,
    seeds: option.Seeds = 1,
    resume: option.Resume = False,
    pictures_every: option.PicturesEvery = None,
    size: option.Size = None,
    from_: option.From = None,
    freeze: option.Freeze = None,
    layer_decay: option.LayerDecay = None,
    group_by: option.GroupBy = None,
    epochs: option.Epochs = None,
    batch_size: option.BatchSize = None,
    accumulate: option.Accumulate = None,
    learning_rate: option.LearningRate = None,
    schedule: option.Schedule = None,
    weight_decay: option.WeightDecay = None,
    clip_norm: option.ClipNorm = None,
    label_smoothing: option.LabelSmoothing = None,
    mixup: option.Mixup = None,
    balance: option.Balance = None,
    patience: option.Patience = None,
    flip: option.Flip = None,
    shift_px: option.ShiftPx = None,
    rotate_deg: option.RotateDeg = None,
    light: option.Light = None,
    gradient: option.Gradient = None,
    noise: option.Noise = None,
    amp: option.Amp = None,
    channels_last: option.ChannelsLast = None,
    as_json: Json = False,
) -> None:
    """Train a network on labelled photographs."""
    # Before torch starts its threads: where other programs want the cores too, threads that spin while they wait double the time.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from models.architectures import NAMES, default_spec, require_size
    from models.preprocess import PreprocessSpec
    from training.config import default_config
    from training.seeds import fit_seeds
    from training.start import find_start

    shape: dict[str, int] = {}
    if size:
        shape["width"], shape["height"] = sides(size, 1024)
    if recipe:
        require_its_own(context)
        with said():
            train_recipe(recipe, changes or [], shape, seed, _unseen(data, split), out, resume, as_json)
        return
    if changes:
        raise typer.BadParameter("--set goes with --recipe; an architecture's settings have options of their own.")
    arch = arch or "lenet"
    if arch not in NAMES:
        raise typer.BadParameter(f"There is no architecture {arch!r}. Known: {', '.join(NAMES)}.")
    pictures = {
        "flip": flip,
        "shift_px": shift_px,
        "rotate_deg": rotate_deg,
        "light": light,
        "gradient": gradient,
        "noise": noise,
    }
    settings: dict[str, Any] = {
        "seed": seed,
        "freeze": tuple(freeze) if freeze else None,
        "layer_decay": layer_decay,
        "group_by": group_by,
        "epochs": epochs,
        "batch_size": batch_size,
        "accumulate": accumulate,
        "learning_rate": learning_rate,
        "schedule": schedule,
        "weight_decay": weight_decay,
        "clip_norm": clip_norm,
        "label_smoothing": label_smoothing,
        "mixup": mixup,
        "balance": balance,
        "patience": patience,
        "augmentation": pictures,
        "amp": amp,
        "channels_last": channels_last,
    }
    with usage():
        spec = PreprocessSpec.model_validate({**default_spec(arch).model_dump(), **shape})
        config = default_config(arch, spec, **settings)
    try:
        require_size(arch, spec)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    start = find_start(from_) if from_ else None
    labelled = _unseen(data, split)

    def one(settings: "TrainingConfig", folder: Path) -> "Run":
        return _train(settings, labelled, folder, resume, start, pictures_every)

    with said():
        if seeds == 1:
            _show_run(one(config, out), arch, len(labelled), as_json)
        else:
            _show_seeds(fit_seeds(config, seeds, out, resume, one), as_json)


def _unseen(data: list[str], split: str) -> "LabelledSet":
    """The sources as one set. Raises DataError where it holds photographs of the golden set."""
    from training.golden import Golden
    from training.sources import load_all

    labelled = load_all(data, part_of(split))
    Golden().require_unseen(labelled)
    return labelled


def _train(
    config: "TrainingConfig", data: "LabelledSet", out: Path, resume: bool, start: "Start | None", pictures_every: int | None
) -> "Run":
    """One run, with a bar of its epochs."""
    from training.fit import Progress as Epoch
    from training.fit import fit

    with progress_bar(f"Training {config.architecture} on {len(data)} images, epochs", config.epochs) as (progress, task):

        def watch(epoch: Epoch) -> None:
            shown = f"epoch loss {epoch.loss:.3f}, validation {epoch.validation_accuracy:.3f}"
            progress.update(task, completed=epoch.epoch, description=shown)

        try:
            return fit(config, data, out, resume, watch, start=start, pictures_every=pictures_every)
        except KeyboardInterrupt:
            typer.echo(f"senka: stopped; the same command with --resume continues {out}.", err=True)
            raise typer.Exit(1) from None


def _show_run(run: "Run", arch: str, images: int, as_json: bool) -> None:
    from training.run import REPORT_FILE

    metrics, out = run.metrics(), run.folder
    scores = metrics.scores
    facts = {"run": str(out), "temperature": metrics.calibration.temperature, "epochs": metrics.epochs}
    chosen = f" Epoch {metrics.best_epoch}, chosen by these images." if metrics.best_epoch else ""
    show(
        as_json,
        {**facts, "best_epoch": metrics.best_epoch, **scores.model_dump(mode="json")},
        f"Trained {arch} on {images - scores.images} images: accuracy {scores.accuracy:.3f} on {scores.images} held out "
        f"(ECE {scores.ece:.3f}).{chosen}\nErrors: {out / REPORT_FILE}\nCurves: tensorboard --logdir {out}",
    )


def _show_seeds(summary: "SeedSummary", as_json: bool) -> None:
    lines = [f"{run.run}: accuracy {run.accuracy:.3f}, macro-F1 {run.macro_f1:.3f}, ECE {run.ece:.3f}" for run in summary.runs]
    mean, spread = summary.mean, summary.spread
    lines.append(f"Mean accuracy {mean['accuracy']:.3f}, standard deviation {spread['accuracy']:.3f}.")
    lines.append(f"Best on the held-out images: {summary.best}; they chose it, so its own figures on them are optimistic.")
    show(as_json, summary.model_dump(mode="json"), "\n".join(lines))


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
