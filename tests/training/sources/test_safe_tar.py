import gzip
import io
import struct
import tarfile
from pathlib import Path

import pytest

from models.errors import DataError, UnsafeFile
from tests.training.sources.archives import write_member, write_tar
from training.sources import safe_tar

FILES = {"top/a": b"one", "top/b": b"", "top/deep/c": bytes(range(256)) * 10}


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_reads_plain_and_gzipped(tmp_path: Path, mode: str) -> None:
    path = write_tar(tmp_path / "archive", FILES, mode)
    assert safe_tar.members(path) == FILES
    assert safe_tar.is_tar(path)


def test_folders_are_no_files_and_names_are_normalised(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a").write_bytes(b"one")
    with tarfile.open(tmp_path / "archive", "w") as tar:
        tar.add(tmp_path / "folder", "./folder")
    assert safe_tar.members(tmp_path / "archive") == {"folder/a": b"one"}


def test_long_names(tmp_path: Path) -> None:
    name = "/".join(["long" * 10] * 8)
    for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        with tarfile.open(tmp_path / "archive", "w", format=form) as tar:
            tar.addfile(tarfile.TarInfo(name))
        assert safe_tar.members(tmp_path / "archive") == {name: b""}


@pytest.mark.parametrize("name", ["../out", "top/../../out", "/etc/passwd", "..", "top\\..\\out", "/"])
def test_names_that_lead_out(tmp_path: Path, name: str) -> None:
    path = write_member(tmp_path / "archive", tarfile.TarInfo(name))
    with pytest.raises(UnsafeFile, match="leads out") as caught:
        safe_tar.members(path)
    assert caught.value.facts["member"] in (name, name.rstrip("/"))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_links_and_devices(tmp_path: Path, kind: bytes) -> None:
    member = tarfile.TarInfo("top/harmless")
    member.type, member.linkname = kind, "/etc/passwd"
    named = "link" if kind in (tarfile.SYMTYPE, tarfile.LNKTYPE) else "device or special file"
    with pytest.raises(UnsafeFile, match=f"'top/harmless' is a {named};"):
        safe_tar.members(write_member(tmp_path / "archive", member))


def test_nothing_is_written_to_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_tar(tmp_path / "archive", FILES)
    monkeypatch.chdir(tmp_path)
    safe_tar.members(path)
    assert list(tmp_path.iterdir()) == [path]


def test_a_name_that_occurs_twice(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "archive", "w") as tar:
        tar.addfile(tarfile.TarInfo("a"))
        tar.addfile(tarfile.TarInfo("./a"))
    with pytest.raises(UnsafeFile, match="twice"):
        safe_tar.members(tmp_path / "archive")


class TestBombs:
    def test_of_zeros(self, tmp_path: Path) -> None:
        path = write_tar(tmp_path / "archive", {"zeros": bytes(2_000_000)})
        assert path.stat().st_size < 10_000
        with pytest.raises(UnsafeFile, match="unpacks to more than 1,000,000"):
            safe_tar.members(path, max_total_bytes=1_000_000)

    def test_limit_is_inclusive(self, tmp_path: Path) -> None:
        path = write_tar(tmp_path / "archive", FILES, "w")
        size = path.stat().st_size
        assert safe_tar.members(path, max_total_bytes=size) == FILES
        with pytest.raises(UnsafeFile):
            safe_tar.members(path, max_total_bytes=size - 1)

    def test_of_members(self, tmp_path: Path) -> None:
        path = write_tar(tmp_path / "archive", {str(number): b"" for number in range(6)})
        assert len(safe_tar.members(path, max_members=6)) == 6
        with pytest.raises(UnsafeFile, match="more than 5 members"):
            safe_tar.members(path, max_members=5)

    def test_a_declared_size_that_is_not_there(self, tmp_path: Path) -> None:
        member = tarfile.TarInfo("big")
        member.size = 1 << 40
        (tmp_path / "archive").write_bytes(member.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
        with pytest.raises(UnsafeFile, match="big"):
            safe_tar.members(tmp_path / "archive")
        member.size = 100_000
        (tmp_path / "archive").write_bytes(member.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
        with pytest.raises(DataError, match="not a complete tar"):
            safe_tar.members(tmp_path / "archive")

    @pytest.mark.parametrize("size", [-512, -10_240])
    def test_a_negative_size_that_would_lead_back(self, tmp_path: Path, size: int) -> None:
        header = bytearray(tarfile.TarInfo("back").tobuf(tarfile.GNU_FORMAT))
        header[124:136] = b"\xff" * 4 + struct.pack(">q", size)
        header[148:156] = b" " * 8
        header[148:156] = b"%06o\0 " % sum(header)
        (tmp_path / "archive").write_bytes(bytes(header) + bytes(1024))
        with pytest.raises(DataError):
            safe_tar.members(tmp_path / "archive")

    def test_a_sparse_file_of_a_terabyte(self, tmp_path: Path) -> None:
        member = tarfile.TarInfo("holes")
        member.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "1000000000000"}
        member.size = 512
        with tarfile.open(tmp_path / "archive", "w", format=tarfile.PAX_FORMAT) as tar:
            tar.addfile(member, io.BytesIO(b"0\n".ljust(512, b"\0")))
        with pytest.raises(UnsafeFile, match="holes"):
            safe_tar.members(tmp_path / "archive")

    def test_extension_headers_without_end(self, tmp_path: Path) -> None:
        header = tarfile.TarInfo("././@LongLink")
        header.type, header.size = tarfile.GNUTYPE_LONGNAME, 2
        block = header.tobuf(tarfile.GNU_FORMAT) + b"a\0".ljust(512, b"\0")
        (tmp_path / "archive").write_bytes(block * 5000 + bytes(1024))
        with pytest.raises(DataError, match="not a complete tar"):
            safe_tar.members(tmp_path / "archive")


class TestBroken:
    def test_truncated_gzip(self, tmp_path: Path) -> None:
        path = write_tar(tmp_path / "archive", FILES)
        whole = path.read_bytes()
        for length in (2, 10, len(whole) // 2, len(whole) - 1):
            path.write_bytes(whole[:length])
            with pytest.raises(DataError, match="Fetch it again"):
                safe_tar.members(path)

    def test_gzip_with_a_changed_byte(self, tmp_path: Path) -> None:
        path = write_tar(tmp_path / "archive", FILES)
        whole = bytearray(path.read_bytes())
        whole[-6] ^= 1  # the checksum
        path.write_bytes(bytes(whole))
        with pytest.raises(DataError):
            safe_tar.members(path)

    @pytest.mark.parametrize("length", [100, 512, 700, 1024, 1536, 2000, 2560])
    def test_truncated_tar(self, tmp_path: Path, length: int) -> None:
        path = write_tar(tmp_path / "archive", FILES, "w")
        path.write_bytes(path.read_bytes()[:length])
        with pytest.raises(DataError):
            safe_tar.members(path)

    def test_a_damaged_header_does_not_end_the_archive_quietly(self, tmp_path: Path) -> None:
        path = write_tar(tmp_path / "archive", FILES, "w")
        damaged = bytearray(path.read_bytes())
        damaged[1024] ^= 1  # the second member's name
        path.write_bytes(bytes(damaged))
        with pytest.raises(DataError, match="breaks off after 1 files"):
            safe_tar.members(path)

    @pytest.mark.parametrize(
        "content", [b"", b"x", b"\x1f\x8b", b"no archive " * 100, gzip.compress(b"no archive " * 100), bytes(2048)]
    )
    def test_no_archive(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "archive").write_bytes(content)
        try:
            assert safe_tar.members(tmp_path / "archive") == {}  # zeros alone are an empty archive
            assert content == bytes(2048)
        except DataError as error:
            assert "archive" in str(error)  # noqa: PT017 both outcomes are right

    def test_no_file(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="nowhere"):
            safe_tar.members(tmp_path / "nowhere")
