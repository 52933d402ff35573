"""Photographs named by their content."""

import os
import stat
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

import pytest

from service.errors import PhotographNotStored, PhotographUnavailable
from service.records import folder as folder_module
from service.records.disk import Disk, Watermark
from service.records.folder import GRACE_S, ContentFolder, sync_file_system
from service.records.photographs import PhotographStore, open_store
from service.settings import Settings
from tests.service.records.alarm_list import AlarmList


@pytest.fixture
def store(tmp_path: Path) -> Iterator[PhotographStore]:
    opened = PhotographStore(tmp_path / "photographs")
    yield opened
    opened.close()


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[ContentFolder]:
    opened = ContentFolder(tmp_path / "photographs")
    yield opened
    opened.close()


def files(tmp_path: Path) -> list[Path]:
    return sorted(path for path in (tmp_path / "photographs").rglob("*") if path.is_file())


def make_old(path: Path) -> None:
    past = time.time() - 2 * GRACE_S
    os.utime(path, (past, past))


@pytest.mark.parametrize(
    ("kind", "suffix", "media_type"),
    [("jpeg", "jpg", "image/jpeg"), ("png", "png", "image/png"), ("webp", "webp", "image/webp"), ("bmp", "bmp", "image/bmp")],
)
def test_what_was_put_comes_back_with_its_type(store: PhotographStore, kind: str, suffix: str, media_type: str) -> None:
    key = store.key(b"some bytes", kind)
    assert key == f"{sha256(b'some bytes').hexdigest()}.{suffix}"
    assert store.put(key, b"some bytes") is False
    assert store.get(key) == (b"some bytes", media_type)


def test_the_same_photograph_is_kept_once(store: PhotographStore, tmp_path: Path) -> None:
    key = store.key(b"twice", "jpeg")
    store.put(key, b"twice")
    before = files(tmp_path)[0].stat().st_ino
    assert store.put(key, b"twice") is True
    (file,) = files(tmp_path)
    assert file == tmp_path / "photographs" / key[:2] / key
    assert file.stat().st_ino == before


def test_others_of_this_machine_cannot_look(store: PhotographStore, tmp_path: Path) -> None:
    store.put(store.key(b"mine", "jpeg"), b"mine")
    (file,) = files(tmp_path)
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (file, file.parent, file.parent.parent)]
    assert modes == [0o600, 0o700, 0o700]


def test_a_photograph_that_is_not_there_is_none(store: PhotographStore) -> None:
    assert store.get(store.key(b"never", "png")) is None


def test_many_at_once_may_keep_the_same_one(store: PhotographStore, tmp_path: Path) -> None:
    content = b"x" * 300_000
    key = store.key(content, "jpeg")
    with ThreadPoolExecutor(8) as threads:
        there = list(threads.map(lambda _: store.put(key, content), range(40)))
    assert there.count(False) == 1
    assert [path.name for path in files(tmp_path)] == [key]
    assert store.get(key) == (content, "image/jpeg")


@pytest.mark.parametrize("left", [0, 3, 99])
def test_a_photograph_that_was_cut_off_is_mended(store: PhotographStore, tmp_path: Path, left: int) -> None:
    content = bytes(range(100))
    key = store.key(content, "jpeg")
    store.put(key, content)
    os.truncate(files(tmp_path)[0], left)
    store.put(key, content)
    assert store.get(key) == (content, "image/jpeg")


def test_one_that_could_not_be_written_says_why_and_is_mended_later(
    store: PhotographStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write

    def full(descriptor: int, data: bytes) -> int:
        if len(data) < 5:
            raise OSError(28, "No space left on device")
        return write(descriptor, data[:2])

    key = store.key(b"too much", "jpeg")
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(PhotographNotStored, match="No space left on device"):
            store.put(key, b"too much")
    store.put(key, b"too much")
    assert store.get(key) == (b"too much", "image/jpeg")


def test_one_that_cannot_be_read_is_not_one_that_is_not_there(store: PhotographStore, tmp_path: Path) -> None:
    key = store.key(b"x", "jpeg")
    (tmp_path / "photographs" / key[:2] / key).mkdir(parents=True)
    with pytest.raises(PhotographUnavailable):
        store.get(key)


# --- deleting ---


def test_an_old_one_is_deleted_and_a_recent_one_is_not(store: PhotographStore, tmp_path: Path) -> None:
    old, recent = (store.key(content, "jpeg") for content in (b"old", b"recent"))
    store.put(old, b"old")
    make_old(files(tmp_path)[0])
    store.put(recent, b"recent")
    missing = store.key(b"missing", "jpeg")
    assert set(store.delete([old, recent, missing])) == {old, missing}
    assert (store.get(old), store.get(recent)) == (None, (b"recent", "image/jpeg"))


def test_one_that_is_put_again_is_recent_again(store: PhotographStore, tmp_path: Path) -> None:
    key = store.key(b"again", "jpeg")
    store.put(key, b"again")
    make_old(files(tmp_path)[0])
    assert store.put(key, b"again") is True
    assert store.delete([key]) == []
    assert store.get(key) == (b"again", "image/jpeg")


def test_put_while_it_is_being_deleted(folder: ContentFolder, tmp_path: Path) -> None:
    """In the moment between the first look and the move: the touch is seen afterwards, and the file moved back."""
    folder.put("abcd", b"content")
    make_old(tmp_path / "photographs" / "ab" / "abcd")
    looks = 0

    def now() -> float:
        nonlocal looks
        looks += 1
        if looks == 1:
            return time.time()  # looked at: old
        if looks == 2:  # moved aside already: this put writes another
            assert folder.get("abcd") == b"content", "a reader finds it meanwhile"
            assert folder.put("abcd", b"content") is False
            os.utime(tmp_path / "photographs" / ".trash" / "abcd")
        return time.time()

    assert folder.delete("abcd", now) is False
    assert folder.get("abcd") == b"content"
    assert not list((tmp_path / "photographs" / ".trash").iterdir())


def test_whatever_was_put_last_is_there_however_often_it_is_deleted(
    folder: ContentFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Deleting everything that is not touched within an instant, against threads that put and look at once."""
    monkeypatch.setattr(folder_module, "GRACE_S", 0.05)
    end = time.monotonic() + 2.0
    lost: list[str] = []

    def put(name: str) -> int:
        rounds = 0
        while time.monotonic() < end:
            rounds += 1
            began = time.monotonic()
            folder.put(name, name.encode())
            found = folder.get(name)
            if found != name.encode() and time.monotonic() - began < 0.04:
                lost.append(name)
            if rounds % 20 == 0:
                time.sleep(0.06)  # old enough to be deleted
        return rounds

    def delete() -> int:
        return sum(folder.delete(name) for _ in iter(lambda: time.monotonic() < end, False) for name in ("aaaa", "bbbb"))

    with ThreadPoolExecutor(5) as threads:
        puts = [threads.submit(put, name) for name in ("aaaa", "aaaa", "bbbb")]
        deletes = threads.submit(delete)
        assert all(one.result() for one in puts)
        assert deletes.result(), "something was deleted, or this shows nothing"
    assert not lost


def test_what_a_dead_process_left_in_the_trash_comes_back(folder: ContentFolder, tmp_path: Path) -> None:
    folder.put("abcd", b"content")
    folder.put("efgh", b"other")
    trash = tmp_path / "photographs" / ".trash"
    trash.mkdir()
    (tmp_path / "photographs" / "ab" / "abcd").rename(trash / "abcd")
    (trash / "efgh").write_bytes(b"other")
    folder.recover()
    assert {name for name, _ in folder.files()} == {"abcd", "efgh"}
    assert not list(trash.iterdir())


# --- on the disk, and room on it ---


def test_what_was_written_is_synchronised_within_moments(
    folder: ContentFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    monkeypatch.setattr(folder_module, "sync_file_system", synced.append)
    monkeypatch.setattr(folder_module, "SYNC_EVERY_S", 0.01)
    assert not synced
    for number in range(3):
        folder.put(f"abc{number}", b"content")
        end = time.monotonic() + 10
        while len(synced) <= number and time.monotonic() < end:
            time.sleep(0.001)
    assert len(synced) == 3, "once after each write, and not while nothing is written"
    folder.put("abc9", b"content")
    folder.close()
    assert len(synced) >= 4
    assert set(synced) == {str(tmp_path / "photographs")}


def test_a_disk_that_does_not_synchronise_is_logged_once(
    folder: ContentFolder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tries = 0

    def broken(_: str) -> None:
        nonlocal tries
        tries += 1
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(folder_module, "sync_file_system", broken)
    monkeypatch.setattr(folder_module, "SYNC_EVERY_S", 0.01)
    for number in range(3):
        folder.put(f"abc{number}", b"content")
        end = time.monotonic() + 10
        while tries <= number and time.monotonic() < end:
            time.sleep(0.001)
    folder.close()
    assert tries >= 3
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "Input/output error" in caplog.text


def test_synchronising_for_real(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sync_file_system(str(tmp_path))
    with pytest.raises(FileNotFoundError):
        sync_file_system(str(tmp_path / "missing"))
    whole: list[None] = []
    monkeypatch.setattr(folder_module, "_syncfs", None)
    monkeypatch.setattr(os, "sync", lambda: whole.append(None))
    sync_file_system(str(tmp_path))
    assert whole == [None]


def test_the_store_of_the_settings_keeps_the_reserve_free(tmp_path: Path) -> None:
    store = open_store(Settings(home=tmp_path, disk_reserve_bytes=2**60))
    assert store.folder.root == tmp_path / "photographs"
    assert store.watermark is not None
    total = store.watermark._measure(tmp_path).total  # type: ignore[attr-defined]
    assert store.has_room() == (os.statvfs(tmp_path).f_bavail * os.statvfs(tmp_path).f_frsize >= total // 4)
    store.close()


def test_a_refused_photograph_closes_the_store_for_a_while(tmp_path: Path) -> None:
    alarms, now = AlarmList(), [0.0]
    watermark = Watermark(tmp_path, 10, alarms, lambda _: Disk(10_000, 5_000), lambda: now[0])
    store = PhotographStore(tmp_path / "photographs", watermark=watermark)
    (tmp_path / "photographs").write_text("in the way")
    with pytest.raises(PhotographNotStored):
        store.put(store.key(b"x", "jpeg"), b"x")
    watermark.check()
    assert not store.has_room()
    assert set(alarms.open) == {"photographs_not_stored"}
    (tmp_path / "photographs").unlink()
    now[0] += 6
    assert store.has_room()
    store.put(store.key(b"x", "jpeg"), b"x")
    watermark.check()
    assert not alarms.open
    store.close()


def test_an_object_store_that_is_given_up_leaves_no_alarm(tmp_path: Path) -> None:
    alarms = AlarmList(open={"object_store_away": "since yesterday"})
    open_store(Settings(home=tmp_path), alarms).close()
    assert alarms.open == {}
