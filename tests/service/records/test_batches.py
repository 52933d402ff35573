"""What a labelled batch names is kept for ever: retention passes over it."""

import os
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, select, update

from service.records.audit import AuditFilters
from service.records.audit import page as audit_page
from service.records.batches import protect
from service.records.clock import ClockGuard
from service.records.folder import GRACE_S
from service.records.keeping import Interest
from service.records.photographs import PhotographStore
from service.records.retention import Retention
from service.records.tables import batch_photographs, batches, gradings
from service.settings import Settings
from tests.service.gradings import NOON, grading
from tests.service.records.opened import opened_database, put_gradings


@pytest.fixture
def engine(any_database: str) -> Iterator[Engine]:
    with opened_database(any_database) as engine:
        yield engine


@pytest.fixture
def store(tmp_path: Path) -> Iterator[PhotographStore]:
    store = PhotographStore(tmp_path / "photographs")
    yield store
    store.close()


def keep(engine: Engine, store: PhotographStore, number: int, interest: Interest | None) -> str:
    """A grading with a photograph that is not quite new; the key of the photograph."""
    content = os.urandom(50)
    key = store.key(content, "jpeg")
    store.put(key, content)
    old = time.time() - 2 * GRACE_S
    os.utime(store.folder.root / key[:2] / key, (old, old))
    made = grading(number, photograph=key)
    put_gradings(engine, [made])
    with engine.begin() as connection:
        changed = update(gradings).where(gradings.c.id == made.id)
        connection.execute(changed.values(photograph_interest=interest and int(interest)))
    return key


def test_retention_passes_over_what_a_batch_names(engine: Engine, store: PhotographStore, tmp_path: Path) -> None:
    kinds = (None, Interest.ORDINARY, Interest.UNSURE, Interest.CORRECTED)
    named = [keep(engine, store, number, kind) for number, kind in enumerate(kinds)]
    others = [keep(engine, store, 10 + number, kind) for number, kind in enumerate(kinds)]
    with engine.begin() as connection:
        assert protect(connection, "batch-1", "monday", [*named, named[0], "elsewhere.jpg"], "hanako", {"rows": 5}) == 4
    settings = Settings(home=tmp_path, keep_days=1, keep_interesting_days=1, keep_bytes=1)
    retention = Retention(engine, store, settings, clock=ClockGuard(lambda: 0.0, lambda: 0.0))
    assert retention.run_once(NOON + timedelta(days=20))["age"] == len(others)
    assert {name for name, _ in store.folder.files()} == set(named)
    with engine.connect() as connection:
        kept = connection.scalars(select(gradings.c.photograph_interest).where(gradings.c.photograph.in_(named)))
        assert set(kept) == {Interest.LABELLED}


def test_the_batch_is_on_record_with_its_report_and_in_the_trail(engine: Engine) -> None:
    with engine.begin() as connection:
        assert protect(connection, "batch-1", "monday", ["a.jpg", "b.jpg", "a.jpg"], "hanako", {"rows": 3}, "10.0.0.7") == 0
        assert protect(connection, "batch-2", "empty", [], "hanako", {}) == 0
    with engine.connect() as connection:
        rows = connection.execute(select(batches.c.name, batches.c.images, batches.c.report).order_by(batches.c.id)).all()
        keys = list(connection.scalars(select(batch_photographs.c.photograph).order_by(batch_photographs.c.photograph)))
    assert [tuple(row) for row in rows] == [("monday", 2, {"rows": 3}), ("empty", 0, {})]
    assert keys == ["a.jpg", "b.jpg"]
    trail = [(line.action, line.subject, line.actor, line.address) for line in audit_page(engine, AuditFilters(), 9)]
    assert trail[1] == ("batch.added", "batch-1", "hanako", "10.0.0.7")


def test_a_photograph_that_is_gone_already_is_not_claimed_to_be_kept(engine: Engine, store: PhotographStore) -> None:
    gone, there = (keep(engine, store, number, Interest.ORDINARY) for number in range(2))
    with engine.begin() as connection:
        connection.execute(update(gradings).where(gradings.c.photograph == gone).values(photograph_deleted_at=NOON))
        assert protect(connection, "batch-1", "monday", [gone, there], "hanako", {}) == 1
