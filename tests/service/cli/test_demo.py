"""The demo's way with processes, folders and ports. Its commands are a fake, but where the real ones matter; the whole chain
with real training is in tests/e2e."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from typer.testing import CliRunner

import models
from models.repository import ModelRepository
from service.cli import app, demo
from service.cli.demo import Children, DemoFailed
from tests.service.models import make_model

FAKE_SENKA = '''
"""senka, as far as the demo can tell: notes how it was called; `serve` answers every photograph with grade L."""
import json, os, signal, sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

name, *arguments = sys.argv[1:]
call = {"name": name, "cwd": os.getcwd(), "pid": os.getpid(), "home": os.environ["SENKA_HOME"]}
with open(os.environ["CALLS"], "a") as calls:
    calls.write(json.dumps(call) + "\\n")
if name == os.environ.get("SLOW"):
    time.sleep(60)
if name == "synth":
    folder = Path(arguments[0])
    folder.mkdir()
    rows = [f"{number}.jpg,{grade}" for number, grade in enumerate("LLLM")]
    header = "path,grade,lot,camera,captured_at,labeller,source"
    (folder / "manifest.csv").write_text("\\n".join([header, *(row + ",,,,," for row in rows)]))
    for row in rows:
        (folder / row.split(",")[0]).write_bytes(b"photograph")
    print("rendered [4]")
if name != "serve":
    sys.exit()
if os.environ.get("BROKEN"):
    print("first line\\nERROR: no champion", flush=True)
    sys.exit(3)
if os.environ.get("STUBBORN"):
    signal.signal(signal.SIGTERM, lambda *_: None)

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def answer(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        data = json.dumps({"grade": "L", "lane": "L"}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
    do_GET = do_POST = answer

ThreadingHTTPServer(("127.0.0.1", int(arguments[1])), Handler).serve_forever()
'''
DRIVER = """
import signal, sys
# As in a terminal: whoever runs the tests in the background or under nohup ignores these, and children inherit that
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
from service.cli import demo, main
demo.COMMAND = (sys.executable, {fake!r})
main()
"""

Start = Callable[..., "RunningDemo"]


class RunningDemo:
    """`senka demo` in a process of its own, with the fake commands."""

    def __init__(self, folder: Path, *options: str, **environment: str) -> None:
        self.home = folder / "home"
        self.calls_path = folder / "calls"
        fake = folder / "fake_senka.py"
        fake.write_text(FAKE_SENKA)
        kept = {name: value for name, value in os.environ.items() if not name.upper().startswith("SENKA_")}
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                DRIVER.format(fake=str(fake)),
                "demo",
                "--rate",
                "100",
                "--port",
                str(a_free_port()),
                *options,
            ],
            env={**kept, "SENKA_HOME": str(self.home), "CALLS": str(self.calls_path), "PYTHONUNBUFFERED": "1", **environment},
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    @property
    def calls(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.calls_path.read_text().splitlines()] if self.calls_path.exists() else []

    def pid_of(self, name: str) -> int:
        """The process of a command, once it runs."""
        wait_for(lambda: any(call["name"] == name for call in self.calls) or self.process.poll() is not None)
        return next(int(str(call["pid"])) for call in self.calls if call["name"] == name)

    def until_it_says(self, words: str, stream: str = "stdout") -> None:
        for line in getattr(self.process, stream):
            if words in line:
                return
        raise AssertionError(f"it never said {words!r}; {self.process.stderr.read() if self.process.stderr else ''}")

    def end(self) -> tuple[int, str, str]:
        output, errors = self.process.communicate(timeout=20)
        return self.process.returncode, output, errors


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[RunningDemo] = []

    def run(*options: str, **environment: str) -> RunningDemo:
        started.append(RunningDemo(tmp_path, *options, **environment))
        return started[-1]

    yield run
    for running in started:
        for call in running.calls:
            with suppress(psutil.Error):  # gone, as it should be
                left = psutil.Process(int(str(call["pid"])))
                if "fake_senka.py" in " ".join(left.cmdline()):
                    left.kill()
        if running.process.poll() is None:
            running.process.kill()
        running.process.communicate()


def wait_for(condition: Callable[[], bool], within_s: float = 15) -> None:
    end = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def a_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# --- where its commands run ---


def test_a_senka_toml_of_the_caller_leads_no_command_elsewhere(tmp_path, monkeypatch):
    production = tmp_path / "production"
    caller = tmp_path / "caller"
    caller.mkdir()
    (caller / "senka.toml").write_text(f'model_repository = "{production}"\nmodel_name = "melon"\n')
    monkeypatch.chdir(caller)
    monkeypatch.setenv("senka_model_repository", str(production))  # names of settings are read in any case
    home = tmp_path / "demo"
    home.mkdir()
    model = make_model(tmp_path / "model.onnx")
    with (tmp_path / "lock").open("w") as lock, Children(home, lock.fileno()) as children:
        children.run("models", "publish", str(model), "--promote")
    assert not production.exists()
    assert ModelRepository(home / "models").get("champion").number == 1


def test_the_model_repository_is_not_taken_for_our_package_models(tmp_path, monkeypatch):
    monkeypatch.setattr(demo, "COMMAND", (sys.executable, "-c", "import models; print(models.__file__)"))
    (tmp_path / "models").mkdir()
    with (
        (tmp_path / "lock").open("w") as lock,
        Children(tmp_path, lock.fileno()) as children,
        children.start("any", stdout=subprocess.PIPE) as child,
    ):
        assert child.stdout
        assert child.stdout.read().strip() == models.__file__


def test_every_command_runs_in_the_demos_folder(start, tmp_path):
    code, output, errors = start("--once", "--json").end()
    assert code == 0, errors
    running = start("--once", "--json")
    assert running.end()[0] == 0  # a second demo takes the folder of the first
    home = str(tmp_path / "home" / "demo")
    assert [call["name"] for call in running.calls] == ["synth", "synth", "train", "export", "models", "gallery", "serve"] * 2
    assert {(call["cwd"], call["home"]) for call in running.calls} == {(home, home)}
    facts = json.loads(output)
    assert (facts["images"], facts["accuracy"]) == (4, 0.75)
    assert facts["url"] in errors
    assert "rendered [4]" in errors


# --- how it ends ---


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_line_and_the_service_in_order(start, number):
    running = start("--json")
    running.until_it_says("Round 2", "stderr")
    service = running.pid_of("serve")
    running.process.send_signal(number)
    code, output, errors = running.end()
    assert code == 0, errors
    assert "Stopped. Everything it made" in errors
    assert json.loads(output)["images"] == 4  # of the last whole round
    assert not alive(service)


def test_stopped_in_its_first_round_it_reports_what_there_is(start):
    running = start("--json", "--rate", "2")
    running.until_it_says("6/6", "stderr")
    time.sleep(0.8)
    running.process.send_signal(signal.SIGTERM)
    code, output, errors = running.end()
    assert code == 0, errors
    assert 1 <= json.loads(output)["images"] < 4


def test_a_single_round_that_is_stopped_is_no_success(start):
    running = start("--once", "--json", "--rate", "1")
    running.until_it_says("6/6", "stderr")
    running.process.send_signal(signal.SIGTERM)
    code, output, _ = running.end()
    assert (code, output) == (1, "")


def test_a_second_ctrl_c_kills_a_service_that_does_not_stop(start):
    running = start(STUBBORN="1")
    running.until_it_says("Round 1")
    service = running.pid_of("serve")
    running.process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    assert alive(service)  # it has its time
    running.process.send_signal(signal.SIGINT)
    running.end()
    assert not alive(service)


def test_a_service_that_does_not_stop_is_killed(tmp_path, monkeypatch):
    fake = tmp_path / "stubborn.py"
    fake.write_text(
        "import signal, time\nsignal.signal(signal.SIGTERM, lambda *_: None)\nprint('up', flush=True)\ntime.sleep(60)"
    )
    monkeypatch.setattr(demo, "COMMAND", (sys.executable, str(fake)))
    monkeypatch.setattr(demo, "STOPS_WITHIN_S", 0.2)
    before = [signal.getsignal(number) for number in demo.STOP_SIGNALS]
    with (tmp_path / "lock").open("w") as lock, Children(tmp_path, lock.fileno()) as children:
        started = children.start("serve", stdout=subprocess.PIPE)
        service = started.__enter__()
        assert service.stdout
        service.stdout.readline()
        with pytest.raises(DemoFailed, match="`senka serve` did not stop"):
            started.__exit__(None, None, None)
        assert service.returncode == -signal.SIGKILL
    assert [signal.getsignal(number) for number in demo.STOP_SIGNALS] == before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("command", ["train", "serve"])
def test_no_command_outlives_the_demo(start, command, number):
    running = start(SLOW=command)
    child = running.pid_of(command)
    running.process.send_signal(number)
    code, _, errors = running.end()
    assert code != 0
    assert "Traceback" not in errors
    wait_for(lambda: not alive(child))


def test_a_hangup_that_the_caller_ignores_is_ignored(tmp_path, monkeypatch):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with (tmp_path / "lock").open("w") as lock, Children(tmp_path, lock.fileno()):
            os.kill(os.getpid(), signal.SIGHUP)
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


# --- whether the service is there ---


def test_a_service_that_ends_at_once_is_noticed_and_quoted(start):
    began = time.monotonic()
    code, _, errors = start("--once", BROKEN="1").end()
    assert time.monotonic() - began < 15
    assert code == 1
    assert "exit code 3" in errors
    assert "ERROR: no champion" in errors


def test_a_proxy_of_the_environment_is_not_asked(start):
    nowhere = f"http://127.0.0.1:{a_free_port()}"
    code, _, errors = start("--once", http_proxy=nowhere, HTTP_PROXY=nowhere, no_proxy="").end()
    assert code == 0, errors


# --- its port ---


@pytest.mark.parametrize("port", ["0", "-1", "65536", "80000"])
def test_a_port_that_cannot_be_is_a_wrong_use(port):
    assert CliRunner().invoke(app, ["demo", "--port", port]).exit_code == 2


def test_the_search_for_a_port_ends_with_the_last():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 65535))
        taken.listen()
        with pytest.raises(DemoFailed, match="No free port from 65535 to 65535"):
            demo._free_port(65535)
        assert demo._free_port(65534) == 65534


# --- its folder ---


def test_a_second_demo_in_the_same_home_is_refused_and_harms_nothing(start, tmp_path):
    running = start()
    running.until_it_says("Round 1")
    (tmp_path / "home" / "demo" / "senka.db").write_text("records")
    code, _, errors = start("--once").end()
    assert code == 1
    assert "A demo is running in" in errors
    assert (tmp_path / "home" / "demo" / "senka.db").read_text() == "records"
    running.until_it_says("Round")
    running.process.send_signal(signal.SIGTERM)
    assert running.end()[0] == 0
    code, _, errors = start("--once").end()
    assert code == 0, errors


def test_a_service_that_outlives_a_killed_demo_keeps_its_database(start):
    running = start(STUBBORN="1")
    running.until_it_says("Round 1")
    service = running.pid_of("serve")
    running.process.kill()
    running.end()
    time.sleep(0.2)
    assert alive(service)  # it was asked to stop, and takes its time
    code, _, errors = start("--once").end()
    assert code == 1
    assert "A demo is running in" in errors
    os.kill(service, signal.SIGKILL)
    wait_for(lambda: not alive(service))
    assert start("--once").end()[0] == 0


def test_a_clean_up_that_was_interrupted_is_taken_up_again(tmp_path, monkeypatch):
    home = tmp_path / "demo"
    demo._empty(home)
    (home / "samples").mkdir()
    (home / "samples" / "1.jpg").touch()

    def interrupted(folder: Path) -> None:
        (folder / demo.MARKER).unlink()
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(demo.shutil, "rmtree", interrupted)
        with pytest.raises(KeyboardInterrupt):
            demo._empty(home)
    demo._empty(home)
    assert [path.name for path in tmp_path.iterdir()] == ["demo"]
    assert [path.name for path in home.iterdir()] == [demo.MARKER]


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_what_is_not_the_demos_is_never_touched(tmp_path, kind):
    home = tmp_path / "demo"
    theirs = home if kind == "file" else home / "theirs.txt"
    theirs.parent.mkdir(exist_ok=True)
    theirs.write_text("theirs")
    with pytest.raises(DemoFailed, match="holds something else"):
        demo._empty(home)
    assert theirs.read_text() == "theirs"
