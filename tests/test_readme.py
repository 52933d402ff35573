"""The README says what is so: every setting, every command, every route that it names."""

import re
from pathlib import Path

import pytest

from service.app import create_app
from service.cli import Commands
from service.settings import Settings

README = (Path(__file__).parents[1] / "README.md").read_text()


def setting_rows() -> list[str]:
    """The table of settings as the README must have it."""
    rows = []
    for name, field in Settings.model_fields.items():
        default = "" if field.default_factory or field.default in (None, "", ()) else f"`{field.default}`"
        rows.append(f"| `SENKA_{name.upper()}` | {default} | {field.description} |")
    return rows


@pytest.mark.parametrize("row", setting_rows())
def test_every_setting_stands_in_the_readme(row):
    assert row in README


def test_no_setting_stands_there_that_does_not_exist():
    known = {f"SENKA_{name.upper()}" for name in Settings.model_fields}
    assert set(re.findall(r"\| `(SENKA_\w+)` \|", README)) == known


def test_every_command_it_shows_exists():
    shown = set(re.findall(r"^senka (\w+)", README, re.MULTILINE)) | set(re.findall(r"`senka (\w+)", README))
    assert shown
    assert shown <= set(Commands(name="senka").list_commands(None))


def test_every_route_it_names_is_served():
    app = create_app(Settings())
    served = {re.sub(r"\{\w+\}", "{}", path) for path in app.openapi()["paths"]}
    for named in re.findall(r"`(?:GET |POST )?(/(?:v1|v2|health|metrics)[^`*?]*)`", README):
        path = re.sub(r"\{\w+\}", "{}", named)
        assert path in served, named


def test_no_placeholder_is_left():
    assert not re.search(r"^[A-Z]{4,}$", README, re.MULTILINE)


def test_pictures_it_shows_are_there_and_small():
    pictures = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", README)
    assert pictures
    for picture in pictures:
        assert 10_000 < (Path(__file__).parents[1] / picture).stat().st_size < 200_000
