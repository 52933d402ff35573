"""Who grades from now on: promotions and rollbacks, with their lines in the audit trail."""

import logging
from typing import Any, Final

from sqlalchemy import Engine, text

from models.repository import Exchange, ModelRepository
from service.errors import RecordsUnavailable
from service.records.audit import note
from service.records.resources import Signature
from service.records.transactions import reading, writing

log = logging.getLogger(__name__)

PROMOTED: Final = "model.promoted"
ROLLED_BACK: Final = "model.rolled_back"


def exchange(repository: ModelRepository, engine: Engine | None, wanted: str | None, who: Signature) -> Exchange:
    """Make `wanted` (a number or alias) the champion, or with None the one before; `engine` is None with SENKA_RECORDS=off.

    Blocks: call it from a thread. Raises ModelNotFound, ModelCorrupt, RepositoryUnreadable, OSError, and RecordsUnavailable while
    the database is away: nothing has changed then.
    """
    if engine is not None:
        # The repository is no database, so the change and its line cannot be one transaction. The database is asked first, and
        # not kept waiting in a transaction while a large file is checked: gradings would wait too.
        with reading(engine) as connection:
            connection.execute(text("SELECT 1"))
    done = repository.exchange(wanted)
    if done.before != done.now.number:
        put_on_trail(engine, PROMOTED if wanted else ROLLED_BACK, done, who)
    return done


def put_on_trail(engine: Engine | None, action: str, done: Exchange, who: Signature) -> None:
    """Log who exchanged the champion, and put it on the audit trail; where that fails, the log says so. Blocks."""
    now = done.now
    log.warning("%s: version %d of %s, which was %s, by %s", action, now.number, now.name, done.before, who.by)
    if engine is None:
        return
    try:
        write_line(engine, action, done, who)
    except RecordsUnavailable as error:
        log.error("the line above could not be written to the audit trail: %s", error)


def write_line(engine: Engine, action: str, done: Exchange, who: Signature, **more: Any) -> None:
    """Put it on the audit trail, with `more` in its detail. Blocks. Raises RecordsUnavailable."""
    now = done.now
    detail = {"from": done.before, "to": now.number, "sha256": now.sha256, **more}
    with writing(engine) as connection:
        note(connection, who.by, action, now.name, detail, who.address)
