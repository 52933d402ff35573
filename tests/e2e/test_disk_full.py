"""A disk that fills up under the service: gradings outlive photographs, and everything comes back by itself."""

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import Serve
from tests.e2e.live import Answer, LiveService
from tests.service.pictures import picture

SIZE_MIB = 48
MIB = 2**20


class SmallDisk:
    """A file system of 48 MiB with a SENKA_HOME on it and a file that takes what is left."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.home, self._filler = folder, folder / "home", folder / "filler"

    @property
    def free_bytes(self) -> int:
        found = os.statvfs(self.folder)
        return found.f_bavail * found.f_frsize

    def leave(self, free_bytes: int) -> None:
        """Fill it until so much is free."""
        with self._filler.open("ab") as file:
            while (room := self.free_bytes - free_bytes) > 0:
                try:
                    file.write(bytes(min(room, MIB)))
                    file.flush()
                except OSError:  # somebody else took the last of it
                    return

    def release(self) -> None:
        self._filler.unlink()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    if os.geteuid() != 0:
        pytest.skip("only root can mount a file system of its own")
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MIB}m", "senka-test", str(folder)], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


class Line:
    """Posts photographs, each a different one, and remembers which were acknowledged."""

    def __init__(self, service: LiveService) -> None:
        self.service, self.sent = service, 0
        self.acknowledged: dict[str, bytes] = {}

    def post(self) -> Answer:
        photograph = picture(self.sent)
        self.sent += 1
        answer = self.service.grade(photograph)
        if answer.status == 200:
            self.acknowledged[answer.json["id"]] = photograph
        return answer

    def post_and_look(self) -> bool:
        """Post one that must be graded; whether its photograph is kept."""
        answer = self.post()
        assert answer.status == 200, answer.body
        return self.image(answer.json["id"]).status == 200

    def post_until(self, condition: Callable[[], bool], within_s: float = 30.0) -> None:
        end = time.monotonic() + within_s
        while not condition():
            assert time.monotonic() < end, "it did not happen in time"
            time.sleep(0.05)

    def image(self, grading_id: str) -> Answer:
        return self.service.get(f"/v1/gradings/{grading_id}/image")

    def check_record(self) -> None:
        """Everything acknowledged is on record, and a photograph that is there is whole."""
        for grading_id, photograph in self.acknowledged.items():
            assert self.service.get(f"/v1/gradings/{grading_id}").status == 200
            image = self.image(grading_id)
            assert image.status == 404 or (image.status, image.body) == (200, photograph)


def test_photographs_stop_at_the_watermark_and_gradings_do_not(home: Path, serve: Serve, disk: SmallDisk) -> None:
    with serve(disk.home, workers=2, model_repository=home / "models") as service:
        line = Line(service)
        assert line.post_and_look()
        disk.leave(SIZE_MIB * MIB // 4 - 2 * MIB)  # a quarter of a small disk is the reserve
        line.post_until(lambda: not any(line.post_and_look() for _ in range(8)))  # each of both workers knows
        alarms = {alarm["name"] for alarm in service.get("/v1/alarms?open=true").json["alarms"]}
        assert "disk_low" in alarms
        free = disk.free_bytes
        assert not any(line.post_and_look() for _ in range(20)), "gradings only"
        assert free - disk.free_bytes < 4 * MIB
        disk.release()
        line.post_until(lambda: all(line.post_and_look() for _ in range(8)))
        line.post_until(lambda: service.get("/v1/alarms?open=true").json["alarms"] == [])
        line.check_record()


def test_a_disk_without_a_single_byte_left(home: Path, serve: Serve, disk: SmallDisk) -> None:
    with serve(disk.home, workers=2, model_repository=home / "models", disk_reserve_bytes=0) as service:
        line = Line(service)
        assert line.post_and_look()
        disk.leave(0)
        assert disk.free_bytes == 0
        answers = [line.post() for _ in range(40)]
        assert {answer.status for answer in answers} <= {200, 503}
        codes = {answer.json["code"] for answer in answers if answer.status == 503}
        assert codes <= {"records_unavailable"}
        assert service.process.poll() is None
        assert service.get("/health/live").status == 200
        disk.release()
        line.post_until(lambda: line.post().status == 200)
        line.post_until(lambda: all(line.post_and_look() for _ in range(8)))
        line.check_record()
        on_record = service.get("/v1/stats").json["total"]
        assert on_record >= len(line.acknowledged)
