"""`senka summary`: the layers of a network in figures."""

import json
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from training.cli.common import Json, group

app = group()


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
