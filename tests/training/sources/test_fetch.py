import hashlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from models.errors import DataError
from tests.training.web import Site
from training.sources import cucumber9, fetch

CONTENT = bytes(range(256)) * 4000  # several pieces of a download


def blob(content: bytes, path: str = "prototype_1/set.tar.gz") -> fetch.Blob:
    return fetch.Blob(path, hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest())


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Site() as running:
        running.files["/prototype_1/set.tar.gz"] = CONTENT
        yield running


def failed(folder: Path, url: str, *, expected: fetch.Blob | None = None, **options: float) -> DataError:
    with pytest.raises(DataError) as caught:
        fetch.fetch_cucumber9(folder, url, blobs=[expected or blob(CONTENT)], **options)  # type: ignore[arg-type]
    assert list(folder.iterdir()) == []
    return caught.value


def test_what_is_fetched_is_what_was_published(tmp_path: Path, site: Site) -> None:
    site.files["/prototype_2/other.tar.gz"] = b"two"
    pieces: list[int] = []
    blobs = [blob(CONTENT), blob(b"two", "prototype_2/other.tar.gz")]
    paths = fetch.fetch_cucumber9(tmp_path / "new" / "folder", f"{site.url}/", pieces.append, blobs=blobs)
    assert [path.name for path in paths] == ["set.tar.gz", "other.tar.gz"]
    assert [path.read_bytes() for path in paths] == [CONTENT, b"two"]
    assert sum(pieces) == len(CONTENT) + 3
    assert sorted(path.name for path in paths[0].parent.iterdir()) == ["other.tar.gz", "set.tar.gz"]


def test_what_is_there_is_not_fetched_again(tmp_path: Path, site: Site) -> None:
    for _ in range(2):
        fetch.fetch_cucumber9(tmp_path, site.url, blobs=[blob(CONTENT)])
    assert len(site.asked) == 1


def test_what_is_there_but_broken_is_fetched_again(tmp_path: Path, site: Site) -> None:
    (tmp_path / "set.tar.gz").write_bytes(CONTENT[:100])
    [path] = fetch.fetch_cucumber9(tmp_path, site.url, blobs=[blob(CONTENT)])
    assert path.read_bytes() == CONTENT


def test_a_file_that_is_there_stays_when_the_fetch_fails(tmp_path: Path, site: Site) -> None:
    site.files.clear()
    (tmp_path / "set.tar.gz").write_bytes(b"mine")
    with pytest.raises(DataError):
        fetch.fetch_cucumber9(tmp_path, site.url, blobs=[blob(CONTENT)])
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"mine"]


def test_other_content_is_refused_with_both_ids(tmp_path: Path, site: Site) -> None:
    site.files["/prototype_1/set.tar.gz"] = b"tampered"
    error = failed(tmp_path, site.url)
    for shown in (blob(CONTENT).blob_id, blob(b"tampered").blob_id, site.url, "by hand"):
        assert shown in str(error)


def test_not_found(tmp_path: Path, site: Site) -> None:
    site.files.clear()
    error = failed(tmp_path, site.url)
    for shown in (f"{site.url}/prototype_1/set.tar.gz", "404", "by hand", str(tmp_path / "set.tar.gz")):
        assert shown in str(error)


def test_connection_refused(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert "refused" in str(failed(tmp_path, f"http://127.0.0.1:{port}"))


def test_a_connection_that_breaks_off(tmp_path: Path, site: Site) -> None:
    site.declared_extra = 10
    assert f"broke off after {len(CONTENT):,} of" in str(failed(tmp_path, site.url))


def test_a_server_that_says_nothing(tmp_path: Path) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        error = failed(tmp_path, f"http://127.0.0.1:{silent.getsockname()[1]}", timeout_s=0.1)
    assert "timed out" in str(error)


def test_more_than_any_set_has(tmp_path: Path, site: Site) -> None:
    assert "larger than 1,000 bytes" in str(failed(tmp_path, site.url, max_bytes=1000))


@pytest.mark.parametrize("url", ["file:///etc", "ftp://127.0.0.1", "/etc", "http://[", "http://127.0.0.1/a b"])
def test_addresses_that_are_none(tmp_path: Path, url: str) -> None:
    assert url in str(failed(tmp_path, url))


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/set"])
def test_a_redirect_stays_on_the_web(tmp_path: Path, site: Site, target: str) -> None:
    site.moved_to = target
    failed(tmp_path, site.url)


def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="Name another folder"):
        fetch.fetch_cucumber9(tmp_path / "file" / "folder", "http://127.0.0.1:9")


def test_ids_are_those_of_git(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    assert fetch.blob_id(tmp_path / "empty") == "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
    assert [blob.name for blob in fetch.CUCUMBER9] == ["cucumber-9-python.tar.gz", "cucumber-9-p2-python.tar.gz"]
    assert "CC BY 4.0" in cucumber9.ATTRIBUTION
