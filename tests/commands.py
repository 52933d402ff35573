"""`senka` inside the test's own process: quick, and with its output and its exit code to look at."""

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from service.cli import app


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A SENKA_HOME of the test's own, and a working folder without senka.toml."""
    for name in [name for name in os.environ if name.startswith("SENKA_") and name != "SENKA_REQUIRE"]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("SENKA_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


def senka(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def ok(*arguments: str) -> Result:
    """One that must succeed."""
    done = senka(*arguments)
    assert done.exit_code == 0, done.output
    return done
