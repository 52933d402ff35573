import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.errors import DataError, UnsafeFile
from tests.data import require_data
from tests.training.sources.archives import batch, python2_batch, rows, write_tar
from training.sources import cucumber9

GRADES_BY_ID = ["2L", "BM", "BL", "M", "S", "L", "2S", "BS", "C"]
META = pickle.dumps({"label_names": GRADES_BY_ID, "num_vis": 3072}, 2)


def archive(tmp_path: Path, **files: bytes) -> Path:
    return write_tar(tmp_path / "set.tar.gz", {f"top/{name.replace('__', '.')}": content for name, content in files.items()})


class TestRealData:
    @pytest.fixture
    def path(self) -> Path:
        return require_data() / "cucumber-9" / "cucumber-9-python.tar.gz"

    def test_every_photograph_with_its_grade(self, path: Path) -> None:
        read = cucumber9.read(path)
        assert len(read) == 396
        counts = read.counts()
        assert [counts[grade] for grade in GRADES_BY_ID] == [53, 48, 45, 53, 35, 37, 41, 39, 45]
        assert read.name == "cucumber-9-python"
        for sample in read.samples:
            assert sample.pixels is not None
            assert sample.pixels.shape == (32, 32, 3)
            assert sample.pixels.dtype == np.uint8

    def test_parts(self, path: Path) -> None:
        parts = [cucumber9.read(path, "train"), cucumber9.read(path, "test")]
        assert [len(part) for part in parts] == [330, 66]
        names = [{sample.name for sample in part.samples} for part in parts]
        assert not names[0] & names[1]
        assert names[1] == {f"test_batch#{row}" for row in range(66)}

    def test_photographs_show_a_dark_fruit_on_a_light_belt(self, path: Path) -> None:
        centres, corners = [], []
        for sample in cucumber9.read(path, "test").samples:
            assert sample.pixels is not None
            centres.append(sample.pixels[15:17, 15:17].mean())
            corners.append(sample.pixels[[0, 0, -1, -1], [0, -1, 0, -1]].mean())
        assert np.median(centres) < np.median(corners)


def test_planes_become_pixels(tmp_path: Path) -> None:
    data = rows(2)
    read = cucumber9.read(archive(tmp_path, data_batch_1=python2_batch(data, [0, 8])))
    for row, sample in enumerate(read.samples):
        assert sample.pixels is not None
        for y, x, channel in [(0, 0, 0), (0, 31, 1), (31, 0, 2), (17, 5, 1)]:
            assert sample.pixels[y, x, channel] == data[row, 1024 * channel + 32 * y + x]
    assert [sample.grade for sample in read.samples] == ["2L", "C"]
    assert not read.samples[0].views


@pytest.mark.parametrize(
    "write", [python2_batch, lambda data, labels: pickle.dumps({b"data": data, b"labels": np.array(labels)}, 5)]
)
def test_prototype_2_has_three_views(tmp_path: Path, write: Any) -> None:
    data = rows(3, 9216)
    read = cucumber9.read(archive(tmp_path, data_batch_1=write(data, [1, 2, 3])))
    for row, sample in enumerate(read.samples):
        assert sample.pixels is not None
        assert list(sample.views) == ["below", "side"]
        for view, pixels in enumerate((sample.pixels, *sample.views.values())):
            assert pixels.shape == (32, 32, 3)
            assert pixels[3, 9, 2] == data[row, 3072 * view + 1024 * 2 + 32 * 3 + 9]


def test_folder_like_archive(tmp_path: Path) -> None:
    files = {"data_batch_1": batch(), "test_batch": batch(seed=1), "batches.meta": META}
    packed = cucumber9.read(write_tar(tmp_path / "set.tar.gz", {f"set/{name}": content for name, content in files.items()}))
    (tmp_path / "outer" / "set").mkdir(parents=True)
    for name, content in {**files, "readme.html": b"<html>"}.items():
        (tmp_path / "outer" / "set" / name).write_bytes(content)
    for folder in (tmp_path / "outer", tmp_path / "outer" / "set"):
        assert cucumber9.is_batch_folder(folder)
        assert cucumber9.read(folder).sha256 == packed.sha256
    assert not cucumber9.is_batch_folder(tmp_path)


def test_batches_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    files = {f"data_batch_{number}": batch(1, seed=number) for number in (10, 2, 1)}
    read = cucumber9.read(archive(tmp_path, **files, test_batch=batch(1)))
    assert [sample.name for sample in read.samples] == ["data_batch_1#0", "data_batch_2#0", "data_batch_10#0", "test_batch#0"]


def test_meta_says_what_the_ids_mean(tmp_path: Path) -> None:
    own = pickle.dumps({"label_names": [b"S", b"M", b"L"]}, 2)
    read = cucumber9.read(archive(tmp_path, data_batch_1=batch(3), batches__meta=own))
    assert [sample.grade for sample in read.samples] == ["S", "M", "L"]


class TestErrors:
    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"labels": [0, 1]}, "3 photographs and 2 labels"),
            ({"labels": [0, 1, 9]}, r"labels \[9\]; they must be 0 to 8"),
            ({"labels": [0, 1, -1]}, r"\[-1\]"),
            ({"labels": [0, 1, "2"]}, "list of integers"),
            ({"labels": [0, 1, True]}, "list of integers"),
            ({"labels": [0, 1, 2.0]}, "list of integers"),
            ({"labels": np.zeros((3, 1), int)}, "list of integers"),
            ({"labels": None}, "list of integers"),
            ({"data": None}, "`data` is NoneType"),
            ({"data": rows(3).astype(np.float32)}, "float32"),
            ({"data": rows(3, 3071)}, r"uint8 \(3, 3071\)"),
            ({"data": rows(3).reshape(3, 3, 32, 32)}, r"\(3, 3, 32, 32\)"),
        ],
    )
    def test_a_batch_that_breaks_the_layout(self, tmp_path: Path, changes: dict[str, Any], message: str) -> None:
        with pytest.raises(DataError, match=message) as caught:
            cucumber9.read(archive(tmp_path, data_batch_1=batch(3, **changes)))
        assert "set.tar.gz: data_batch_1" in str(caught.value)

    def test_no_dict(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="holds a list"):
            cucumber9.read(archive(tmp_path, data_batch_1=pickle.dumps([1])))

    @pytest.mark.parametrize("split", ["train", "test", "all"])
    def test_a_part_that_is_not_there(self, tmp_path: Path, split: Any) -> None:
        files = {"train": {"test_batch": batch()}, "test": {"data_batch_1": batch()}, "all": {"other": b""}}[split]
        with pytest.raises(DataError, match=r"has no (data|test)_batch"):
            cucumber9.read(archive(tmp_path, **files), split)

    def test_mixed_prototypes(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="mixes prototype"):
            cucumber9.read(archive(tmp_path, data_batch_1=batch(), data_batch_2=batch(width=9216)))

    def test_batches_in_two_folders(self, tmp_path: Path) -> None:
        path = write_tar(tmp_path / "set.tar", {"a/data_batch_1": batch(), "b/data_batch_2": batch()})
        with pytest.raises(DataError, match=r"several folders \(a, b\)"):
            cucumber9.read(path)

    @pytest.mark.parametrize("names", [["airplane", "ship"], ["L", "L"], ["L" * 1000] * 1000, [1, 2], "2L", None])
    def test_label_names_that_are_no_grades(self, tmp_path: Path, names: object) -> None:
        meta = pickle.dumps({"label_names": names}, 2)
        with pytest.raises(DataError, match=r"batches\.meta") as caught:
            cucumber9.read(archive(tmp_path, data_batch_1=batch(), batches__meta=meta))
        assert len(str(caught.value)) < 800

    def test_a_pickle_that_runs_something_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(UnsafeFile, match=r"set\.tar\.gz: data_batch_1: .*posix\.system"):
            cucumber9.read(archive(tmp_path, data_batch_1=b"\x80\x02cposix\nsystem\nU\x04true\x85R."))

    def test_a_truncated_pickle_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"data_batch_1: Not a readable pickle"):
            cucumber9.read(archive(tmp_path, data_batch_1=batch()[:-100]))
