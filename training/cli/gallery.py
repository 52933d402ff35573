"""`senka gallery`: pictures and figures of what a published model has learned, for the pages that explain it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from training.cli.common import Json, Split, group, part_of, progress_bar, show

app = group()


@app.command(epilog="Example: senka gallery --model champion --data samples")
def gallery(
    model: Annotated[str, typer.Option(help="Published version or alias.")] = "champion",
    data: Annotated[
        list[str] | None,
        typer.Option(
            "--data",
            help="Labelled photographs, as for `senka evaluate`; may repeat. Without them: filters and optimized pictures alone.",
        ),
    ] = None,
    split: Split = "all",
    layers: Annotated[
        list[str] | None,
        typer.Option("--layers", help="Layer to show, such as conv2 or inception4c; may repeat. Default: a selection."),
    ] = None,
    channels: Annotated[int, typer.Option(min=1, max=4096, help="Channels of each layer, the most telling first.")] = 16,
    trust_images: Annotated[
        int | None,
        typer.Option(min=0, max=1000, help="Photographs to try the methods on; 0: none. Default: by the size of the network."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the random numbers.")] = 0,
    as_json: Json = False,
) -> None:
    """Make the gallery of a published model, once for each version: what its layers see, where it errs, what to trust."""
    from models.places import Places
    from training.gallery import Wishes, make_gallery
    from training.sources import load_all

    places = Places.load()
    version = places.repository.get(model)
    wanted = [name for given in layers for name in given.split(",") if name] if layers else None
    made = make_gallery(
        places.repository,
        version,
        places.galleries,
        load_all(data, part_of(split)) if data else None,
        Wishes(wanted, channels, trust_images, seed),
        _stage,
    )
    folder = places.galleries.folder(version.sha256)
    shown = sum(len(layer.channels) for layer in made.layers)
    errors, near, trust = made.errors, made.neighbours, made.trust
    facts = {
        "folder": str(folder),
        "version": version.number,
        "seconds": made.seconds,
        "layers": len(made.layers),
        "channels": shown,
        "dead": {layer.name: len(layer.dead) for layer in made.layers if layer.dead is not None},
        "autocorrelation": {layer.name: layer.autocorrelation.model_dump() for layer in made.layers if layer.autocorrelation},
        "images": errors.images if errors else 0,
        "errors": errors.count if errors else None,
        "neighbours": near.count if near else 0,
        "trust": trust.model_dump() if trust else None,
    }
    lines = [f"{folder}: {shown} channels of {len(made.layers)} layers in {made.seconds:.0f} s"]
    if errors and near:
        lines.append(f"{errors.count} errors in {errors.images} photographs")
        if near.count < near.of:
            lines.append(f"{near.count:,} of {near.of:,} photographs are kept to find similar ones among")
    else:
        lines.append(
            "Without photographs: no strongest photographs, dead channels, errors, trust figures or similar ones. Give some with "
            "--data SOURCE."
        )
    show(as_json, facts, "\n".join(lines))


@contextmanager
def _stage(label: str, steps: int) -> Iterator[Callable[[int], None]]:
    with progress_bar(label, steps) as (progress, task):
        yield lambda done: progress.advance(task, done)
