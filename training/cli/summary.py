"""`senka summary`: the layers of a network in figures, and the networks beside each other."""

import json
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from training.cli.common import Json, group, sides

app = group()

_AUXILIARIES = "Auxiliary classifiers are not counted: only training uses them."


@app.command(epilog="Example: senka summary googlenet --size 96x96 --grades 9")
def summary(
    arch: Annotated[
        str | None, typer.Argument(metavar="[ARCH]", help="alexnet, deep-mnist, googlenet, lenet, rbf, resnet34 or vgg19.")
    ] = None,
    grades: Annotated[int | None, typer.Option(min=2, help="Number of grades. Default: 10 for deep-mnist, else 9.")] = None,
    size: Annotated[str | None, typer.Option(help="Network input, WIDTHxHEIGHT. Default: the architecture's.")] = None,
    compare: Annotated[bool, typer.Option("--compare", help="All networks, computed figures beside published ones.")] = False,
    as_json: Json = False,
) -> None:
    """Layers, output shapes, parameters and multiply-accumulates (MACs) of a network."""
    if compare:
        if arch or grades or size:
            raise typer.BadParameter("--compare shows every network at its published input; leave ARCH, --grades and --size out.")
        _compare(as_json)
    elif arch is None:
        raise typer.BadParameter("Name an architecture, or give --compare.")
    else:
        _describe(arch, grades, size, as_json)


def _describe(arch: str, grades: int | None, size: str | None, as_json: bool) -> None:
    import torch

    from models.architectures import NAMES, build, default_spec, require_size
    from models.architectures.network import WithAuxiliaries
    from models.architectures.summary import Totals, summarize

    if arch not in NAMES:
        raise typer.BadParameter(f"There is no architecture {arch!r}. Known: {', '.join(NAMES)}.")
    spec = default_spec(arch)
    if size:
        width, height = sides(size, 1024)
        spec = spec.model_copy(update={"width": width, "height": height})
    try:
        require_size(arch, spec)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    count = grades or (10 if arch == "deep-mnist" else 9)
    with torch.device("meta"):
        network = build(arch, count, spec)
    rows = summarize(network, spec.channels, spec.height, spec.width)
    totals = Totals.of(rows)
    note = _AUXILIARIES if isinstance(network, WithAuxiliaries) else None
    if as_json:
        layers = [{**{s: getattr(r, s) for s in r.__slots__}, "parameters": r.parameters} for r in rows]
        facts = {
            "architecture": arch,
            "grades": count,
            "input": [spec.channels, spec.height, spec.width],
            "parameters": totals.parameters,
            "macs": totals.macs,
            "fully_connected": totals.fully_connected,
            "note": note,
            "layers": layers,
        }
        typer.echo(json.dumps(facts))
        return
    title = f"{arch}, {spec.channels}x{spec.height}x{spec.width}, {count} grades"
    table = Table("layer", "kind", "output", "weights", "biases", "MACs", title=title, caption=note)
    for row in rows:
        shape = "x".join(map(str, row.output))
        table.add_row(row.name, row.kind, shape, f"{row.weights:,}", f"{row.biases:,}", f"{row.macs:,}")
    table.add_section()
    table.add_row("total", "", "", f"{totals.parameters:,} parameters", "", f"{totals.macs:,}")
    _console().print(table)


def _compare(as_json: bool) -> None:
    networks = _comparison()
    if as_json:
        typer.echo(json.dumps({"networks": networks, "note": _AUXILIARIES}))
        return
    # Two lines for each network, so that the whole fits a terminal of 80 columns.
    table = Table("network", "figures", "parameters", "MACs", "FC", "top-1", "top-5", caption=_AUXILIARIES)
    keys = ("parameters", "macs", "fully_connected", "top1", "top5")
    for row in networks:
        for first, kind in ((row["architecture"], "computed"), ("x".join(map(str, row["input"])), "published")):
            figures = row[kind] or {}
            table.add_row(first, kind, *("-" if figures.get(key) is None else f"{figures[key]:,}" for key in keys))
        table.add_section()
    console = _console()
    console.print(table)
    console.print("FC: fully connected layers. top-1, top-5: percent of images, in one guess or five.", highlight=False)
    for row in networks:
        if row["published"]:
            console.print(f"{row['architecture']}: {row['published']['source']}", markup=False, highlight=False)


def _console() -> Console:
    console = Console()
    if not console.is_terminal:
        console.width = 200  # a file or pipe has no width to fit; rich would cut figures off at 80 columns
    return console


def _comparison() -> list[dict[str, Any]]:
    """Every network at the input and number of classes it was published with, or as we train it."""
    from dataclasses import asdict

    import torch

    from models.architectures import NAMES, build, default_spec
    from models.architectures.published import PUBLISHED
    from models.architectures.summary import Totals, summarize

    networks = []
    for name in sorted(NAMES, key=lambda name: (name not in PUBLISHED, name)):
        published, spec, grades = PUBLISHED.get(name), default_spec(name), 9
        if published:
            channels, height, width = published.size
            spec = spec.model_copy(update={"channels": channels, "height": height, "width": width})
            grades = published.grades
        with torch.device("meta"):
            network = build(name, grades, spec)
        totals = Totals.of(summarize(network, spec.channels, spec.height, spec.width))
        figures = None
        if published:
            figures = {key: value for key, value in asdict(published).items() if key not in ("grades", "size")}
        networks.append(
            {
                "architecture": name,
                "input": [spec.channels, spec.height, spec.width],
                "grades": grades,
                "computed": asdict(totals),
                "published": figures,
            }
        )
    return networks
