import gzip
import struct
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from models.errors import DataError
from tests.data import require_data
from tests.training.sources.archives import write_idx
from training.sources import mnist


def digits(count: int, seed: int = 0) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (count, 28, 28), np.uint8)


def test_real_digits() -> None:
    folder = require_data() / "mnist"
    train, test = mnist.read(folder, "train"), mnist.read(folder, "test")
    assert (len(train), len(test)) == (8000, 2000)
    assert train.labels == tuple("0123456789")
    assert [sample.grade for sample in train.samples[:5]] == ["7", "2", "1", "0", "4"]
    assert min(train.counts().values()) > 700
    first = train.samples[0].pixels
    assert first is not None
    assert first.shape == (28, 28, 3)
    assert (first[..., :1] == first).all()


@pytest.mark.parametrize("zipped", [True, False])
def test_one_pair_is_cut_at_eight_tenths(tmp_path: Path, zipped: bool) -> None:
    given = digits(10)
    write_idx(tmp_path, "t10k", given, range(10), zipped)
    parts = {split: mnist.read(tmp_path, split) for split in ("train", "test", "all")}
    assert {split: len(part) for split, part in parts.items()} == {"train": 8, "test": 2, "all": 10}
    assert [sample.name for sample in parts["test"].samples] == ["t10k#8", "t10k#9"]
    assert [sample.grade for sample in parts["test"].samples] == ["8", "9"]
    np.testing.assert_array_equal(parts["all"].samples[3].pixels, np.dstack([given[3]] * 3))


def test_both_pairs_are_the_parts(tmp_path: Path) -> None:
    write_idx(tmp_path, "train", digits(3), [1, 2, 3])
    write_idx(tmp_path, "t10k", digits(2, 1), [4, 5], zipped=False)
    sizes = [len(mnist.read(tmp_path, split)) for split in ("train", "test", "all")]
    assert sizes == [3, 2, 5]
    assert mnist.read(tmp_path, "test").samples[0].name == "t10k#0"


class TestErrors:
    @pytest.mark.parametrize(
        ("images", "labels", "message"),
        [
            (struct.pack(">IIII", 0x0801, 1, 28, 28) + bytes(784), None, "starts with 0x00000801"),
            (struct.pack(">IIII", 0x0803, 2, 28, 28) + bytes(784), None, "less than the 1584 bytes"),
            (struct.pack(">IIII", 0x0803, 1, 28, 28) + bytes(785), None, "more than the 800 bytes"),
            (struct.pack(">IIII", 0x0803, 1, 32, 32) + bytes(1024), None, "32 x 32"),
            (struct.pack(">IIII", 0x0803, 2**32 - 1, 28, 28), None, "declares 4,294,967,295"),
            (b"\x00\x00\x08", None, "less than the 16 bytes"),
            (b"", None, "less than the 16 bytes"),
            (None, struct.pack(">II", 0x0803, 1) + b"\x01", "starts with 0x00000803"),
            (None, struct.pack(">II", 0x0801, 2) + b"\x01\x02", "1 digits, .* 2 labels"),
            (None, struct.pack(">II", 0x0801, 1) + b"\x0a", r"labels \[10\]; digits are 0 to 9"),
            (None, struct.pack(">II", 0x0801, 1), "less than the 9 bytes"),
        ],
    )
    @pytest.mark.parametrize("zipped", [True, False])
    def test_files_that_break_the_format(self, tmp_path: Path, images: Any, labels: Any, message: str, zipped: bool) -> None:
        write_idx(tmp_path, "t10k", digits(1), [1], zipped)
        suffix = ".gz" if zipped else ""
        for name, content in (("images-idx3", images), ("labels-idx1", labels)):
            if content is not None:
                target = tmp_path / f"t10k-{name}-ubyte{suffix}"
                target.write_bytes(gzip.compress(content) if zipped else content)
        with pytest.raises(DataError, match=message):
            mnist.read(tmp_path)

    def test_truncated_gzip(self, tmp_path: Path) -> None:
        write_idx(tmp_path, "t10k", digits(2), [1, 2])
        path = tmp_path / "t10k-images-idx3-ubyte.gz"
        path.write_bytes(path.read_bytes()[:-20])
        with pytest.raises(DataError, match="cannot be read"):
            mnist.read(tmp_path)

    def test_gzip_with_a_wrong_checksum(self, tmp_path: Path) -> None:
        write_idx(tmp_path, "t10k", digits(2), [1, 2])
        path = tmp_path / "t10k-images-idx3-ubyte.gz"
        content = bytearray(path.read_bytes())
        content[-8] ^= 1
        path.write_bytes(bytes(content))
        with pytest.raises(DataError, match="cannot be read"):
            mnist.read(tmp_path)

    def test_images_without_labels(self, tmp_path: Path) -> None:
        write_idx(tmp_path, "t10k", digits(1), [1])
        (tmp_path / "t10k-labels-idx1-ubyte.gz").unlink()
        with pytest.raises(DataError, match="images or labels, but not both"):
            mnist.read(tmp_path)

    def test_pairs_nobody_knows(self, tmp_path: Path) -> None:
        write_idx(tmp_path, "one", digits(1), [1])
        write_idx(tmp_path, "two", digits(1), [1])
        with pytest.raises(DataError, match="has one, two; due is one pair"):
            mnist.read(tmp_path)
