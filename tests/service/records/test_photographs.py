"""Photographs named by their content."""

from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

import pytest

from service.records.photographs import PhotographStore


@pytest.fixture
def store(tmp_path: Path) -> PhotographStore:
    return PhotographStore(tmp_path / "photographs")


def files(tmp_path: Path) -> list[Path]:
    return sorted(path for path in (tmp_path / "photographs").rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("kind", "suffix", "media_type"),
    [("jpeg", "jpg", "image/jpeg"), ("png", "png", "image/png"), ("webp", "webp", "image/webp"), ("bmp", "bmp", "image/bmp")],
)
def test_what_was_put_comes_back_with_its_type(store: PhotographStore, kind: str, suffix: str, media_type: str) -> None:
    key = store.key(b"some bytes", kind)
    assert key == f"{sha256(b'some bytes').hexdigest()}.{suffix}"
    store.put(key, b"some bytes")
    assert store.get(key) == (b"some bytes", media_type)


def test_the_same_photograph_is_kept_once(store: PhotographStore, tmp_path: Path) -> None:
    key = store.key(b"twice", "jpeg")
    store.put(key, b"twice")
    before = files(tmp_path)[0].stat()
    store.put(key, b"twice")
    (file,) = files(tmp_path)
    assert file == tmp_path / "photographs" / key[:2] / key
    assert (file.stat().st_ino, file.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_photograph_that_is_not_there_is_none(store: PhotographStore) -> None:
    assert store.get(store.key(b"never", "png")) is None


def test_many_at_once_may_keep_the_same_one(store: PhotographStore, tmp_path: Path) -> None:
    content = b"x" * 300_000
    key = store.key(content, "jpeg")
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: store.put(key, content), range(40)))
    assert [path.name for path in files(tmp_path)] == [key]
    assert store.get(key) == (content, "image/jpeg")


def test_what_could_not_be_written_leaves_nothing(
    store: PhotographStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, data: bytes) -> int:
        with path.open("wb") as file:
            file.write(data[:2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    key = store.key(b"too much", "jpeg")
    with pytest.raises(OSError, match="No space left"):
        store.put(key, b"too much")
    assert files(tmp_path) == []
    assert store.get(key) is None
