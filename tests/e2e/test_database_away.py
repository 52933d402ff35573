"""The database stopped and started again under load: gradings go on, and nothing that was acknowledged is lost."""

import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.reliability.cluster import can_run
from tests.reliability.outage import run


@pytest.fixture
def folder() -> Iterator[Path]:
    """Not pytest's own: the server runs as another user, who cannot reach that."""
    with TemporaryDirectory(ignore_cleanup_errors=True) as made:
        yield Path(made)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_database_that_is_away_for_a_while(folder: Path, workers: int) -> None:
    if not can_run():
        if "postgres" in os.environ.get("SENKA_REQUIRE", "").split(","):
            pytest.fail("no PostgreSQL server can be started here")
        pytest.skip("no PostgreSQL server can be started here (its programs are not installed)")
    figures = run(folder / "run", 5, workers, clients=3)
    assert figures["failures"] == []
    assert figures["answered_while_away"] > 20
    assert set(figures["statuses"]) <= {200, 503}
    assert figures["while_away"] == {"ready": 200, "live": 200, "reading": (503, "records_unavailable")}
    assert "database_away" in figures["alarms_while_away"]
    assert "database_away" not in figures["alarms_after"]


def test_a_full_journal_refuses_and_loses_nothing(folder: Path) -> None:
    if not can_run():
        pytest.skip("no PostgreSQL server can be started here (its programs are not installed)")
    figures = run(folder / "run", 5, 1, clients=3, settings={"journal_bytes": 20_000})
    assert figures["failures"] == []
    assert figures["statuses"][503] > 0
