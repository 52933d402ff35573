"""Photographs on their way to an object store."""

import os
import sys
import time
from collections.abc import Iterator
from hashlib import sha256
from importlib import import_module
from pathlib import Path

import pytest

from service.records import spool as spool_module
from service.records.disk import AlarmSink
from service.records.folder import GRACE_S
from service.records.photographs import PhotographStore, open_store
from service.records.spool import ObjectStoreUnusable, Spool, connect
from service.settings import Settings
from tests.service.records.alarm_list import AlarmList
from tests.service.records.fake_object_store import FakeRemote, FakeSystem
from tests.service.running import until

pytestmark = pytest.mark.anyio


class Packing:
    """A store whose object store is in memory; its thread does not run unless a test starts it."""

    def __init__(self, folder: Path, system: FakeSystem, limit_bytes: int = 2**20, alarms: AlarmSink | None = None) -> None:
        self.system = system
        self.spool = Spool(folder, FakeRemote(system, "bucket/senka"), limit_bytes, alarms)
        self.store = PhotographStore(folder, spool=self.spool)

    def put(self, content: bytes) -> str:
        key = self.store.key(content, "jpeg")
        self.store.put(key, content)
        return key

    def waiting(self) -> set[str]:
        return {name for name, _ in self.store.folder.files()}


@pytest.fixture
def alarms() -> AlarmList:
    return AlarmList()


@pytest.fixture
def packing(tmp_path: Path, alarms: AlarmList, monkeypatch: pytest.MonkeyPatch) -> Iterator[Packing]:
    for name in ("LOOKS_EVERY_S", "FIRST_WAIT_S"):
        monkeypatch.setattr(spool_module, name, 0.01)
    made = Packing(tmp_path / "photographs", FakeSystem(), 10_000, alarms)
    yield made
    made.store.close()


def test_what_waits_is_uploaded_and_can_be_read_before_and_after(packing: Packing) -> None:
    contents = [f"photograph {number}".encode() for number in range(40)]
    keys = [packing.put(content) for content in contents]
    assert packing.waiting() == set(keys)
    assert [packing.store.get(key) for key in keys] == [(content, "image/jpeg") for content in contents]
    assert packing.spool.upload() == 40
    assert packing.waiting() == set()
    assert packing.system.puts == [16, 16, 8]
    assert set(packing.system.objects) == {f"bucket/senka/{key[:2]}/{key}" for key in keys}
    assert [packing.store.get(key) for key in keys] == [(content, "image/jpeg") for content in contents]
    assert packing.store.get(packing.store.key(b"never", "jpeg")) is None


def test_a_photograph_that_is_still_being_written_waits_and_one_that_was_cut_off_goes(packing: Packing) -> None:
    whole, short = packing.put(b"whole"), packing.put(b"short")
    file = packing.store.folder.root / short[:2] / short
    os.truncate(file, 3)
    assert packing.spool.upload() == 1
    assert packing.waiting() == {short}, "somebody may be writing it"
    assert whole in str(packing.system.objects)
    old = time.time() - 2 * GRACE_S
    os.utime(file, (old, old))
    assert packing.spool.upload() == 0
    assert packing.waiting() == set()
    assert short not in str(packing.system.objects)


def test_an_object_store_that_is_away_loses_nothing(packing: Packing) -> None:
    packing.system.error = ConnectionRefusedError(111, "Connection refused")
    keys = {packing.put(str(number).encode()) for number in range(20)}
    with pytest.raises(ConnectionRefusedError):
        packing.spool.upload()
    assert packing.waiting() == keys
    packing.system.error = None
    assert packing.spool.upload() == 20
    assert packing.waiting() == set()


async def test_outages_are_waited_out_with_an_alarm(packing: Packing, alarms: AlarmList) -> None:
    packing.system.error = RuntimeError("a client's own idea of an error")
    key = packing.put(b"content")
    packing.spool.start()
    await until(lambda: len(packing.system.puts) >= 4)
    assert "a client's own idea of an error" in alarms.open["object_store_away"]
    assert packing.system.puts == [1] * len(packing.system.puts), "one photograph finds out whether it is back"
    packing.system.error = None
    await until(lambda: not packing.waiting())
    await until(lambda: not alarms.open)
    assert alarms.said == [("raised", "object_store_away"), ("cleared", "object_store_away")]
    assert packing.store.get(key) == (b"content", "image/jpeg")


def test_waits_grow_to_a_bound(packing: Packing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing.spool, "_clock", lambda: 0.0)
    waits = []
    for _ in range(20):
        packing.spool._failed("away")
        waits.append(packing.spool._try_at)
    assert waits[:5] == pytest.approx([0.01, 0.02, 0.04, 0.08, 0.16])
    assert waits[-1] == 10.0


async def test_a_bug_of_a_client_stops_nothing(packing: Packing, caplog: pytest.LogCaptureFixture) -> None:
    packing.system.error = TypeError("takes 2 positional arguments")
    packing.put(b"content")
    packing.spool.start()
    await until(lambda: "photographs cannot be uploaded" in caplog.text)
    packing.system.error = None
    await until(lambda: not packing.waiting())


async def test_a_full_spool_takes_no_more_until_it_is_emptied(packing: Packing) -> None:
    packing.system.error = ConnectionRefusedError(111, "Connection refused")
    packing.spool.start()
    for number in range(9):
        assert packing.store.has_room()
        packing.put(bytes([number]) * 1000)
    packing.put(b"x" * 1000)
    await until(lambda: len(packing.system.puts) >= 3)
    assert not packing.store.has_room()
    packing.system.error = None
    await until(packing.store.has_room)


async def test_of_two_processes_one_uploads_and_the_other_takes_over(packing: Packing, tmp_path: Path) -> None:
    other = Packing(tmp_path / "photographs", FakeSystem(), 10_000)
    packing.spool.start()
    await until(lambda: packing.spool._leading is not None)
    other.spool.start()
    keys = {other.put(str(number).encode()) for number in range(5)}
    await until(lambda: not other.waiting())
    assert len(packing.system.objects) == 5
    assert not other.system.objects
    packing.system.error = ConnectionRefusedError(111, "Connection refused")
    for number in range(11):
        packing.put(bytes([number]) * 1000)
    await until(lambda: not other.store.has_room())  # it knows how much waits without having put it
    packing.store.close()
    await until(lambda: not other.waiting())
    assert len(other.system.objects) == 11
    assert keys.isdisjoint(str(other.system.objects))
    other.store.close()


async def test_what_an_earlier_process_left_is_uploaded(packing: Packing, tmp_path: Path) -> None:
    key = packing.put(b"left")
    packing.store.close()
    after = Packing(tmp_path / "photographs", packing.system)
    after.spool.start()
    await until(lambda: not after.waiting())
    assert after.store.get(key) == (b"left", "image/jpeg")
    after.store.close()


def test_deleting_leaves_what_was_put_lately(packing: Packing) -> None:
    old, recent, waiting = (packing.put(content) for content in (b"old", b"recent", b"waiting"))
    packing.spool.upload()
    packing.system.written[f"bucket/senka/{old[:2]}/{old}"] -= 2 * GRACE_S
    packing.system.written[f"bucket/senka/{waiting[:2]}/{waiting}"] -= 2 * GRACE_S
    packing.put(b"waiting")
    missing = packing.store.key(b"missing", "jpeg")
    assert packing.store.delete([old, recent, waiting, missing]) == [old, missing]
    assert packing.store.get(old) is None
    assert packing.store.get(recent) == (b"recent", "image/jpeg")


# --- real clients ---


def test_any_file_system_of_fsspec_will_do() -> None:
    remote = connect("memory://bucket/senka")
    name = sha256(b"content").hexdigest() + ".jpg"
    assert (remote.get(name), remote.written_at(name)) == (None, None)
    remote.put({name: b"content"})
    assert remote.get(name) == b"content"
    assert abs(float(remote.written_at(name) or 0) - time.time()) < 60
    remote.delete([name])
    assert remote.get(name) is None


def test_a_url_of_no_object_store() -> None:
    with pytest.raises(ObjectStoreUnusable, match="SENKA_IMAGE_STORE=nonsense://bucket"):
        connect("nonsense://bucket")


def test_a_missing_client_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    # by its full name: the package hides its module behind a dictionary of the same name
    monkeypatch.setattr(import_module("fsspec.registry"), "registry", {})
    with pytest.raises(ObjectStoreUnusable, match=r"pip install -e '\.\[s3\]'"):
        open_store(Settings(home=tmp_path, image_store="s3://bucket/senka"))
