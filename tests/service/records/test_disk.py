"""Whether there is room for photographs."""

import os
import time
from pathlib import Path

import pytest

from service.records import disk as disk_module
from service.records.disk import Disk, Watermark, measure_disk
from tests.service.records.alarm_list import AlarmList

MIB = 2**20


class FakeDisk:
    """A file system of so many MiB."""

    def __init__(self, total: int, free: int) -> None:
        self.total, self.free = total, free
        self.reads = 0
        self.error: OSError | None = None

    def __call__(self, folder: Path) -> Disk:
        self.reads += 1
        if self.error:
            raise self.error
        return Disk(self.total * MIB, self.free * MIB)


def watermark(disk: FakeDisk, alarms: AlarmList | None = None, reserve: int = 100) -> Watermark:
    return Watermark(Path("/photographs"), reserve * MIB, alarms, disk)


def test_storing_stops_under_the_reserve_and_begins_again_some_way_above_it() -> None:
    disk, alarms = FakeDisk(1000, 150), AlarmList()
    mark = watermark(disk, alarms)
    rooms = []
    for disk.free in (150, 101, 100, 99, 101, 109, 110, 101, 99):
        rooms.append(mark.check())
    assert rooms == [True, True, True, False, False, False, True, True, False]
    assert [said for said in alarms.said if said[1] == "disk_low"] == [
        ("cleared", "disk_low"),  # at the start, whatever a process before this one has raised
        ("raised", "disk_low"),
        ("cleared", "disk_low"),
        ("raised", "disk_low"),
    ]
    assert "99 MiB are free" in alarms.open["disk_low"]
    mark.close()


def test_a_small_disk_reserves_a_quarter() -> None:
    disk = FakeDisk(48, 12)
    mark = watermark(disk, reserve=1024)
    assert mark.check()
    disk.free = 11
    assert not mark.check()
    assert mark.missing_bytes() == int(12 * MIB * 1.2) - 11 * MIB
    mark.close()


def test_without_a_reserve_there_is_always_room() -> None:
    mark = watermark(FakeDisk(48, 0), reserve=0)
    assert mark.check()
    assert mark.missing_bytes() == 0
    mark.close()


def test_what_is_written_between_two_readings_counts() -> None:
    mark = watermark(FakeDisk(1000, 103))
    assert mark.has_room()
    for _ in range(4):
        assert mark.has_room()
        mark.wrote(MIB)
    assert not mark.has_room()
    assert not mark.low, "not before the disk says so"
    assert mark.check(), "the disk knows better"
    mark.close()


def test_asking_does_not_read_the_disk_but_a_thread_does(monkeypatch: pytest.MonkeyPatch) -> None:
    disk = FakeDisk(1000, 500)
    mark = watermark(disk)
    for _ in range(1000):
        assert mark.has_room()
    assert disk.reads < 10
    monkeypatch.setattr(disk_module, "READ_EVERY_S", 0.01)
    disk.free = 10
    end = time.monotonic() + 10
    while mark.has_room() and time.monotonic() < end:
        time.sleep(0.01)
    assert not mark.has_room()
    disk.free = 500
    while not mark.has_room() and time.monotonic() < end:
        time.sleep(0.01)
    assert mark.has_room(), "it clears by itself"
    mark.close()
    reads = disk.reads
    time.sleep(0.05)
    assert disk.reads == reads


def test_a_disk_that_cannot_be_read_is_tried_with_an_alarm() -> None:
    disk, alarms = FakeDisk(1000, 500), AlarmList()
    disk.error = OSError(5, "Input/output error")
    mark = watermark(disk, alarms)
    assert mark.check()
    assert "Input/output error" in alarms.open["photographs_not_stored"]
    mark.close()


def test_the_file_system_of_a_folder_that_is_not_made_yet(tmp_path: Path) -> None:
    measured, real = measure_disk(tmp_path / "a" / "b"), os.statvfs(tmp_path)
    assert measured.total == real.f_blocks * real.f_frsize
    assert 0 < measured.free < measured.total
