"""Shadow gradings on record: written apart, dropped when the database is away, summed up, and forgotten after a season."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import anyio
import pytest
from prometheus_client import REGISTRY
from sqlalchemy import Engine, event, func, insert, select

from models.grades import GRADES
from service.errors import RecordsUnavailable
from service.grading import new_id, rfc3339
from service.records import shadow
from service.records.photographs import PhotographStore
from service.records.retention import Retention
from service.records.shadow import ShadowGrading, ShadowRecords, compare, forget
from service.records.tables import shadow_gradings
from service.settings import Settings
from tests.service.gradings import NOON, grading
from tests.service.records.opened import opened_database, put_gradings
from tests.service.running import until


@pytest.fixture
def engine(any_database: str) -> Iterator[Engine]:
    with opened_database(any_database) as engine:
        yield engine


def made(second: int = 0, **changes: Any) -> ShadowGrading:
    """By version 2, of what version 1 graded, so many seconds after NOON."""
    facts: dict[str, Any] = {
        "grading_id": new_id(),
        "model_version": 2,
        "model_sha256": "cd" * 32,
        "grade": "M",
        "confidence": 0.75,
        "lane": "M",
        "at": NOON + timedelta(seconds=second),
        "champion_version": 1,
        "champion_grade": "M",
        "champion_confidence": 0.5,
        "champion_lane": "M",
    }
    return ShadowGrading(**{**facts, **changes})


def put(engine: Engine, rows: list[ShadowGrading]) -> None:
    records = ShadowRecords(engine)
    for row in rows:
        records.put(row)
    records.flush()


def count(engine: Engine) -> int:
    with engine.connect() as connection:
        return connection.execute(select(func.count()).select_from(shadow_gradings)).scalar_one()


def dropped() -> float:
    return REGISTRY.get_sample_value("senka_shadow_total", {"result": "dropped"}) or 0.0


def test_what_is_put_is_read_again_as_it_was(engine: Engine) -> None:
    rows = [made(second, grade=GRADES[second % 9]) for second in range(20)]
    put(engine, rows)
    with engine.connect() as connection:
        found = [ShadowGrading(*row) for row in connection.execute(select(shadow_gradings).order_by(shadow_gradings.c.at))]
    assert found == rows


def test_a_thread_writes_and_closing_writes_the_rest(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shadow, "WRITES_EVERY_S", 0.01)
    records = ShadowRecords(engine)
    records.start()
    records.put(made(1))

    async def written() -> None:
        await until(lambda: count(engine) == 1)

    anyio.run(written)
    records.put(made(2))
    records.close()
    assert count(engine) == 2


def test_a_database_that_is_away_drops_and_counts_and_is_said_once(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    records = ShadowRecords(engine)
    before = dropped()

    @contextmanager
    def away(_: Engine) -> Iterator[None]:
        raise RecordsUnavailable("the server is away")
        yield

    with monkeypatch.context() as patched:
        patched.setattr(shadow, "writing", away)
        for second in range(3):
            records.put(made(second))
            records.put(made(second))
            records.flush()
    assert dropped() - before == 6
    assert caplog.text.count("not on record for now") == 1
    records.put(made(9))
    records.flush()
    assert count(engine) == 1
    assert dropped() - before == 6


def test_more_than_may_wait_is_dropped(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shadow, "MAX_UNWRITTEN", 3)
    before = dropped()
    put(engine, [made(second) for second in range(5)])
    assert (count(engine), dropped() - before) == (3, 2)


def test_the_figures_are_those_of_counting_one_by_one(engine: Engine) -> None:
    random = Random(3)
    rows = []
    for second in range(400):
        theirs, ours = random.choice(GRADES[:3]), random.choice(GRADES[:3])
        sure, was_sure = random.random() < 0.8, random.random() < 0.6
        rows.append(
            made(
                second, grade=ours, lane=ours if sure else "manual", confidence=random.random(),
                champion_grade=theirs, champion_lane=theirs if was_sure else "manual", champion_confidence=random.random(),
            )
        )  # fmt: skip
    others = [made(1, model_version=3), made(2, champion_version=7), made(3, model_version=1, champion_version=2)]
    put(engine, rows + others)
    found = compare(engine, 1, 2)
    pairs = Counter((row.champion_grade, row.grade) for row in rows if row.champion_grade != row.grade)
    listed = [(one["graded"], one["shadow"], one["count"]) for one in found["disagreements"]]
    assert {one[:2]: one[2] for one in listed} == pairs
    assert [one[2] for one in listed] == sorted(pairs.values(), reverse=True)
    agreed = 400 - pairs.total()
    assert (found["seen"], found["agreed"], found["agreement"]) == (400, agreed, agreed / 400)
    assert found["since"] == rfc3339(NOON)
    for who, prefix in (("champion", "champion_"), ("challenger", "")):
        mean = sum(getattr(row, f"{prefix}confidence") for row in rows) / 400
        manual = sum(getattr(row, f"{prefix}lane") == "manual" for row in rows) / 400
        assert found["mean_confidence"][who] == pytest.approx(mean)
        assert found["manual_share"][who] == manual


def test_of_nothing_there_are_no_shares(engine: Engine) -> None:
    put(engine, [made(1)])
    assert compare(engine, 1, 5) == {
        "seen": 0, "agreed": 0, "agreement": None, "disagreements": [], "since": None,
        "mean_confidence": {"champion": None, "challenger": None}, "manual_share": {"champion": None, "challenger": None},
    }  # fmt: skip


def test_only_the_latest_count(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shadow, "LATEST", 10)
    put(engine, [made(second, grade="L" if second < 15 else "M") for second in range(20)])
    found = compare(engine, 1, 2)
    assert (found["seen"], found["agreed"], found["since"]) == (10, 5, rfc3339(NOON + timedelta(seconds=10)))


def test_the_question_reads_an_index_and_no_other_models_rows(engine: Engine) -> None:
    put(engine, [made(second, model_version=2 + second % 9) for second in range(200)])
    asked: list[tuple[str, Any]] = []
    event.listen(engine, "before_cursor_execute", lambda c, cursor, statement, values, *_: asked.append((statement, values)))
    compare(engine, 1, 2)
    statement, values = asked[-1]
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            plan = str(connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values).all())
            assert "USING INDEX ix_shadow_gradings_models (model_version=? AND champion_version=?)" in plan
        else:
            connection.exec_driver_sql("SET enable_seqscan = off")  # of so few rows it would rather read all
            plan = str(connection.exec_driver_sql(f"EXPLAIN {statement}", values).all())
            assert "ix_shadow_gradings_models" in plan


def test_the_old_are_forgotten_batch_by_batch(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shadow, "_BATCH", 4)
    put(engine, [made(second) for second in range(10)])
    before = NOON + timedelta(seconds=6)
    assert [forget(engine, before) for _ in range(3)] == [4, 2, 0]
    assert count(engine) == 4


def test_the_retention_forgets_what_is_older_than_a_season(engine: Engine, tmp_path: Path) -> None:
    store = PhotographStore(tmp_path / "photographs")
    put_gradings(engine, [grading(0)])
    put(engine, [made(0), made(3600)])
    retention = Retention(engine, store, Settings(home=tmp_path))
    counts = {"age": 0, "size": 0, "room": 0, "held": 0}
    just_after = NOON + shadow.KEPT + timedelta(seconds=60)
    try:
        # nothing was graded for so long: that is what a wrong clock looks like, and nothing goes
        assert retention.run_once(just_after) == counts
        assert count(engine) == 2
        put_gradings(engine, [grading(0, received_at=just_after)])
        retention = Retention(engine, store, Settings(home=tmp_path))
        assert retention.run_once(just_after) == counts
        assert count(engine) == 1
    finally:
        store.close()


@pytest.mark.slow
def test_a_season_of_them_is_summed_up_in_bounded_time(engine: Engine) -> None:
    with engine.begin() as connection:
        for start in range(0, 300_000, 10_000):
            rows = [made(second) for second in range(start, start + 10_000)]
            connection.execute(insert(shadow_gradings), [{name: getattr(row, name) for name in row.__slots__} for row in rows])
    began = time.perf_counter()
    found = compare(engine, 1, 2)
    took_s = time.perf_counter() - began
    print(f"{engine.dialect.name}: 10,000 of 300,000 in {took_s * 1e3:.0f} ms")
    assert found["seen"] == 10_000
    assert took_s < 3
