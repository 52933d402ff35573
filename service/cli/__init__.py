"""The command `senka`. Commands are loaded when they are called: `senka serve` never loads torch, and training's commands
are found by name, so that the service imports nothing of training."""

import os
import sys
from importlib import import_module
from typing import Any, Final

import typer
from typer.core import TyperGroup

from models.errors import SenkaError
from service.cli.records_source import with_records
from service.cli.trail import noting_promotions

_MODULES: Final = {
    "demo": "service.cli.demo",
    "serve": "service.cli.serve",
    "grade": "service.cli.grade",
    "explain": "service.cli.explain",
    "models": "service.cli.models",
    "users": "service.cli.users",
    "keys": "service.cli.keys",
    "corrections": "service.cli.corrections",
    "regrade": "service.cli.regrade",
    "backup": "service.cli.backup",
    "restore": "service.cli.backup",
    "doctor": "service.cli.doctor",
    "synth": "training.cli.samples",
    "data": "training.cli.samples",
    "train": "training.cli.train",
    "crossval": "training.cli.crossval",
    "evaluate": "training.cli.evaluate",
    "gate": "training.cli.gate",
    "retrain": "training.cli.retrain",
    "export": "training.cli.train",
    "intake": "training.cli.intake",
    "golden": "training.cli.golden",
    "summary": "training.cli.summary",
    "gallery": "training.cli.gallery",
}


class Commands(TyperGroup):
    """The commands by name, in the order a newcomer meets them."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(_MODULES)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        module = _MODULES.get(cmd_name)
        if module is None:
            return None
        command: Any = typer.main.get_command(import_module(module).app)
        if isinstance(command, TyperGroup):
            command = command.commands[cmd_name]
        if cmd_name == "retrain":
            command = noting_promotions(command)
        return with_records(command) if module.startswith("training.") else command

    def invoke(self, ctx: Any) -> Any:
        """One clear line and exit 1 for an error that we know; anything else is a bug and keeps its traceback."""
        try:
            return super().invoke(ctx)
        except SenkaError as error:
            typer.echo(f"senka: {error}", err=True)
        except BrokenPipeError:
            sys.stderr.close()  # whoever read the output has seen enough
        except OSError as error:
            typer.echo(f"senka: {error.filename or 'the system'}: {error.strerror or error}", err=True)
        except KeyboardInterrupt:
            typer.echo("senka: stopped", err=True)
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] not in (
                "torch",
                "captum",
                "torchvision",
                "onnxscript",
                "scipy",
                "sklearn",
                "tensorboard",
            ):
                raise
            typer.echo(f"senka: {error.name} is not installed; in the checkout: pip install -e '.[train]'", err=True)
        raise typer.Exit(1)


app = typer.Typer(cls=Commands, no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.callback()
def senka() -> None:
    """Senka grades cucumbers: demo it, serve it, train it."""


def main() -> None:
    # Records, photographs and backups are nobody else's on this machine: other accounts get no access to what is made now.
    os.umask(os.umask(0o077) | 0o007)
    app()
