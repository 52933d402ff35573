"""SIGKILL under load on both databases: what was acknowledged is on record, once, with its photograph."""

from pathlib import Path

import pytest

from tests.reliability.kill9 import prepare, run

READY_WITHIN_S = 15.0
"""Not the figure of service/RELIABILITY.md, which is measured on a quiet machine: this only tells a service that hangs."""


@pytest.mark.timeout(300)
@pytest.mark.parametrize("workers", [1, 2])
def test_twenty_kills(any_database: str, tmp_path: Path, workers: int) -> None:
    home = tmp_path / "home"
    home.mkdir()
    prepare(home)
    database = None if any_database.startswith("sqlite") else any_database
    figures = run(home, 5, workers, database, clients=6, seed=workers)
    assert figures["failures"] == []
    assert figures["acknowledged"] > 50
    assert set(figures["statuses"]) <= {200, 503}
    assert figures["ready_again_s"]["max"] < READY_WITHIN_S
