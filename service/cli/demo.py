"""`senka demo`: the whole chain with the real commands, each a process of its own, as a user would type them.

The commands run in the demo's own folder, so that no `senka.toml` of the caller leads them elsewhere; none outlives the demo.
"""

import ctypes
import fcntl
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from types import FrameType
from typing import IO, Annotated, Any, Final, Self

import typer
from rich.console import Console
from rich.markup import escape

from models.errors import SenkaError
from models.grades import GRADES
from models.labelled import LabelledImage, read_manifest
from models.places import Places
from service.cli.camera import Camera

app = typer.Typer(rich_markup_mode=None)
out = Console(highlight=False)

TRAINING_IMAGES: Final = 2400
LINE_IMAGES: Final = 180
EPOCHS: Final = 20
WEIGHT_DECAY: Final = 0.3
"""Strong: filters that mean nothing fade, and what is left can be looked at."""
BATCH_SIZE: Final = 64
GALLERY_CHANNELS: Final = 6
TRUST_IMAGES: Final = 40
MARKER: Final = ".senka-demo"
READY_WITHIN_S: Final = 30
STOPS_WITHIN_S: Final = 40
"""More than the service gives its open requests."""
MAX_PORT: Final = 65535
COMMAND: Final = (sys.executable, "-m", "service.cli")
STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PR_SET_PDEATHSIG: Final = 1


class DemoFailed(SenkaError):
    code = "demo_failed"


@dataclass(slots=True)
class Round:
    """What came of one pass over the line's photographs, so far."""

    images: int = 0
    correct: int = 0
    manual: int = 0
    seconds: float = 0.0

    @property
    def accuracy(self) -> float | None:
        return self.correct / self.images if self.images else None


class Children:
    """Runs `senka` commands in the demo's folder and leaves none behind.

    The first Ctrl-C, SIGTERM or SIGHUP raises KeyboardInterrupt, once, wherever the demo is; another one kills a command that
    is slow to stop. `lock` is a descriptor that every command inherits.
    """

    def __init__(self, home: Path, lock: int) -> None:
        self.home = home
        self._lock = lock
        self._child: subprocess.Popen[str] | None = None
        self._asked = 0
        self._quiet = False
        self._handlers: dict[int, Any] = {}

    def __enter__(self) -> Self:
        for number in STOP_SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup wants it
                self._handlers[number] = signal.signal(number, self._stop)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self._asked += 1
        if self._asked > 1:
            if self._child:
                self._child.kill()
        elif not self._quiet:
            raise KeyboardInterrupt

    @contextmanager
    def start(self, *arguments: str, stdout: int | IO[bytes], stderr: IO[bytes] | None = None) -> Iterator[subprocess.Popen[str]]:
        """One command, stopped on the way out. In a session of its own, so that Ctrl-C reaches the demo alone."""
        self._quiet = True  # a signal between the start of the process and the assignment would lose it
        try:
            self._child = child = subprocess.Popen(
                [*COMMAND, *arguments],
                cwd=self.home,
                env=_environment(self.home),
                stdout=stdout,
                stderr=stderr,
                text=True,
                start_new_session=True,
                pass_fds=(self._lock,),
                preexec_fn=_end_with_the_demo,
            )
            self._quiet = False
            try:
                if self._asked:
                    raise KeyboardInterrupt
                yield child
            finally:
                self._quiet = True
                self._end(child, arguments[0])
        finally:
            self._quiet = False

    def _end(self, child: subprocess.Popen[str], name: str) -> None:
        child.terminate()
        try:
            child.wait(STOPS_WITHIN_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
            raise DemoFailed(f"`senka {name}` did not stop in {STOPS_WITHIN_S} s and was killed.") from None
        finally:
            if child.stdout:
                child.stdout.close()

    def run(self, *arguments: str) -> None:
        """One command to its end; its progress bars and errors go to the terminal."""
        with self.start(*arguments, stdout=subprocess.PIPE) as child:
            assert child.stdout is not None  # noqa: S101 - for the type checker: it was asked for
            for line in child.stdout:
                _say(f"      [dim]{escape(line.rstrip())}[/dim]")
            if child.wait():
                raise DemoFailed(f"`senka {' '.join(arguments)}` failed; the line above says why.")


@app.command(epilog="Example: senka demo --once")
def demo(
    once: Annotated[bool, typer.Option("--once", help="Stop after the first round of photographs.")] = False,
    port: Annotated[
        int, typer.Option(min=1, max=MAX_PORT, help="Port of the dashboard; the next free one if it is taken.")
    ] = 8000,
    rate: Annotated[float, typer.Option(min=0.1, max=200, help="Photographs a second.")] = 8.0,
    seed: Annotated[int, typer.Option(help="Other cucumbers.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output, of the last round.")] = False,
) -> None:
    """Make sample cucumbers, train on them, publish the model, serve it, and send photographs from a simulated line."""
    out.stderr = as_json
    home = (Places.load().home / "demo").resolve()
    with _alone(home) as lock, Children(home, lock) as children:
        _empty(home)
        _make_model(children, seed)
        port = _free_port(port)
        url, log_path = f"http://127.0.0.1:{port}", home / "serve.log"
        _step("5/6", f"Serving on {url}")
        photographs = list(read_manifest(home / "line", GRADES))
        with (
            log_path.open("wb") as log,
            children.start("serve", "--port", str(port), stdout=log, stderr=log) as service,
        ):
            _wait_ready(url, service, log_path)
            _say(f"\n      Dashboard: [bold]{url}/[/bold]   (open it in a browser)\n")
            _step(
                "6/6", f"The line sends {len(photographs)} photographs, {rate:g} a second" + ("" if once else "; Ctrl-C stops it")
            )
            last = _send(url, home / "line", photographs, rate, once)
    if as_json:
        typer.echo(json.dumps({"images": last.images, "accuracy": last.accuracy, "url": f"{url}/"}))
    _say(f"      Stopped. Everything it made is in {escape(str(home))}.")


def _make_model(children: Children, seed: int) -> None:
    """Cucumbers for training and for the line, and a model that was trained on the former, published."""
    home = children.home
    _step("1/6", f"Rendering {TRAINING_IMAGES + LINE_IMAGES} sample cucumbers")
    children.run("synth", str(home / "samples"), "--count", str(TRAINING_IMAGES), "--seed", str(seed))
    children.run("synth", str(home / "line"), "--count", str(LINE_IMAGES), "--seed", str(seed + 1_000_000))
    _step("2/6", "Training a LeNet on them (about a minute)")
    run, model = home / "run", home / "run" / "model.onnx"
    settings = ["--epochs", str(EPOCHS), "--batch-size", str(BATCH_SIZE), "--seed", str(seed)]
    settings += ["--weight-decay", str(WEIGHT_DECAY)]
    children.run("train", "--data", str(home / "samples"), "--arch", "lenet", "--out", str(run), *settings)
    _step("3/6", "Exporting and publishing it")
    children.run("export", str(run), "--out", str(model))
    children.run("models", "publish", str(model), "--run", str(run), "--promote", "--note", "demo")
    _step("4/6", "Making pictures of what it sees")
    few = ["--channels", str(GALLERY_CHANNELS), "--trust-images", str(TRUST_IMAGES)]
    children.run("gallery", "--data", str(home / "samples"), "--seed", str(seed), *few)


def _send(url: str, folder: Path, photographs: list[LabelledImage], rate: float, once: bool) -> Round:
    """Round after round until somebody stops it, or one. Returns the last whole round, or what there is of the first."""
    last = current = Round()
    camera = Camera(url, camera="demo-top", line="1", lot="demo")
    try:
        for number in count(1):
            current = Round()
            _round(current, camera, folder, photographs, rate)
            last = current
            _say(
                f"      Round {number}: {last.images} photographs graded, accuracy {last.accuracy:.3f}, "
                f"{last.manual} to the manual lane, {last.images / last.seconds:.1f} a second"
            )
            if once:
                break
    except KeyboardInterrupt:
        if once:
            raise
        _say()
    finally:
        camera.close()
    return last if last.images else current


def _round(result: Round, camera: Camera, folder: Path, photographs: list[LabelledImage], rate: float) -> None:
    started = time.monotonic()
    for index, photograph in enumerate(photographs):
        time.sleep(max(0.0, started + index / rate - time.monotonic()))
        grading = camera.post((folder / photograph.path).read_bytes())
        result.images += 1
        result.correct += grading["grade"] == photograph.grade
        result.manual += grading["lane"] == "manual"
        result.seconds = time.monotonic() - started


@contextmanager
def _alone(home: Path) -> Iterator[int]:
    """Hold the lock beside the folder and hand out its descriptor: free again when the demo and its commands are gone."""
    home.parent.mkdir(parents=True, exist_ok=True)
    with (home.parent / f".senka-{home.name}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DemoFailed(f"A demo is running in {home}. Stop it, or set SENKA_HOME to another folder.") from None
        yield file.fileno()


def _empty(home: Path) -> None:
    """An empty folder of the demo's own; what an earlier demo left is removed, anything else is never touched."""
    aside = home.parent / f".senka-{home.name}.old"  # nobody else's name: a deletion that was interrupted is taken up again
    if aside.exists():
        shutil.rmtree(aside)
    if home.exists() and not (home.is_dir() and not any(home.iterdir())):
        if not (home / MARKER).exists():
            raise DemoFailed(f"{home} holds something else. Set SENKA_HOME to another folder for the demo.")
        home.rename(aside)  # in one step: half a folder could have lost its marker
        shutil.rmtree(aside)
    home.mkdir(exist_ok=True)
    (home / MARKER).touch()


def _say(text: str = "") -> None:
    """One line; a log file gets it whole, whatever its reader's width."""
    out.print(text, soft_wrap=True)


def _step(number: str, text: str) -> None:
    _say(f"[bold]{number}[/bold]   {text}")


def _environment(home: Path) -> dict[str, str]:
    """The user's, but for settings that would lead out of the demo's folder, and with the code that runs here."""
    kept = {name: value for name, value in os.environ.items() if not name.upper().startswith("SENKA_")}
    # by its path: the folder that the commands run in holds `models`, the repository, which an import may take for our package
    code = [str(Path(__file__).parents[2]), *filter(None, [kept.get("PYTHONPATH")])]
    return {**kept, "SENKA_HOME": str(home), "PYTHONPATH": os.pathsep.join(code)}


def _end_with_the_demo() -> None:
    """In a command's process: ask Linux for SIGTERM should the demo die without a word (kill -9, out of memory)."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _wait_ready(url: str, service: subprocess.Popen[str], log: Path) -> None:
    """Return once it is ready. Raises DemoFailed at once when it has ended."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # whatever http_proxy says: this is loopback
    until = time.monotonic() + READY_WITHIN_S
    problem: Any = None
    while time.monotonic() < until:
        if service.poll() is not None:
            last = "\n".join(log.read_text(errors="replace").splitlines()[-5:])
            raise DemoFailed(f"The service ended with exit code {service.returncode} before it was ready. It said:\n{last}")
        try:
            direct.open(f"{url}/health/ready", timeout=2).close()
        except (OSError, http.client.HTTPException) as error:
            problem = error
            time.sleep(0.1)
        else:
            return
    raise DemoFailed(f"The service is not ready after {READY_WITHIN_S} s: {problem}. See {log}.")


def _free_port(wanted: int) -> int:
    """The port, or the next of a hundred that nobody listens on."""
    last = min(wanted + 99, MAX_PORT)
    for port in range(wanted, last + 1):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise DemoFailed(f"No free port from {wanted} to {last}. Choose another: senka demo --port N.")
