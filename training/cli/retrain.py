"""`senka retrain`: from labelled batches to a model that the gate lets through."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from training.cli.common import Json, Set, Split, group, part_of, progress_bar, said, usage

if TYPE_CHECKING:
    from models.retrainings import Retraining, RetrainRequest

app = group()

Sources = Annotated[
    list[str] | None,
    typer.Option(
        "--data",
        help="New labelled photographs: a labelled batch, folder per grade, .zip, CUCUMBER-9, or records: (the corrections); may "
        "repeat. None: what earlier retrainings kept and the champion does not know.",
    ),
]


@app.command(epilog="Example: senka retrain --data batch --promote")
def retrain(
    data: Sources = None,
    replay: Annotated[
        list[str] | None, typer.Option(help="Earlier photographs, beside those that earlier retrainings kept; may repeat.")
    ] = None,
    golden: Annotated[str | None, typer.Option(help="Judge on this source. Default: the golden set, see senka golden.")] = None,
    to_golden: Annotated[
        float, typer.Option(min=0, max=0.5, help="Share of the new fruit that the golden set grows by, never trained on.")
    ] = 0.0,
    corrections: Annotated[
        list[str] | None, typer.Option(help="Corrections of the last weeks that the gate looks at, too; may repeat.")
    ] = None,
    split: Split = "all",
    promote: Annotated[bool, typer.Option("--promote", help="Make it the champion where the gate lets it through.")] = False,
    require: Annotated[str, typer.Option(help="better, or not_worse: passes also where no gain can be shown.")] = "better",
    scratch: Annotated[
        str, typer.Option(help="Train from scratch as well: auto (where much changed), always or never.")
    ] = "auto",
    arch: Annotated[str | None, typer.Option(help="Architecture from scratch. Default: the champion's, or lenet.")] = None,
    recipe: Annotated[str | None, typer.Option(help="Or a recipe: best, or fruit.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Epochs of the fine-tuning.")] = None,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    changes: Set = None,
    threads: Annotated[int, typer.Option(min=0, help="Threads of the training; 0: one fewer than there are cores.")] = 0,
    nice: Annotated[int, typer.Option(min=0, max=19, help="How far it steps back for other programs, such as the service.")] = 10,
    resume: Annotated[str | None, typer.Option(metavar="ID", help="Go on with one that was stopped.")] = None,
    cancel: Annotated[str | None, typer.Option(metavar="ID", help="Stop the one that runs, at its next step.")] = None,
    asked: Annotated[list[str] | None, typer.Option(hidden=True, help="The sources as they were named.")] = None,
    lock_fd: Annotated[int | None, typer.Option(hidden=True, help="The turn, from the service that started this.")] = None,
    as_json: Json = False,
) -> object:  # the Retraining that ended; typer would look up its name when the command is loaded
    """Check labelled photographs, train on from the champion, judge, publish; exit 1, with the reasons, where it is refused."""
    from models.places import Places
    from models.retrainings import RetrainRequest, Turn

    if scratch not in ("auto", "always", "never"):
        raise typer.BadParameter(f"--scratch {scratch!r} is not auto, always or never.")
    if require not in ("better", "not_worse"):
        raise typer.BadParameter(f"--require {require!r} is not better or not_worse.")
    retrainings = Places.load().retrainings
    if cancel:
        _require_running(retrainings.get(cancel))
        retrainings.cancel(cancel)
        typer.echo(f"Retraining {cancel} stops at its next step.")
        return None
    if resume:
        turn = retrainings.take_turn(resume) if lock_fd is None else Turn(lock_fd)
        with turn:
            return _run(resume, data, retrainings.request(resume), as_json)
    with usage():
        request = RetrainRequest(
            data=tuple(asked or data or ()),
            replay=tuple(replay or ()),
            golden=golden,
            to_golden=to_golden,
            corrections=tuple(corrections or ()),
            split=part_of(split),
            promote=promote,
            require=require,
            scratch=scratch,
            arch=arch,
            recipe=recipe,
            epochs=epochs,
            seed=seed,
            bounds=_bounds(changes or []),
            threads=threads,
            nice=nice,
        )
    _require_known(arch, recipe)
    created, turn = retrainings.begin(request)
    with turn:
        return _run(created.id, data, request, as_json)


def _require_running(found: "Retraining") -> None:
    from models.errors import RunError

    if found.state != "running":
        raise RunError(f"Retraining {found.id} is {found.state}: there is nothing to cancel.")


def _require_known(arch: str | None, recipe: str | None) -> None:
    from models.architectures import NAMES
    from training.recipe import find_recipe

    if arch and arch not in NAMES:
        raise typer.BadParameter(f"There is no architecture {arch!r}. Known: {', '.join(NAMES)}.")
    if recipe:
        with usage():
            find_recipe(recipe)


def _bounds(changes: list[str]) -> dict[str, str]:
    """`--set NAME=VALUE` of the gate, checked. Raises InvalidSetting, ValidationError."""
    from training.gate import GateBounds
    from training.recipe import parse_changes

    found = parse_changes(changes, tuple(GateBounds.model_fields))
    GateBounds.model_validate(found)
    return found


def _run(retraining_id: str, sources: list[str] | None, request: "RetrainRequest", as_json: bool) -> "Retraining":
    """Step back for others, then run it to its end, print how it ended and return it: `senka` notes down a promotion."""
    os.setpriority(os.PRIO_PROCESS, 0, max(request.nice, os.getpriority(os.PRIO_PROCESS, 0)))
    threads = request.threads or max(1, len(os.sched_getaffinity(0)) - 1)
    # Before torch starts its threads: those that spin while they wait take the cores from the service.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ["OMP_NUM_THREADS"] = str(threads)
    import torch

    from models.places import Places
    from training.retrain import retrain as run

    torch.set_num_threads(threads)
    places = Places.load()
    folder = places.retrainings.folder(retraining_id)
    typer.echo(f"senka: retraining {retraining_id}, in {folder}", err=True)
    with said(), progress_bar("Retraining", None) as (progress, task):

        def watch(state: "Retraining") -> None:
            told = state.stage if state.doing == state.stage else f"{state.stage}: {state.doing}"
            progress.update(task, description=told, completed=state.done, total=state.of or None)

        try:
            ended = run(places, retraining_id, sources or None, watch)
        except KeyboardInterrupt:
            typer.echo(f"senka: stopped; senka retrain --resume {retraining_id} goes on with it.", err=True)
            raise typer.Exit(1) from None
    typer.echo(ended.model_dump_json() if as_json else _text(ended, folder))
    if ended.state == "refused":
        raise typer.Exit(1)
    return ended


def _text(ended: "Retraining", folder: Path) -> str:
    from models.retrainings import GATE_PAGE, INTAKE_PAGE

    pages = [str(folder / page) for page in (INTAKE_PAGE, GATE_PAGE) if (folder / page).exists()]
    return "\n".join((ended.text, f"Pages: {', '.join(pages)}", f"Curves: tensorboard --logdir {folder}"))
