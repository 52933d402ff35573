"""Small bodies that want to become large ones: refused in words, with the memory and the disk that there were before."""

from pathlib import Path

import pytest

from tests import zips
from tests.e2e.conftest import Serve
from tests.e2e.live import LiveService
from tests.service.pictures import declares, picture

GOOD = picture(1)
MAY_GROW = 200 * 2**20


def unharmed(service: LiveService, before: int) -> None:
    assert service.grade(GOOD).status == 200
    assert service.rss_bytes() - before < MAY_GROW
    assert "Traceback" not in service.said
    batches = service.home / "batches"
    assert not batches.exists() or list(batches.iterdir()) == []


def test_ten_thousand_parts_and_gigapixels(serve: Serve, home: Path) -> None:
    part = b'--b\r\nContent-Disposition: form-data; name="image"; filename="a.jpg"\r\n\r\nx\r\n'
    field = b'--b\r\nContent-Disposition: form-data; name="f%d"\r\n\r\nx\r\n'
    endless = b'--b\r\nContent-Disposition: form-data; name="image"' + b"; x=y" * 200_000 + b"\r\n\r\nx\r\n"
    header = {"Content-Type": "multipart/form-data; boundary=b"}
    with serve(home) as service:
        assert service.grade(GOOD).status == 200
        before = service.rss_bytes()
        for body in (part * 10_000, b"".join(field % number for number in range(10_000)), endless, b"--b\r\n" * 100_000):
            answer = service.request("POST", "/v1/grade", body + b"--b--\r\n", header)
            assert (answer.status, answer.json["code"]) == (422, "invalid_request")
        for picture_of in (declares(32_768, 32_768), declares(2**31 - 1, 2**31 - 1), declares(1, 2**31 - 1)):
            answer = service.grade(picture_of)
            assert (answer.status, answer.json["code"]) == (422, "too_many_pixels")
        unharmed(service, before)


def test_archives(serve: Serve, home: Path, tmp_path: Path) -> None:
    ten_gigabytes = zips.bomb_of_ten_gigabytes(tmp_path / "ten.zip").read_bytes()
    overlapping = zips.overlapping_bomb(tmp_path / "overlapping.zip", entries=15_000).read_bytes()
    directory = zips.listed(b"a", 0, 0, 0, 0) * 2_000_000
    many = zips.whole(b"", directory, 2_000_000, says=60_000)
    inside = zips.write_zip(
        tmp_path / "inside.zip", {"manifest.csv": b"path,grade\nten.zip,L\n", "ten.zip": ten_gigabytes[:20_000_000]}
    ).read_bytes()
    lying = zips.liar(tmp_path / "liar.zip").read_bytes()
    with serve(home) as service:
        assert service.grade(GOOD).status == 200
        before = service.rss_bytes()
        for archive, code in (
            (ten_gigabytes, "unsafe_file"),
            (overlapping, "unsafe_file"),
            (many, "unsafe_file"),
            (zips.one_entry(tmp_path / "up.zip", b"../../../../tmp/x").read_bytes(), "unsafe_file"),
            (inside, "invalid_batch"),
            (lying, "invalid_batch"),
        ):
            answer = service.request("POST", "/v1/batches", archive, {"Content-Type": "application/zip"})
            assert (answer.status, answer.json["code"]) == (422, code), answer
        unharmed(service, before)


@pytest.mark.parametrize("depth", [50_000, 400_000])
def test_json_nested_without_end(serve: Serve, home: Path, depth: int) -> None:
    with serve(home) as service:
        before = service.rss_bytes()
        for body in (b"[" * depth, b'{"a":' * depth, b"1" * depth):
            for path in ("/v1/corrections", "/login"):
                answer = service.request("POST", path, body, {"Content-Type": "application/json"})
                assert 400 < answer.status < 500, (path, answer)
                assert answer.headers["content-type"] == "application/problem+json"
        unharmed(service, before)
