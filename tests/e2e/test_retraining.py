"""From a labelled batch to the model that grades, under load: by the command line and by the service's address."""

import io
import json
import time
import zipfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from tests.e2e.conftest import Serve
from tests.e2e.live import LiveService, senka
from tests.e2e.retraining_parts import Parts, first_champion, real_parts, rendered_parts
from tests.e2e.test_lifecycle import Line, every_grading, wait_for
from tests.e2e.test_rollout import followed_after_s

CLIENTS = 4
PAUSE_S = 0.1
"""A line of some 35 fruit a second: one without a pause would leave the training, which steps back, no core."""
ENDS_WITHIN_S = 400.0

Make = Callable[[Path], Parts]
SOURCES = [rendered_parts, pytest.param(real_parts, marks=pytest.mark.slow)]


def packed(folder: Path) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for file in folder.rglob("*"):
            archive.write(file, file.relative_to(folder))
    return content.getvalue()


def monotonic_of(moment: str) -> float:
    """When it was, on this process's monotonic clock."""
    return time.monotonic() - (time.time() - datetime.fromisoformat(moment).timestamp())


def require_none_lost(service: LiveService, line: Line) -> None:
    assert line.broken == []
    assert {answer.status for _, answer in line.answers} == {200}
    on_record = every_grading(service)
    assert all(on_record[str(one["id"])] == one for one in line.graded())


@pytest.mark.timeout(900)
@pytest.mark.parametrize("make", SOURCES)
def test_from_the_command_line(make: Make, serve: Serve, tmp_path: Path) -> None:
    parts, home = make(tmp_path / "parts"), tmp_path / "home"
    first_champion(home, parts)
    with serve(home, workers=2) as service:
        wait_for(lambda: len(service.grading_processes()) == 2)
        with Line(service, CLIENTS, PAUSE_S) as line:
            options = [f"--{name}={value}" for name, value in parts.retraining.items()]
            command = ("retrain", "--data", str(parts.rest), "--replay", str(parts.first), "--promote", "--json", *options)
            done = senka(home, *command, within_s=ENDS_WITHIN_S)
            assert done.returncode == 0, done.stdout + done.stderr
            ended = json.loads(done.stdout)
            assert (ended["state"], ended["version"], ended["champion"]) == ("promoted", 2, 1)
            assert ended["reasons"][0].startswith("Better")
            folder = home / "retrainings" / ended["id"]
            assert all((folder / page).stat().st_size > 5000 for page in ("intake.html", "gate/gate.html"))
            swapped = followed_after_s(line, 2, monotonic_of(ended["finished_at"]))
            assert swapped < 10
            since = time.monotonic()
            assert senka(home, "models", "rollback").returncode == 0
            back = followed_after_s(line, 1, since)
            assert back < 5
        require_none_lost(service, line)
        print(f"graded with the new model {swapped:.2f} s after its promotion, with the old one {back:.2f} s after the rollback")


@pytest.mark.timeout(900)
@pytest.mark.parametrize("make", SOURCES)
def test_through_the_api(make: Make, serve: Serve, tmp_path: Path) -> None:
    parts, home = make(tmp_path / "parts"), tmp_path / "home"
    first_champion(home, parts)
    with serve(home, workers=2) as service:
        wait_for(lambda: len(service.grading_processes()) == 2)
        sent = [service.request("POST", "/v1/batches", packed(part)) for part in (parts.first, parts.rest)]
        assert [answer.status for answer in sent] == [201, 201]
        with Line(service, CLIENTS, PAUSE_S) as line:
            asked = {"batches": [answer.json["id"] for answer in sent], "promote": True, **parts.retraining}
            headers = {"Content-Type": "application/json"}
            started = service.request("POST", "/v1/retrainings", json.dumps(asked), headers)
            assert started.status == 202, started.body
            path = f"/v1/retrainings/{started.json['id']}"
            assert service.request("POST", "/v1/retrainings", json.dumps(asked), headers).json["code"] == "retraining_running"
            wait_for(lambda: service.get(path).json["state"] != "running", ENDS_WITHIN_S)
            ended = service.get(path).json
            assert ended["state"] == "promoted", (ended, service.get(f"{path}/log").body)
            swapped = followed_after_s(line, 2, monotonic_of(ended["finished_at"]))
            assert swapped < 10
            assert [service.get(f"{path}/{page}").status for page in ("intake", "gate")] == [200, 200]
            since = time.monotonic()
            assert service.request("POST", "/v1/models/rollback").json["champion"] == 1
            back = followed_after_s(line, 1, since)
            assert back < 5
        require_none_lost(service, line)
        print(f"graded with the new model {swapped:.2f} s after its promotion, with the old one {back:.2f} s after the rollback")
