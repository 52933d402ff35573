"""`senka serve` as a user starts it: a process of its own on a free port of this machine."""

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

STARTS_WITHIN_S = 60.0
STOPS_WITHIN_S = 20.0


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def senka(home: Path, *arguments: str, within_s: float = 60) -> subprocess.CompletedProcess[str]:
    """One command, to its end."""
    command = [sys.executable, "-m", "service.cli", *arguments]
    return subprocess.run(command, env=environment(home), cwd=home.parent, capture_output=True, text=True, timeout=within_s)


def environment(home: Path, **settings: object) -> dict[str, str]:
    """This machine's, with no settings of Senka but these."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SENKA_")}
    own = {f"SENKA_{name.upper()}": str(value) for name, value in settings.items()}
    return {**kept, "SENKA_HOME": str(home), "SENKA_PROVIDERS": "cpu", "PYTHONUNBUFFERED": "1", **own}


@dataclass
class LiveService:
    """A running service; as text it is its address."""

    home: Path
    log: Path
    workers: int = 1
    settings: dict[str, object] = field(default_factory=dict)
    port: int = 0

    def __post_init__(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "service.cli", "serve", "--port", str(self.port), "--workers", str(self.workers)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, env=environment(self.home, **self.settings), cwd=self.home.parent, stdout=log, stderr=log
            )

    def __str__(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def said(self) -> str:
        return self.log.read_text()

    def wait_listening(self) -> "LiveService":
        """Return when it answers at all; it need not be ready."""
        end = time.monotonic() + STARTS_WITHIN_S
        while time.monotonic() < end and self.process.poll() is None:
            found = re.findall(r"Uvicorn running on http://127\.0\.0\.1:(\d+)", self.said)
            if found:
                self.port = int(found[-1])
                try:
                    self.get("/health/live")
                except OSError:
                    pass
                else:
                    return self
            time.sleep(0.05)
        raise AssertionError(f"the service does not answer; exit code {self.process.poll()}:\n{self.said}")

    def wait_ready(self, within_s: float = STARTS_WITHIN_S) -> float:
        """Return the seconds until it was ready."""
        began = time.monotonic()
        while self.get("/health/ready").status != 200:
            assert time.monotonic() < began + within_s, f"not ready after {within_s} s:\n{self.said}"
            time.sleep(0.05)
        return time.monotonic() - began

    def connection(self, timeout_s: float = 30.0) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout_s)

    def request(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None, **options: Any) -> Answer:
        connection = self.connection()
        try:
            return ask(connection, method, path, body, headers, **options)
        finally:
            connection.close()

    def get(self, path: str) -> Answer:
        return self.request("GET", path)

    def grade(self, photograph: bytes, query: str = "") -> Answer:
        return self.request("POST", f"/v1/grade?{query}", photograph)

    def metric(self, name: str) -> float:
        """The sum of a metric's samples."""
        lines = self.get("/metrics").body.decode().splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if re.match(rf"{name}(\{{|\s)", line))

    def rss_bytes(self) -> int:
        """Memory of the process and its workers."""
        root = psutil.Process(self.process.pid)
        return sum(process.memory_info().rss for process in [root, *root.children(recursive=True)])

    def grading_processes(self) -> list[psutil.Process]:
        """The workers, where there are several: forks of the supervisor's fork server."""
        return [
            worker
            for server in psutil.Process(self.process.pid).children()
            if _name(server) == "senka-fork"
            for worker in server.children()
            if _name(worker) == "senka-worker"
        ]

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def stop(self) -> int:
        """Ask it to stop, as a service manager does; return its exit code."""
        self.terminate()
        return self.process.wait(STOPS_WITHIN_S)

    def kill(self) -> None:
        """Without a warning, workers and all."""
        root = psutil.Process(self.process.pid)
        for process in [root, *root.children(recursive=True)]:
            process.kill()
        self.process.wait(STOPS_WITHIN_S)


def _name(process: psutil.Process) -> str:
    try:
        return process.name()
    except psutil.Error:  # one that was killed just now
        return ""


def ask(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    body: Any = None,
    headers: dict[str, str] | None = None,
    **options: Any,
) -> Answer:
    """One request on a connection that stays open."""
    connection.request(method, path, body, headers or {}, **options)
    response = connection.getresponse()
    return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())
