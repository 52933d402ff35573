"""`senka backup` and `senka restore`, also beside a service that is grading."""

import json
import threading
from pathlib import Path

import pytest
from sqlalchemy import create_engine, func, select

from service.records import tables
from tests.commands import home, ok, senka  # noqa: F401 - home is a fixture
from tests.e2e.live import LiveService
from tests.service.models import make_model
from tests.service.pictures import picture

pytestmark = pytest.mark.usefixtures("home")


def count(home: Path) -> tuple[int, int]:  # noqa: F811
    """Gradings, and what the figures count."""
    engine = create_engine(f"sqlite:///{home / 'senka.db'}")
    with engine.connect() as connection:
        found = connection.execute(select(func.count()).select_from(tables.gradings)).scalar_one()
        counted = connection.execute(select(func.coalesce(func.sum(tables.tallies.c.count), 0))).scalar_one()
    engine.dispose()
    return found, int(counted)


def test_a_service_is_backed_up_while_it_grades_and_restored_elsewhere(
    home: Path,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make_model(tmp_path / "first.onnx")
    ok("models", "publish", str(tmp_path / "first.onnx"), "--promote")
    service = LiveService(home, tmp_path / "serve.log").wait_listening()
    try:
        service.wait_ready()
        stop = threading.Event()
        graded: list[int] = []

        def grade() -> None:
            number = 0
            while not stop.is_set():
                number += 1
                graded.append(service.grade(picture(number % 7, "jpeg")).status)

        client = threading.Thread(target=grade)
        client.start()
        try:
            while len(graded) < 20:
                assert client.is_alive()
            made = json.loads(ok("backup", str(tmp_path / "senka.tar"), "--json").stdout)
            running = senka("restore", str(tmp_path / "senka.tar"), "--force")
        finally:
            stop.set()
            client.join()
        assert running.exit_code == 1
        assert "stop it first" in running.stderr
        assert set(graded) == {200}
    finally:
        service.kill()
    assert 20 <= made["tables"]["gradings"] <= len(graded)
    assert (made["photographs"], made["photographs_missing"]) == (7, 0)
    refused = senka("restore", str(tmp_path / "senka.tar"))
    assert refused.exit_code == 1
    assert "--force" in refused.stderr
    assert refused.stderr.count("\n") == 1
    monkeypatch.setenv("SENKA_HOME", str(tmp_path / "elsewhere"))
    restored = json.loads(ok("restore", str(tmp_path / "senka.tar"), "--json").stdout)
    assert restored["aside"] == []
    assert count(tmp_path / "elsewhere") == (made["tables"]["gradings"],) * 2
    assert json.loads(ok("models", "list", "--json").stdout)["champion"] == 1
    found = {finding["check"]: finding for finding in json.loads(senka("doctor", "--json").stdout)["findings"]}
    assert {found[name]["level"] for name in ("model", "tallies", "photographs", "missing", "integrity")} == {"ok"}


def test_a_file_that_is_no_backup_is_one_line(home: Path, tmp_path: Path) -> None:  # noqa: F811
    (tmp_path / "letter.txt").write_bytes(b"Dear cucumber, " * 1000)
    refused = senka("restore", str(tmp_path / "letter.txt"))
    assert refused.exit_code == 1
    assert refused.stderr.count("\n") == 1
    assert "no backup of Senka" in refused.stderr
    assert senka("restore", str(tmp_path / "nothing.tar")).exit_code == 2
    nothing = senka("backup", str(tmp_path / "senka.tar"))
    assert nothing.exit_code == 1
    assert "nothing to back up" in nothing.stderr
    assert not (tmp_path / "senka.tar").exists()
