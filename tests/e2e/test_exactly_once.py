"""A storm of repeated posts while the service is killed and started again: one grading for each key, on both databases."""

from pathlib import Path

from tests.reliability.kill9 import prepare
from tests.reliability.retry_storm import run


def test_every_key_is_graded_once(any_database: str, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    prepare(home)
    database = None if any_database.startswith("sqlite") else any_database
    figures = run(home, posts=500, keys=100, clients=8, kills=2, database=database)
    assert figures["failures"] == []
    assert figures["answered"] == 500
    assert figures["replayed"] >= 400  # all but the first of each key
    assert set(figures["statuses"]) <= {200, 503}
