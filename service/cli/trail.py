"""Promotions and rollbacks on a command line, on the audit trail of this installation as those through the service are.

A command changes the model repository also where there are no records, or none that answer: whoever rolls back in need must not
wait for a database. It then says that the trail has no line of it.
"""

from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from models.errors import SenkaError

if TYPE_CHECKING:  # commands load what they need when they are called
    from models.repository import Exchange
    from models.retrainings import Retraining
    from service.settings import Settings


def put_on_trail(action: str, done: "Exchange", by: str = "", **more: Any) -> None:
    """A line of an exchange that was just made, unless it changed nothing; `by` is the account of the system by default."""
    from service.cli.installed import whoever
    from service.records.database import open_database
    from service.records.resources import Signature
    from service.rollout import write_line
    from service.settings import Settings

    if done.before == done.now.number:
        return
    try:
        settings = Settings.load()
        if _has_records(settings):
            # as it is: a service that still runs the version before must not find its tables changed under it
            engine = open_database(settings.records_url)
            try:
                write_line(engine, action, done, Signature(by or whoever()), **more)
            finally:
                engine.dispose()
    except (SenkaError, OSError) as error:
        typer.echo(f"senka: this was done, and the audit trail has no line of it: {error}", err=True)


def noting_promotions(command: Any) -> Any:
    """The command `senka retrain`, its promotions on the trail: training never imports the service, which keeps it."""
    inner = command.callback

    @wraps(inner)
    def noting(**given: Any) -> Any:
        ended = inner(**given)
        if ended is not None and ended.state == "promoted":
            _note_promotion(ended)
        return ended

    command.callback = noting
    return command


def _note_promotion(ended: "Retraining") -> None:
    from models.places import Places
    from models.repository import Exchange
    from service.rollout import PROMOTED

    places = Places.load()
    try:
        now = places.repository.get(str(ended.version))
        by = places.retrainings.request(ended.id).by
    except (SenkaError, OSError) as error:
        typer.echo(f"senka: it was promoted, and the audit trail has no line of it: {error}", err=True)
        return
    put_on_trail(PROMOTED, Exchange(ended.champion, now), by, retraining=ended.id)


def _has_records(settings: "Settings") -> bool:
    """Whether there are any, without making them."""
    if settings.records == "off":
        return False
    file = settings.records_url.removeprefix("sqlite:///").partition("?")[0]
    return not settings.records_url.startswith("sqlite:///") or Path(file).is_file()
