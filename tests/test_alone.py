"""No other process runs a test while one that is marked alone runs, and it need not wait for all the others."""

import fcntl
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

from tests.alone import turn

ROOT = Path(__file__).parents[1]
TESTS = """
import time
from pathlib import Path
import pytest

@pytest.mark.parametrize("number", range(8))
{mark}
def test(number):
    began = time.monotonic()
    time.sleep(0.05)
    with (Path(__file__).parent / "{name}.times").open("a") as file:
        print(began, time.monotonic(), file=file)
"""


def test_who_is_alone_waits_for_who_is_there_and_goes_before_who_comes_later(tmp_path: Path) -> None:
    order: list[str] = []

    def enter(who: str, alone: bool) -> None:
        with turn(tmp_path, alone):
            order.append(who)

    with turn(tmp_path, alone=False):
        first = threading.Thread(target=enter, args=("alone", True))
        first.start()
        with (tmp_path / "door.lock").open("w") as door:
            end = time.monotonic() + 10
            while _free(door.fileno()):
                assert time.monotonic() < end, "it does not wait"
                time.sleep(0.01)
        later = threading.Thread(target=enter, args=("later", False))
        later.start()
        time.sleep(0.1)
        assert order == []
    for thread in (first, later):
        thread.join(10)
    assert order == ["alone", "later"]


def _free(door: int) -> bool:
    try:
        fcntl.flock(door, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    fcntl.flock(door, fcntl.LOCK_UN)
    return True


def test_two_processes_of_a_test_run(tmp_path: Path) -> None:
    for name, mark in (("alone", "@pytest.mark.alone"), ("others", "")):
        (tmp_path / f"test_{name}.py").write_text(TESTS.format(name=name, mark=mark))
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = alone\n")
    command = [sys.executable, "-m", "pytest", "-p", "tests.alone", "-p", "no:cacheprovider", "-n2", "--dist", "loadfile"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_ADDOPTS": ""}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=90, check=False)
    assert "16 passed" in done.stdout, done.stdout + done.stderr
    alone, others = (
        [tuple(map(float, line.split())) for line in (tmp_path / f"{name}.times").read_text().splitlines()]
        for name in ("alone", "others")
    )
    assert [one for one in alone for other in others if one[0] < other[1] and other[0] < one[1]] == []
