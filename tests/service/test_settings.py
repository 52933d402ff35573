"""Settings: every one documented, the environment before the file, and a wrong one named in one line."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError
from typer.testing import CliRunner

from models.errors import InvalidSetting
from service.cli import app
from service.settings import Settings

DOCUMENTED = {
    "DATABASE_URL", "IMAGE_STORE", "MODEL_REPOSITORY", "HOST", "PORT", "MAX_BATCH", "MAX_QUEUE_DELAY_MS", "MAX_QUEUE",
    "PROVIDERS", "RECORDS", "KEEP",
}  # fmt: skip
"""Those that users and their programs rely on by name."""


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_every_setting_is_in_the_help_of_serve_with_its_sentence() -> None:
    shown = CliRunner().invoke(app, ["serve", "--help"], env={"COLUMNS": "400", "TERM": "dumb"})
    assert shown.exit_code == 0
    text = " ".join(shown.output.split())
    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert f"SENKA_{name.upper()}: {' '.join(field.description.split())}" in text
    assert "Example: senka serve" in text
    assert {name.upper() for name in Settings.model_fields} >= DOCUMENTED


def test_a_description_is_one_sentence_and_no_setting_is_a_secret() -> None:
    for name, field in Settings.model_fields.items():
        assert str(field.description).endswith("."), name
        assert not re.search(r"secret|password|token", name), name


def test_defaults_are_those_of_a_quiet_farm(home: Path) -> None:
    settings = Settings.load()
    assert (settings.host, settings.port, settings.workers) == ("127.0.0.1", 8000, 1)
    assert settings.records_url == f"sqlite:///{home / 'senka.db'}"
    assert (settings.photographs, settings.models) == (home / "photographs", home / "models")


def test_the_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENKA_PORT", "8123")
    monkeypatch.setenv("SENKA_IMAGE_STORE", "/data/photographs")
    monkeypatch.setenv("SENKA_DATABASE_URL", "postgresql+psycopg://db/senka")
    settings = Settings.load()
    assert (settings.port, settings.photographs) == (8123, Path("/data/photographs"))
    assert settings.records_url == "postgresql+psycopg://db/senka"


def test_the_environment_wins_over_the_file_and_arguments_over_both(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("senka.toml").write_text("port = 1111\nmax_batch = 3\n")
    assert (Settings.load().port, Settings.load().max_batch) == (1111, 3)
    monkeypatch.setenv("SENKA_PORT", "2222")
    assert (Settings.load().port, Settings.load().max_batch) == (2222, 3)
    assert Settings(port=3333).port == 3333


def test_a_misspelt_line_of_the_file_is_named() -> None:
    Path("senka.toml").write_text("max_bach = 64\n")
    with pytest.raises(InvalidSetting, match=r"senka\.toml: there is no setting 'max_bach'"):
        Settings.load()


def test_a_tilde_is_the_users_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENKA_HOME", "~/grading")
    assert Settings.load().home == Path.home() / "grading"


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_a_variable_that_is_set_but_empty_is_the_default(home: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    expected = getattr(Settings.load(), name)
    if name != "home":
        monkeypatch.setenv(f"SENKA_{name.upper()}", "")
        assert getattr(Settings.load(), name) == expected


def test_empty_folders_in_the_file_are_the_default(home: Path) -> None:
    Path("senka.toml").write_text('image_store = ""\nmodel_repository = ""\ndatabase_url = ""\n')
    settings = Settings.load()
    assert (settings.photographs, settings.models) == (home / "photographs", home / "models")
    assert settings.records_url == f"sqlite:///{home / 'senka.db'}"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("port", "eight"),
        ("port", "70000"),
        ("workers", "0"),
        ("providers", "gpu"),
        ("records", "maybe"),
        ("max_batch", "0"),
        ("manual_below", "1.5"),
        ("deadline_ms", "0"),
    ],
)
def test_a_wrong_value_is_named_in_one_line(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"SENKA_{name.upper()}", value)
    with pytest.raises(InvalidSetting, match=f"^SENKA_{name.upper()}: .*{value}") as refusal:
        Settings.load()
    assert "\n" not in str(refusal.value)
    with pytest.raises(ValidationError):
        Settings()


def test_a_broken_file_is_named() -> None:
    Path("senka.toml").write_text("port = \n")
    with pytest.raises(InvalidSetting, match=r"senka\.toml is not valid TOML"):
        Settings.load()


def test_the_command_says_which_setting_is_wrong_and_exits_1() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "service.cli", "grade", "photo.jpg"],
        env={"SENKA_MAX_BATCH": "many", "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("senka: SENKA_MAX_BATCH: ")
    assert len(done.stderr.splitlines()) == 1


def test_settings_do_not_change_under_way() -> None:
    with pytest.raises(ValidationError):
        Settings().port = 5  # type: ignore[misc]
