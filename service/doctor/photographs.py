"""Checks of the photographs that records name, and of those that none does."""

import time
from array import array
from collections.abc import Iterator
from hashlib import sha256
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from sqlalchemy import Engine, func, select

from service.doctor.finding import Finding, failure, ok, warning
from service.records.folder import GRACE_S
from service.records.photographs import PhotographStore
from service.records.tables import batch_photographs, gradings
from service.settings import Settings

SAMPLE: Final = 200
"""So many photographs are read, half of them the newest and half from anywhere."""
ROWS_AT_ONCE: Final = 10_000

Names = npt.NDArray[np.uint64]
"""The first 64 bits of each name, in order and each once: a million take 8 MB."""


def check(settings: Settings, engine: Engine, store: PhotographStore) -> Iterator[Finding]:
    """A sample is there and is what its name says; all names are compared with all files where those are in a folder here."""
    kept = gradings.c.photograph.is_not(None), gradings.c.photograph_deleted_at.is_(None)
    with engine.connect() as connection:
        newest: Any = select(gradings.c.photograph).where(*kept).order_by(gradings.c.received_at.desc()).limit(SAMPLE // 2)
        anywhere: Any = select(gradings.c.photograph).where(*kept).order_by(func.random()).limit(SAMPLE // 2)
        keys = set(connection.execute(newest).scalars()) | set(connection.execute(anywhere).scalars())
    found = {key: store.get(key) for key in keys}
    missing = sum(1 for data in found.values() if data is None)
    damaged = [key for key, data in found.items() if data and sha256(data[0]).hexdigest() != key.partition(".")[0]]
    if damaged:
        says = f"{len(damaged)} of {len(keys)} photographs that were read are damaged, such as {damaged[0]}."
        yield failure("photographs", says, "Check the disk, delete the damaged files, and restore a backup's: senka restore.")
    elif missing:
        says = f"{missing} of {len(keys)} photographs that were looked for are missing."
        yield failure("photographs", says, "Check SENKA_IMAGE_STORE and SENKA_HOME: is this the folder they were written to?")
    else:
        yield ok("photographs", f"{len(keys)} photographs were read, all as their names say.")
    if not isinstance(settings.image_store, str):
        yield from _all(engine, store)


def _all(engine: Engine, store: PhotographStore) -> Iterator[Finding]:
    named = _named(engine)
    files, sizes, old = array("Q"), array("Q"), array("B")
    for name, facts in store.folder.files():
        try:
            files.append(_bits(name))
        except ValueError:  # not ours
            continue
        sizes.append(facts.st_size)
        old.append(facts.st_mtime < time.time() - GRACE_S)  # one of this minute may be on record in a moment
    there = np.array(files, np.uint64)
    lost = np.setdiff1d(named, there)
    if lost.size:
        lost = np.intersect1d(lost, _named(engine))  # the others were deleted while we looked
    if lost.size:
        says = f"{lost.size:,} of {named.size:,} photographs on record are missing."
        yield failure("missing", says, "Check SENKA_IMAGE_STORE and SENKA_HOME; senka restore brings a backup's back.")
    else:
        yield ok("missing", f"All {named.size:,} photographs on record are there.")
    orphans = ~np.isin(there, named) & np.array(old, bool)
    if orphans.any():
        size = int(np.array(sizes, np.uint64)[orphans].sum())
        says = f"{int(orphans.sum()):,} photographs of {size:,} bytes are named by no record."
        yield warning(
            "orphans", says, "They do no harm but take disk: gradings that were never recorded, or a restored database."
        )
    else:
        yield ok("orphans", "Every photograph is named by a record.")


def _named(engine: Engine) -> Names:
    live = select(gradings.c.photograph).where(gradings.c.photograph.is_not(None), gradings.c.photograph_deleted_at.is_(None))
    names = array("Q")
    with engine.connect() as connection:
        for query in (live, select(batch_photographs.c.photograph)):
            rows = connection.execution_options(yield_per=ROWS_AT_ONCE).execute(query).scalars()
            names.extend(_bits(name) for name in rows if name)
    return np.unique(np.array(names, np.uint64))


def _bits(name: str) -> int:
    return int(name[:16], 16)
