"""`--data records:` becomes a folder that lives as long as the command; what a command notes down is the name that lasts."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import pytest
import typer

from models.places import Places
from models.retrainings import MATERIAL_FILE, RetrainRequest
from service.cli import records_source
from service.cli.records_source import with_records

Heard = list[tuple[list[str], list[str] | None]]


@pytest.fixture
def heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Heard:
    """What the command was called with; the corrections are exported to `exported`."""

    @contextmanager
    def exported(source: str) -> Iterator[Path]:
        yield tmp_path / "exported"

    monkeypatch.setattr(records_source, "exported", exported)
    monkeypatch.setenv("SENKA_HOME", str(tmp_path / "home"))
    return []


def run(heard: Heard, *arguments: str) -> None:
    app = typer.Typer()

    @app.command()
    def learn(
        data: Annotated[list[str] | None, typer.Option("--data")] = None,
        asked: Annotated[list[str] | None, typer.Option(hidden=True)] = None,
        resume: Annotated[str | None, typer.Option()] = None,
    ) -> None:
        heard.append((data or [], asked))

    command = with_records(typer.main.get_command(app))
    command.main([*arguments], standalone_mode=False)


def test_the_command_reads_the_folder_and_notes_the_name(heard: Heard, tmp_path: Path) -> None:
    run(heard, "--data", "batch", "--data", "records:2026-11-01..")
    assert heard == [(["batch", str(tmp_path / "exported")], ["batch", "records:2026-11-01.."])]


def test_one_that_goes_on_exports_what_it_was_asked_for_until_it_has_read_it(heard: Heard, tmp_path: Path) -> None:
    retrainings = Places.load().retrainings
    created = retrainings.create(RetrainRequest(data=("records:",)))
    run(heard, "--resume", created.id)
    assert heard == [([str(tmp_path / "exported")], ["records:"])]
    (retrainings.folder(created.id) / MATERIAL_FILE).write_text("{}")
    run(heard, "--resume", created.id)
    assert heard[1] == ([], None)
