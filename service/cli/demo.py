"""`senka demo`: the whole chain with the real commands, each a process of its own, as a user would type them."""

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
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console

from models.errors import SenkaError
from models.grades import GRADES
from models.labelled import LabelledImage, read_manifest
from models.places import Places
from service.cli.camera import Camera

app = typer.Typer(rich_markup_mode=None)
out = Console(highlight=False)

TRAINING_IMAGES: Final = 2400
LINE_IMAGES: Final = 180
EPOCHS: Final = 14
BATCH_SIZE: Final = 64
MARKER: Final = ".senka-demo"
READY_WITHIN_S: Final = 30


class DemoFailed(SenkaError):
    code = "demo_failed"


@dataclass(frozen=True, slots=True)
class Round:
    """What came of one pass over the line's photographs."""

    images: int
    correct: int
    manual: int
    seconds: float


@app.command(epilog="Example: senka demo --once")
def demo(
    once: Annotated[bool, typer.Option("--once", help="Stop after the first round of photographs.")] = False,
    port: Annotated[int, typer.Option(help="Port of the dashboard; the next free one if it is taken.")] = 8000,
    rate: Annotated[float, typer.Option(min=0.1, max=200, help="Photographs a second.")] = 8.0,
    seed: Annotated[int, typer.Option(help="Other cucumbers.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Make sample cucumbers, train on them, publish the model, serve it, and send photographs from a simulated line."""
    if as_json:
        out.stderr = True
    home = _fresh_home(Places.load().home / "demo")
    _step("1/5", f"Rendering {TRAINING_IMAGES + LINE_IMAGES} sample cucumbers")
    _senka(home, "synth", str(home / "samples"), "--count", str(TRAINING_IMAGES), "--seed", str(seed))
    _senka(home, "synth", str(home / "line"), "--count", str(LINE_IMAGES), "--seed", str(seed + 1_000_000))
    _step("2/5", "Training a LeNet on them (about a minute)")
    run, model = home / "run", home / "run" / "model.onnx"
    settings = ["--epochs", str(EPOCHS), "--batch-size", str(BATCH_SIZE), "--seed", str(seed)]
    _senka(home, "train", "--data", str(home / "samples"), "--arch", "lenet", "--out", str(run), *settings)
    _step("3/5", "Exporting and publishing it")
    _senka(home, "export", str(run), "--out", str(model))
    _senka(home, "models", "publish", str(model), "--promote", "--note", "demo")
    port = _free_port(port)
    url = f"http://127.0.0.1:{port}"
    _step("4/5", f"Serving on {url}")
    photographs = list(read_manifest(home / "line", GRADES))
    with _service(home, port):
        _wait_ready(url)
        _say(f"\n      Dashboard: [bold]{url}/[/bold]   (open it in a browser)\n")
        _step("5/5", f"The line sends {len(photographs)} photographs, {rate:g} a second" + ("" if once else "; Ctrl-C stops it"))
        for number, result in enumerate(_rounds(home / "line", photographs, url, rate, once), 1):
            facts = {"images": result.images, "accuracy": result.correct / result.images, "url": f"{url}/"}
            _say(
                f"      Round {number}: {result.images} photographs graded, accuracy {facts['accuracy']:.3f}, "
                f"{result.manual} to the manual lane, {result.images / result.seconds:.1f} a second"
            )
            if as_json and once:
                typer.echo(json.dumps(facts))
    _say(f"      Stopped. Everything it made is in {home}.")


def _rounds(folder: Path, photographs: list[LabelledImage], url: str, rate: float, once: bool) -> Iterator[Round]:
    """Pass after pass, or one; a person's Ctrl-C ends it between two photographs."""
    camera = Camera(url, camera="demo-top", line="1", lot="demo")
    try:
        while True:
            yield _round(camera, folder, photographs, rate)
            if once:
                return
    except KeyboardInterrupt:
        _say()
    finally:
        camera.close()


def _round(camera: Camera, folder: Path, photographs: list[LabelledImage], rate: float) -> Round:
    correct = manual = 0
    started = time.monotonic()
    for index, photograph in enumerate(photographs):
        time.sleep(max(0.0, started + index / rate - time.monotonic()))
        grading = camera.post((folder / photograph.path).read_bytes())
        correct += grading["grade"] == photograph.grade
        manual += grading["lane"] == "manual"
    return Round(len(photographs), correct, manual, time.monotonic() - started)


def _fresh_home(home: Path) -> Path:
    """An empty folder of the demo's own; what an earlier demo left is removed, anything else is never touched."""
    if home.exists() and any(home.iterdir()):
        if not (home / MARKER).exists():
            raise DemoFailed(f"{home} holds something else. Set SENKA_HOME to another folder for the demo.")
        shutil.rmtree(home)
    home.mkdir(parents=True, exist_ok=True)
    (home / MARKER).touch()
    return home


def _say(text: str = "") -> None:
    """One line; a log file gets it whole, whatever its reader's width."""
    out.print(text, soft_wrap=True)


def _step(number: str, text: str) -> None:
    _say(f"[bold]{number}[/bold]   {text}")


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "service.cli", *arguments]


def _environment(home: Path) -> dict[str, str]:
    """The user's, but for settings that would lead out of the demo's folder."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SENKA_")}
    return {**kept, "SENKA_HOME": str(home)}


def _senka(home: Path, *arguments: str) -> None:
    """One command; its progress bars and errors go to the terminal."""
    done = subprocess.run(_command(*arguments), env=_environment(home), stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise DemoFailed(f"`senka {' '.join(arguments)}` failed; the line above says why.")
    for line in done.stdout.splitlines():
        _say(f"      [dim]{line}[/dim]")


@contextmanager
def _service(home: Path, port: int) -> Iterator[None]:
    """`senka serve` in a session of its own, so that Ctrl-C reaches the line first and the service stops in order."""
    with (home / "serve.log").open("wb") as log:
        process = subprocess.Popen(
            _command("serve", "--port", str(port)), env=_environment(home), stdout=log, stderr=log, start_new_session=True
        )
        try:
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                raise DemoFailed(f"The service did not stop in 30 s; see {home / 'serve.log'}.") from None


def _wait_ready(url: str) -> None:
    until = time.monotonic() + READY_WITHIN_S
    problem: Any = None
    while time.monotonic() < until:
        try:
            urllib.request.urlopen(f"{url}/health/ready", timeout=2).close()  # noqa: S310 - our own loopback address
        except OSError as error:
            problem = error
            time.sleep(0.1)
        else:
            return
    raise DemoFailed(f"The service is not ready after {READY_WITHIN_S} s: {problem}. See serve.log in the demo's folder.")


def _free_port(wanted: int) -> int:
    """The port, or the next of a hundred that nobody listens on."""
    for port in range(wanted, wanted + 100):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise DemoFailed(f"No free port from {wanted} to {wanted + 99}. Choose another: senka demo --port N.")
