import os
import random
import resource
import stat
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.archives import DEFAULT_ARCHIVE_LIMITS, ArchiveLimits, declared_bytes, extract_zip, is_zip
from models.errors import DataError, UnsafeFile
from tests import zips

MEMBERS = {"manifest.csv": b"path,grade\nimages/a.jpg,L\n", "images/a.jpg": b"\xff\xd8" * 700, "images/": b""}


def refused(archive: Path, limits: ArchiveLimits = DEFAULT_ARCHIVE_LIMITS) -> str:
    """Why; nothing may be left of it."""
    folder = archive.parent / "unpacked"
    with pytest.raises(UnsafeFile) as error:
        extract_zip(archive, folder, limits)
    assert not folder.exists()
    with pytest.raises(UnsafeFile):
        declared_bytes(archive, limits)
    return str(error.value)


class TestHonest:
    @pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
    def test_what_was_packed_is_unpacked(self, tmp_path: Path, compression: int) -> None:
        archive = zips.write_zip(tmp_path / "a.zip", MEMBERS, compression)
        assert is_zip(archive)
        assert declared_bytes(archive) == sum(map(len, MEMBERS.values()))
        assert extract_zip(archive, tmp_path / "out") == ["manifest.csv", "images/a.jpg"]
        assert (tmp_path / "out/images/a.jpg").read_bytes() == MEMBERS["images/a.jpg"]

    def test_of_unseekable_writers_and_with_a_comment(self, tmp_path: Path) -> None:
        reading, writing = os.pipe()
        with os.fdopen(writing, "wb") as pipe, zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("å.jpg", b"data")
            archive.comment = b"of the camera"
        with os.fdopen(reading, "rb") as pipe:
            (tmp_path / "a.zip").write_bytes(pipe.read())
        assert extract_zip(tmp_path / "a.zip", tmp_path / "out") == ["å.jpg"]

    def test_what_finder_adds_is_left_out(self, tmp_path: Path) -> None:
        archive = zips.write_zip(tmp_path / "a.zip", {"a.jpg": b"a", "__MACOSX/._a.jpg": b"fork"})
        assert extract_zip(archive, tmp_path / "out") == ["a.jpg"]
        assert not (tmp_path / "out/__MACOSX").exists()

    def test_an_archive_inside_stays_closed(self, tmp_path: Path) -> None:
        inner = zips.bomb_of_ten_gigabytes(tmp_path / "inner.zip").read_bytes()
        archive = zips.write_zip(tmp_path / "a.zip", {"inner.zip": inner})
        assert extract_zip(archive, tmp_path / "out") == ["inner.zip"]
        assert (tmp_path / "out/inner.zip").read_bytes() == inner

    def test_an_empty_one_has_nothing(self, tmp_path: Path) -> None:
        assert extract_zip(zips.write_zip(tmp_path / "a.zip", {}), tmp_path / "out") == []

    def test_a_folder_that_is_there_is_left_alone(self, tmp_path: Path) -> None:
        (tmp_path / "out").mkdir()
        with pytest.raises(FileExistsError):
            extract_zip(zips.write_zip(tmp_path / "a.zip", MEMBERS), tmp_path / "out")
        assert (tmp_path / "out").is_dir()


class TestBombs:
    def test_ten_gigabytes(self, tmp_path: Path) -> None:
        archive = zips.bomb_of_ten_gigabytes(tmp_path / "a.zip")
        assert archive.stat().st_size < 12 * 2**20
        assert "unpacks to more than 4,294,967,296 bytes" in refused(archive)
        assert "more than 50 for one" in refused(archive, ArchiveLimits(total_bytes=2**40))
        assert "at most 1,000 are taken" in refused(archive, ArchiveLimits(entry_bytes=1000))

    def test_entries_that_share_their_bytes(self, tmp_path: Path) -> None:
        assert "share their bytes" in refused(zips.overlapping_bomb(tmp_path / "a.zip"))

    def test_more_than_it_says(self, tmp_path: Path) -> None:
        """In a process of its own, so that the most it ever held can be read."""
        archive = zips.liar(tmp_path / "a.zip")
        code = (
            "import sys, resource\nfrom pathlib import Path\nfrom models.archives import extract_zip\n"
            "from models.errors import DataError\n"
            "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
            "try:\n    extract_zip(Path(sys.argv[1]), Path(sys.argv[2]))\n"
            "except DataError:\n    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
        )
        command = [sys.executable, "-c", code, str(archive), str(tmp_path / "out")]
        done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=60)
        assert int(done.stdout) < 50_000, done.stderr  # kB
        assert not (tmp_path / "out").exists()

    def test_too_many_entries(self, tmp_path: Path) -> None:
        archive = zips.write_zip(tmp_path / "a.zip", {f"{number}.jpg": b"" for number in range(11)})
        assert "more than 10 entries" in refused(archive, ArchiveLimits(entries=10))

    def test_a_directory_longer_than_its_end_says_is_not_read_into_memory(self, tmp_path: Path) -> None:
        entry = zips.listed(b"a", 0, 0, 0, 0)
        archive = tmp_path / "a.zip"
        archive.write_bytes(zips.whole(b"", entry * 300_000, 300_000, says=1))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        assert "more than 50,000 entries" in refused(archive)
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000
        archive.write_bytes(zips.whole(b"", entry * 3, 3, says=2))
        assert "says it has 2 entries and lists 3" in refused(archive)


class TestNames:
    @pytest.mark.parametrize(
        "name",
        [b"../a.jpg", b"a/../../b.jpg", b"/etc/passwd", b"..\\a.jpg", b"C:/a.jpg", b"a\0.jpg", b"", b".", b"a\x1b[2J.jpg"],
    )
    def test_out_of_the_archive_or_unseen(self, tmp_path: Path, name: bytes) -> None:
        assert any(why in refused(zips.one_entry(tmp_path / "a.zip", name)) for why in ("leads out", "cannot be seen"))

    @pytest.mark.parametrize("name", [b"a" * 300, b"/".join([b"a"] * 20), b"/".join([b"b" * 190] * 5)])
    def test_too_long(self, tmp_path: Path, name: bytes) -> None:
        assert "too long" in refused(zips.one_entry(tmp_path / "a.zip", name))

    @pytest.mark.parametrize(("kind", "word"), [(stat.S_IFLNK, "link"), (stat.S_IFIFO, "device"), (stat.S_IFCHR, "device")])
    def test_links_and_devices(self, tmp_path: Path, kind: int, word: str) -> None:
        archive = zips.one_entry(tmp_path / "a.zip", b"a", b"/etc/passwd", attributes=(kind | 0o777) << 16)
        assert word in refused(archive)

    @pytest.mark.filterwarnings("ignore:Duplicate name")
    def test_twice(self, tmp_path: Path) -> None:
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            archive.writestr("a.jpg", b"one")
            archive.writestr("./a.jpg", b"another")
        assert "occurs twice" in refused(tmp_path / "a.zip")

    def test_a_file_that_is_a_folder_too(self, tmp_path: Path) -> None:
        assert "is a file and a folder" in refused(zips.write_zip(tmp_path / "a.zip", {"a": b"", "a/b.jpg": b""}))


class TestKinds:
    def test_encrypted_and_rare_methods(self, tmp_path: Path) -> None:
        assert "encrypted" in refused(zips.one_entry(tmp_path / "a.zip", b"a", flags=1))
        for method in (9, 12, 14, 93, 99):
            assert f"method {method}" in refused(zips.one_entry(tmp_path / "a.zip", b"a", method=method))

    def test_stored_and_of_two_sizes(self, tmp_path: Path) -> None:
        files = zips.local(b"a", b"x", 1, 0, 0)
        (tmp_path / "a.zip").write_bytes(zips.whole(files, zips.listed(b"a", 0, 1, 50, 0, method=0), 1))
        assert "of two sizes" in refused(tmp_path / "a.zip")

    def test_zip64_and_what_follows_or_precedes(self, tmp_path: Path) -> None:
        honest = zips.write_zip(tmp_path / "honest.zip", MEMBERS).read_bytes()
        archive = tmp_path / "a.zip"
        archive.write_bytes(honest + b"more")
        assert "something follows" in refused(archive)
        archive.write_bytes(b"#!/bin/sh\n" + honest)
        assert "not where its end says" in refused(archive)
        locator = struct.pack("<4sLQL", b"PK\6\7", 0, 0, 1)
        archive.write_bytes(locator + zips.end(0, 0, 0))
        assert "ZIP64" in refused(archive)

    @pytest.mark.parametrize("data", [b"", b"PK\3\4", b"PK\5\6", b"no archive at all" * 100])
    def test_none_at_all(self, tmp_path: Path, data: bytes) -> None:
        (tmp_path / "a.zip").write_bytes(data)
        with pytest.raises(DataError, match=r"is not a \.zip"):
            extract_zip(tmp_path / "a.zip", tmp_path / "out")
        assert not (tmp_path / "out").exists()


@given(st.integers(0, 2**32))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_broken_bytes_are_refused_or_unpacked_inside(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    chance = random.Random(seed)
    place = tmp_path_factory.mktemp("broken")
    data = bytearray(zips.write_zip(place / "a.zip", MEMBERS).read_bytes())
    for _ in range(chance.randrange(1, 6)):
        data[chance.randrange(len(data))] = chance.randrange(256)
    (place / "a.zip").write_bytes(data[: chance.randrange(len(data) // 2, len(data) + 1)])
    try:
        names = extract_zip(place / "a.zip", place / "out")
    except DataError:
        assert not (place / "out").exists()
    else:
        assert all((place / "out" / name).resolve().is_relative_to(place / "out") for name in names)
    assert {entry.name for entry in place.iterdir()} <= {"a.zip", "out"}
