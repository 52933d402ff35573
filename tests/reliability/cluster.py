"""A PostgreSQL server of our own, that can be stopped and started without asking anybody."""

import os
import pwd
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))


def can_run() -> bool:
    """Whether a server can be started here: its programs, and a user other than root to run them."""
    return bool(BINARIES) and (os.getuid() != 0 or _runner() is not None)


def _runner() -> str | None:
    try:
        return pwd.getpwnam("postgres").pw_name
    except KeyError:
        return None


@dataclass(frozen=True, slots=True)
class Cluster:
    folder: Path
    port: int

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self.folder}"
        self._control("start", "-w", "-o", options, "-l", str(self.folder / "log"))

    def stop(self) -> None:
        """At once, as when it is killed."""
        self._control("stop", "-m", "immediate")

    def _control(self, *arguments: str) -> None:
        run_as("pg_ctl", *arguments, "-D", str(self.folder / "data"))


def run_as(program: str, *arguments: str) -> None:
    """A program of the server, which refuses to run as root."""
    user = _runner() if os.getuid() == 0 else None
    command = [str(BINARIES[-1].with_name(program)), *arguments]
    # a server keeps its parent's output open for ever
    done = subprocess.run(command, user=user, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert done.returncode == 0, f"{program} {arguments[0]} failed"


@contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    """A running server with an empty database; gone afterwards."""
    folder.mkdir(parents=True)
    if os.getuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
        for parent in folder.parents:
            if parent.stat().st_mode & 0o005 != 0o005 and parent.stat().st_uid == os.getuid():
                parent.chmod(parent.stat().st_mode | 0o011)  # the server's user must reach its folder
    run_as("initdb", "-D", str(folder / "data"), "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    made = Cluster(folder, port)
    made.start()
    try:
        yield made
    finally:
        with suppress(AssertionError):  # a test may have stopped it and left it so
            made.stop()
        shutil.rmtree(folder, ignore_errors=True)
