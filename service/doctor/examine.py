"""All checks in their order; one that cannot be made is a finding too, and the others are still made."""

import ssl
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from sqlalchemy import Engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from models.errors import SenkaError
from service.doctor import database, files, photographs, serving
from service.doctor.finding import Finding, Level, failure, ok, warning
from service.records.database import open_database, reason
from service.records.photographs import open_store
from service.settings import Settings


def examine(settings: Settings) -> Iterator[Finding]:
    """Every finding, as it is made. What is in the database is not looked at where that cannot be read."""
    for name, of_settings in {**files.CHECKS, **serving.CHECKS}.items():
        yield from _made(name, partial(of_settings, settings))
    if settings.records == "off":
        yield ok("database", "SENKA_RECORDS is off: nothing is kept.")
    elif _not_there_yet(settings):
        yield warning("database", "There are no records yet.", "Start the service once: senka serve.")
    else:
        yield from _records(settings)


def _records(settings: Settings) -> Iterator[Finding]:
    try:
        engine = open_database(settings.records_url)
    except SenkaError as error:
        yield failure("database", str(error), "Mend SENKA_DATABASE_URL.")
        return
    try:
        found = list(_made("database", partial(database.reachable, settings, engine)))
        yield from found
        if any(finding.level is Level.FAILURE for finding in found):
            return
        for name, of_records in database.CHECKS.items():
            yield from _made(name, partial(of_records, settings, engine))
        yield from _made("photographs", partial(_photographs, settings, engine))
    finally:
        engine.dispose()


def _photographs(settings: Settings, engine: Engine) -> Iterator[Finding]:
    store = open_store(settings)
    try:
        yield from photographs.check(settings, engine, store)
    finally:
        store.close()


def _not_there_yet(settings: Settings) -> bool:
    """A SQLite file would be made by opening it, and looking must change nothing."""
    try:
        url = make_url(settings.records_url)
    except (ArgumentError, ValueError):  # open_database says so, without the password in it
        return False
    return url.get_backend_name() == "sqlite" and not Path(url.database or "").exists()


def _made(name: str, check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    try:
        yield from check()
    except (SenkaError, OSError, DBAPIError, ssl.SSLError) as error:
        why = reason(error) if isinstance(error, DBAPIError) else str(error).split("\n")[0]
        yield failure(name, f"This could not be checked: {why}", "Mend what it says, and look again.")
