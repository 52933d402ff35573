"""`deploy/camera.sh`: one pass over a folder of photographs, against a small service that misbehaves."""

import os
import shutil
import subprocess
import threading
from collections import defaultdict
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "deploy" / "camera.sh"
missing = [tool for tool in ("bash", "curl") if not shutil.which(tool)]
pytestmark = pytest.mark.skipif(bool(missing), reason=f"not on this machine: {' '.join(missing)}")


class FakeService(ThreadingHTTPServer):
    """What a photograph holds says how it is answered: statuses one after another, the last for ever; 0 hangs up."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.posted: dict[str, int] = defaultdict(int)
        self.queries: set[str] = set()
        self.keys: dict[str, set[str | None]] = defaultdict(set)
        self.credentials: set[str | None] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: FakeService

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        statuses = [int(status) for status in body.split()]
        status = statuses[min(self.server.posted[body], len(statuses) - 1)]
        self.server.posted[body] += 1
        self.server.queries.add(self.path)
        self.server.keys[body].add(self.headers["Idempotency-Key"])
        self.server.credentials.add(self.headers["Authorization"])
        if status == 0:
            return
        data = f'{{"status": {status}, "of": "{body}"}}'.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
        pass


@pytest.fixture
def service() -> Iterator[FakeService]:
    server = FakeService()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A name that a careless script would split."""
    folder = tmp_path / "line 1 [top]"
    folder.mkdir()
    return folder


def camera(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    command = ["bash", str(SCRIPT), *map(str, arguments)]
    settings = {**kept, "RETRY_S": "1", **environment}
    return subprocess.run(command, env=settings, capture_output=True, text=True, timeout=60, check=False)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_file())


def test_each_photograph_is_posted_once_and_the_refused_ones_are_put_aside(service, folder):
    for name, answers in {"a.jpg": "200", "b c.jpg": "422", "d.jpg": "413", "e.jpg": "200 ", "note.txt": "200  "}.items():
        (folder / name).write_text(answers)
    done = camera(folder, service.url, "7")
    assert done.returncode == 0, done.stderr
    assert names(folder) == ["note.txt"]
    assert names(folder / "done") == ["a.jpg", "e.jpg"]
    assert names(folder / "refused") == ["b c.jpg", "b c.jpg.problem.json", "d.jpg", "d.jpg.problem.json"]
    assert (folder / "refused" / "b c.jpg.problem.json").read_text() == '{"status": 422, "of": "422"}'
    assert done.stdout.splitlines() == ['{"status": 200, "of": "200"}', '{"status": 200, "of": "200 "}']
    assert service.queries == {"/v1/grade?line=7&camera=camera.sh"}
    assert camera(folder, service.url).returncode == 0
    assert set(service.posted.values()) == {1}


def test_a_busy_service_and_a_broken_connection_are_tried_again(service, folder):
    (folder / "a.jpg").write_text("503 200")
    (folder / "b.jpg").write_text("0 200")
    done = camera(folder, service.url)
    assert done.returncode == 0, done.stderr
    assert names(folder / "done") == ["a.jpg", "b.jpg"]
    assert set(service.posted.values()) == {2}


@pytest.mark.parametrize("answer", ["503", "500", "0", "401", "404", "302"])
def test_what_could_not_be_delivered_stays_and_the_others_go_on(service, folder, answer):
    (folder / "a.jpg").write_text(answer)
    (folder / "b.jpg").write_text("200")
    done = camera(folder, service.url)
    assert done.returncode == 1
    assert "a.jpg was not delivered" in done.stderr
    assert (names(folder), names(folder / "done"), names(folder / "refused")) == (["a.jpg"], ["b.jpg"], [])


def test_a_service_that_is_away_costs_no_photograph(folder):
    (folder / "a.jpg").write_text("200")
    done = camera(folder, "http://127.0.0.1:9")
    assert done.returncode == 1
    assert names(folder) == ["a.jpg"]


def test_an_empty_folder_posts_nothing(service, folder):
    done = camera(folder, service.url)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not service.posted


def test_a_number_that_the_camera_uses_again_overwrites_nothing(service, folder):
    for content in ("200", "200 "):
        (folder / "a.jpg").write_text(content)
        assert camera(folder, service.url).returncode == 0
    assert sorted(path.read_text() for path in (folder / "done").iterdir()) == ["200", "200 "]


def test_a_mistyped_folder_is_an_error_and_is_not_made(tmp_path):
    done = camera(tmp_path / "lnie")
    assert done.returncode == 1
    assert "there is no folder" in done.stderr
    assert not (tmp_path / "lnie").exists()


def test_names_and_suffixes_of_real_cameras(service, folder):
    (folder / "IMG_1.JPG").write_text("200")
    (folder / "2.png").write_text("200")
    done = camera(folder, f"{service.url}/", "line A & B")
    assert done.returncode == 0, done.stderr
    assert names(folder / "done") == ["2.png", "IMG_1.JPG"]
    assert len(service.queries) == 1
    assert "line=line+A+%26+B" in service.queries.pop()


def test_a_photograph_has_one_idempotency_key_in_all_passes(service, folder):
    (folder / "a.jpg").write_text("0 503 503 503 503 503 200")
    (folder / "b.jpg").write_text("200")
    while camera(folder, service.url).returncode:
        assert service.posted["200"] == 1
    keys = [service.keys["0 503 503 503 503 503 200"], service.keys["200"]]
    assert [len(found) for found in keys] == [1, 1]
    assert keys[0] != keys[1]
    assert None not in keys[0] | keys[1]
    assert service.credentials == {None}


def test_the_camera_key_goes_with_each_photograph(service, folder):
    (folder / "a.jpg").write_text("200")
    assert camera(folder, service.url, SENKA_KEY="senka_0123abcd_secret", CAMERA="top").returncode == 0
    assert service.credentials == {"Bearer senka_0123abcd_secret"}
    assert service.queries == {"/v1/grade?line=1&camera=top"}
