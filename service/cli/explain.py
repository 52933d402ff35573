"""`senka explain`: what the network sees in a photograph or has learned, without a server."""

import json
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Table

from models.errors import InvalidParameter, SenkaError
from models.explain.catalogue import Method, method_of
from models.imaging import ImageLimits, decode_whole
from service.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from service.explain.jobs import Explained, Model
    from service.explain.pool import ExplainPool

app = typer.Typer(rich_markup_mode=None)

ENDINGS: Final = (".png", ".npy", ".json")
LIST_WITHIN_S: Final = 20.0


class UnreadableFile(SenkaError):
    code = "unreadable_file"


@app.command(epilog="Example: senka explain photo.jpg --method grad_cam --layer pool2 --overlay")
def explain(
    image: Annotated[
        Path | None, typer.Argument(metavar="[IMAGE]", help="JPEG, PNG, WebP or BMP file; some methods need none.")
    ] = None,
    method: Annotated[str | None, typer.Option(help="What to show, such as grad_cam; --list names them.")] = None,
    layer: Annotated[str | None, typer.Option(help="A layer of the network. Default: the method's own.")] = None,
    target: Annotated[str | None, typer.Option(help="The grade to explain. Default: the one given.")] = None,
    model: Annotated[str, typer.Option(help="Published version or alias.")] = "champion",
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A parameter of the method; may be repeated.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="File to write: .png, .npy or .json. Default: IMAGE-METHOD.png in this folder.")
    ] = None,
    overlay: Annotated[bool, typer.Option("--overlay", help="Draw it over the photograph.")] = False,
    opacity: Annotated[float, typer.Option(min=0.0, max=1.0, help="Of the overlay.")] = 0.5,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
    list_them: Annotated[
        bool, typer.Option("--list", help="The methods of the model, with their layers and parameters.")
    ] = False,
) -> None:
    """Write a picture or the raw numbers of what the network saw, and say in one line what they mean."""
    if list_them:
        _list(model, as_json)
        return
    if method is None:
        raise typer.BadParameter("Name a --method, or give --list.")
    chosen = method_of(method)
    parameters = chosen.settle(_pairs(settings or []))
    file = out or Path(f"{image.stem + '-' if image and chosen.photograph else ''}{method}.png")
    if file.suffix.lower() not in ENDINGS:
        raise typer.BadParameter(f"--out is {file}; it must end in one of: {', '.join(ENDINGS)}.")
    if chosen.photograph != (image is not None):
        needs = "explains a photograph: name its file" if chosen.photograph else "shows what was learned: leave IMAGE out"
        raise typer.BadParameter(f"{method} {needs}.")
    if not file.parent.is_dir():
        raise typer.BadParameter(f"There is no folder {file.parent} to write {file.name} into.")
    _write(chosen, parameters, image, layer, target, model, file, overlay, opacity, as_json)


def _write(
    method: Method,
    parameters: dict[str, Any],
    image: Path | None,
    layer: str | None,
    target: str | None,
    model: str,
    file: Path,
    overlay: bool,
    opacity: float,
    as_json: bool,
) -> None:
    from service.explain import answers
    from service.explain.jobs import ExplainJob
    from service.explain.subjects import subject_of

    if overlay:
        answers.require_overlay(method.name)
    if target is not None and not method.target:
        raise InvalidParameter(f"{method.name} explains no single grade; leave --target out.", valid=[])
    chosen = Settings.load()
    limits = ImageLimits(chosen.max_pixels)
    job: ExplainJob = ExplainJob(_find(chosen, model), method.name, parameters, layer, target)
    data = _read(image) if image else b""
    if image:
        subject = subject_of(job.model.card.preprocess, data, limits, int(parameters.get("size_px", 0)))
        job = replace(job, subject=subject)
    with _workers(chosen) as pool:
        explained: Explained = pool.submit(job, method.deadline_s).result()
    if file.suffix.lower() == ".png":
        content = answers.as_png(job, explained, decode_whole(data, limits) if overlay else None, opacity)
    else:
        content = answers.as_npy(explained) if file.suffix.lower() == ".npy" else answers.as_json(job, explained)
    file.write_bytes(content)
    facts = {name: value for name, value in answers.facts(job, explained).items() if name != "frames"}
    if as_json:
        typer.echo(json.dumps({**facts, "out": str(file)}))
        return
    typer.echo(f"{file}: {_words(method, facts)}")


def _words(method: Method, facts: dict[str, Any]) -> str:
    of = "".join(f", {name} {facts[name]}" for name in ("layer", "target") if facts[name] is not None)
    shape = " x ".join(map(str, facts["shape"]))
    line = f"{method.name}{of}: {shape} from {facts['minimum']:.4g} to {facts['maximum']:.4g}; shows {method.shows}"
    if facts["evidence"] is not None:
        line += f", evidence of {facts['evidence']:.3g} logits" + (", too weak to draw" if facts["weak"] else "")
    return line


def _list(wanted: str, as_json: bool) -> None:
    from service.explain.jobs import DescribeJob

    chosen = Settings.load()
    model = _find(chosen, wanted)
    with _workers(chosen) as pool:
        found: dict[str, Any] = pool.submit(DescribeJob(model), LIST_WITHIN_S).result()
    if as_json:
        typer.echo(json.dumps({"model": model.to_json(), "architecture": model.card.architecture, **found}))
        return
    table = Table("method", "shows", "layer", "--set", "what")
    for method in found["methods"]:
        settings = " ".join(f"{parameter['name']}={parameter['default']}" for parameter in method["parameters"])
        table.add_row(method["name"], method["shows"], method["default_layer"] or "", settings, method["what"])
    console = Console()
    console.print(table)
    console.print("layers: " + ", ".join(layer["name"] for layer in found["layers"]), highlight=False)


@contextmanager
def _workers(settings: Settings) -> "Iterator[ExplainPool]":
    """One worker of the kind that the service has, gone afterwards."""
    from service.explain.pool import ExplainPool

    pool = ExplainPool(1, 1, settings.explain_threads)
    try:
        yield pool
    finally:
        pool.close()


def _find(settings: Settings, wanted: str) -> "Model":
    from models.card import card_of
    from models.graph import open_session
    from service.explain.jobs import Model

    version, data = settings.find_model(wanted)
    return Model(settings.models, version, card_of(open_session(data)))


def _pairs(given: Sequence[str]) -> dict[str, str]:
    pairs = {}
    for one in given:
        name, equals, value = one.partition("=")
        if not equals:
            raise typer.BadParameter(f"--set is {one!r}; it takes NAME=VALUE, such as steps=64.")
        pairs[name] = value
    return pairs


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UnreadableFile(f"{path}: {error.strerror}.") from error
