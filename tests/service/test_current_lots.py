"""What runs on a line: asked of memory, followed in the database, kept while that is away."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, insert, text, update

from service import current_lots as module
from service.current_lots import CurrentLots
from service.records.tables import lines
from tests.service.gradings import NOON
from tests.service.records.opened import opened_database
from tests.service.running import until


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with opened_database(f"sqlite:///{tmp_path / 'senka.db'}") as engine:
        with engine.begin() as connection:
            rows = [{"name": "1", "lot": "A", "created_at": NOON}, {"name": "2", "lot": None, "created_at": NOON}]
            connection.execute(insert(lines), rows)
        yield engine


def test_a_line_has_the_lot_that_somebody_put_on_it(engine: Engine) -> None:
    current = CurrentLots(engine)
    assert current.lot_of("1") is None, "nothing was read yet, and asking does not wait"
    current.refresh()
    assert [current.lot_of(line) for line in ("1", "2", "3", "", None)] == ["A", None, None, None, None]


@pytest.mark.anyio
async def test_a_change_in_another_worker_shows(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REFRESH_S", 0.02)
    current = CurrentLots(engine)
    current.start()
    assert current.lot_of("1") == "A"
    with engine.begin() as connection:
        connection.execute(update(lines).where(lines.c.name == "1").values(lot="B"))
    await until(lambda: current.lot_of("1") == "B")
    with engine.begin() as connection:
        connection.execute(update(lines).where(lines.c.name == "1").values(lot=None))
    await until(lambda: current.lot_of("1") is None)
    current.close()


def test_with_the_database_away_what_was_known_goes_on(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    current = CurrentLots(engine)
    current.refresh()
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE lines RENAME TO away"))
    for _ in range(3):
        current.refresh()
    assert current.lot_of("1") == "A"
    assert caplog.text.count("cannot be read") == 1
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE away RENAME TO lines"))
        connection.execute(update(lines).where(lines.c.name == "1").values(lot="B"))
    current.refresh()
    assert current.lot_of("1") == "B"


def test_without_records_no_line_has_a_lot() -> None:
    current = CurrentLots(None)
    current.start()
    assert current.lot_of("1") is None
    current.close()
