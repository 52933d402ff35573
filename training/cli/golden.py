"""`senka golden`: the photographs that models are judged on."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from training.cli.common import Json, Split, group, part_of, progress_bar, show

if TYPE_CHECKING:
    from training.sources import LabelledSet

app = group()
golden_app = typer.Typer(
    no_args_is_help=True, help="The photographs that models are judged on.", epilog="Example: senka golden add --data batch"
)
app.add_typer(golden_app, name="golden")

Folder = Annotated[
    Path | None, typer.Option("--folder", metavar="DIR", help="Folder of the golden set. Default: $SENKA_HOME/golden.")
]


@golden_app.command(epilog="Example: senka golden add --data batch")
def add(
    data: Annotated[
        list[str], typer.Option("--data", help="A source as `senka train` takes it, that no model was trained on; may repeat.")
    ],
    split: Split = "all",
    folder: Folder = None,
    as_json: Json = False,
) -> None:
    """Add photographs to the golden set. No training reads them from then on."""
    from training.golden import Golden
    from training.sources import load

    part = part_of(split)
    target = Golden(folder)
    # One by one, so that each photograph is noted with the source that it came from
    sources = [load(source, part) for source in data]
    with progress_bar("Reading", sum(map(len, sources))) as (progress, task):
        grown = [target.add(source, advance=lambda n: progress.advance(task, n)) for source in sources]
    added, already = sum(one.added for one in grown), sum(one.already for one in grown)
    refused = [found for one in grown for found in one.refused]
    lines = [f"{target.folder}: {added} photographs added, {already} were there; it holds {grown[-1].images}."]
    if refused:
        lines.append(f"{len(refused)} refused, for the same picture has another grade; correct the one or the other:")
        lines += [f"  {one.name} is {one.grade}, {one.other} {one.other_grade}" for one in refused]
    learned = _learned(sources)
    if learned:
        lines.append(f"Of these, {learned} were learned by earlier models, whose figures on them are better than they should be.")
    facts = {"added": added, "already": already, "images": grown[-1].images, "refused": [one.model_dump() for one in refused]}
    facts["learned"] = learned
    show(as_json, {"folder": str(target.folder), **facts}, "\n".join(lines))


def _learned(sources: "list[LabelledSet]") -> int:
    """How many photographs are in the batches that retrainings keep."""
    from models.places import Places
    from training.kept import kept

    known = {sample.pixel_digest() for batch in kept(Places.load().kept_batches) for sample in batch.data.samples}
    return sum(sample.pixel_digest() in known for source in sources for sample in source.samples) if known else 0


@golden_app.command("show", epilog="Example: senka golden show")
def show_command(folder: Folder = None, as_json: Json = False) -> None:
    """What the golden set holds, and how it grew."""
    from training.golden import Golden

    golden_set = Golden(folder)
    data, history = golden_set.data(), golden_set.history()
    lots = sorted({sample.lot for sample in data.samples} - {""})
    unnamed = sum(not sample.lot for sample in data.samples)
    facts = {
        "folder": str(golden_set.folder),
        "images": len(data),
        "counts": data.counts(),
        "fruit": len({sample.group for sample in data.samples}),
        "lots": lots,
        "without_lot": unnamed,
        "sha256": data.sha256,
        "history": [one.model_dump() for one in history],
    }
    lines = [
        f"{golden_set.folder}: {len(data)} photographs of {facts['fruit']} fruit",
        f"by grade: {_words(data.counts())}",
        f"lots: {', '.join(lots) or 'none named'}" + (f"; {unnamed} photographs without" if lots and unnamed else ""),
        f"sha256: {data.sha256}",
        *(f"{one.added_at or 'by hand'}: {one.added} from {one.source or 'somewhere'} ({_words(one.counts)})" for one in history),
    ]
    show(as_json, facts, "\n".join(lines))


def _words(counts: dict[str, int]) -> str:
    return ", ".join(f"{grade} {count}" for grade, count in counts.items())
