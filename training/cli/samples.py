"""`senka synth` and `senka data`: photographs to train on."""

from pathlib import Path
from typing import Annotated

import typer

from training.cli.common import Json, beside, group, progress_bar, show, sides

app = group()
data_app = typer.Typer(no_args_is_help=True, help="The public data set.", epilog="Example: senka data fetch cucumber-9")
app.add_typer(data_app, name="data")


@app.command(epilog="Example: senka synth samples --count 900 --seed 1")
def synth(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="New or empty folder.")],
    count: Annotated[int, typer.Option(min=1, help="Number of photographs.")] = 900,
    seed: Annotated[int, typer.Option(min=0, help="The same seed renders the same photographs.")] = 0,
    size: Annotated[list[str] | None, typer.Option(help="WIDTHxHEIGHT in pixels; may repeat. Default: a mixture.")] = None,
    scene: Annotated[str, typer.Option(help="belt: a conveyor; rig: a photography box, grades that lie closer.")] = "belt",
    sheet: Annotated[Path | None, typer.Option(help="Also write a contact sheet of the first 108 as PNG.")] = None,
    as_json: Json = False,
) -> None:
    """Render cucumbers of known grade, length, thickness and bend as a labelled batch."""
    import numpy as np

    from models.imaging import decode_whole, encode_png
    from training.synth import DEFAULT_SIZES, SCENES, contact_sheet, render, synthesize

    if scene not in SCENES:
        raise typer.BadParameter(f"There is no scene {scene!r}. Known: {', '.join(SCENES)}.")

    sizes = [sides(text, 4096) for text in size] if size else DEFAULT_SIZES
    for width, height in sizes:
        try:
            render("BL", (width, height), np.random.default_rng(0), SCENES[scene])
        except ValueError as error:
            raise typer.BadParameter(f"{width}x{height}: {error}") from error
    beside(sheet)
    with progress_bar("Rendering", count) as (progress, task):
        rows = synthesize(folder, count, seed, sizes, SCENES[scene], advance=lambda: progress.advance(task))
    if sheet:
        shown = sorted(rows[:108], key=lambda row: row.grade)
        sheet.write_bytes(encode_png(contact_sheet([(r.grade, decode_whole((folder / r.path).read_bytes())) for r in shown])))
    show(as_json, {"folder": str(folder), "images": len(rows), "seed": seed}, f"Rendered {len(rows)} photographs into {folder}.")


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
    show(as_json, {"files": [str(p) for p in paths], "attribution": ATTRIBUTION}, "\n".join(lines))
