"""A download that breaks off goes on where it stopped, and ends only with the content that was due."""

import threading
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from models.errors import DataError
from tests.training.web import Site
from training.download import Checksum, download, sha256_of

CONTENT = bytes(range(256)) * 4000
DUE = Checksum("sha256", sha256(CONTENT).hexdigest()[:8], sha256_of)
CUT = 300_000


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Site() as running:
        running.files["/w.pth"] = CONTENT
        yield running


def fetch(site: Site, folder: Path, pieces: list[int] | None = None, *, max_bytes: int = 10**9, checksum: Checksum = DUE) -> Path:
    advance = pieces.append if pieces is not None else None
    return download(f"{site.url}/w.pth", folder / "w.pth", checksum, advance, max_bytes=max_bytes, resumable=True)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".lock")


def test_a_whole_download(site: Site, tmp_path: Path) -> None:
    pieces: list[int] = []
    assert fetch(site, tmp_path, pieces).read_bytes() == CONTENT
    assert sum(pieces) == len(CONTENT)
    assert names(tmp_path) == ["w.pth"]
    fetch(site, tmp_path)
    assert site.asked == ["/w.pth"]


@pytest.mark.parametrize("resumes", [True, False])
def test_the_next_call_goes_on_where_the_connection_broke(site: Site, tmp_path: Path, resumes: bool) -> None:
    site.breaks_after, site.resumes = CUT, resumes
    with pytest.raises(DataError, match=r"broke off after 300,000 of 1024000 bytes.*by hand"):
        fetch(site, tmp_path)
    assert names(tmp_path) == [".w.pth.part"]
    site.breaks_after = 0
    pieces: list[int] = []
    assert fetch(site, tmp_path, pieces).read_bytes() == CONTENT
    assert site.resumed_at == ([CUT] if resumes else [])
    assert sum(pieces) == len(CONTENT)  # a bar that counts them ends at the whole
    assert names(tmp_path) == ["w.pth"]


def test_a_part_that_was_whole_is_taken(site: Site, tmp_path: Path) -> None:
    (tmp_path / ".w.pth.part").write_bytes(CONTENT)
    assert fetch(site, tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize("part", [b"another file's beginning", CONTENT + b"and more"])
def test_a_part_of_something_else_is_thrown_away(site: Site, tmp_path: Path, part: bytes) -> None:
    (tmp_path / ".w.pth.part").write_bytes(part)
    with pytest.raises(DataError, match="sha256"):
        fetch(site, tmp_path)
    assert names(tmp_path) == []
    assert fetch(site, tmp_path).read_bytes() == CONTENT


def test_other_content_is_refused_and_thrown_away(site: Site, tmp_path: Path) -> None:
    site.files["/w.pth"] = b"tampered"
    with pytest.raises(DataError) as caught:
        fetch(site, tmp_path)
    for shown in (DUE.expected, sha256(b"tampered").hexdigest(), site.url, "Nothing was kept"):
        assert shown in str(caught.value)
    assert names(tmp_path) == []


def test_too_much_is_thrown_away(site: Site, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="larger than 1,000 bytes"):
        fetch(site, tmp_path, max_bytes=1000)
    assert names(tmp_path) == []


def test_what_is_there_but_broken_is_fetched_again(site: Site, tmp_path: Path) -> None:
    (tmp_path / "w.pth").write_bytes(CONTENT[:-1])
    assert fetch(site, tmp_path).read_bytes() == CONTENT


def test_two_at_once_fetch_it_once(site: Site, tmp_path: Path) -> None:
    both = [threading.Thread(target=fetch, args=(site, tmp_path)) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert site.asked == ["/w.pth"]
    assert names(tmp_path) == ["w.pth"]
