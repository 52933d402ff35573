from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.errors import DataError, InvalidBatch, UnknownSource, UnsafeFile
from models.labelled import LabelledImage, write_manifest
from tests.training.sources.archives import batch, write_idx, write_png, write_tar
from tests.zips import write_zip
from training.sources import KINDS, load, load_all


def write_archive(path: Path) -> Path:
    return write_tar(path, {"top/data_batch_1": batch(3), "top/test_batch": batch(2, seed=1)})


def write_batch(folder: Path) -> Path:
    write_png(folder / "a.png")
    write_manifest(folder, [LabelledImage("a.png", "L")])
    return folder


class TestKinds:
    @pytest.mark.parametrize(("split", "count"), [("train", 3), ("test", 2), ("all", 5)])
    @pytest.mark.parametrize("as_text", [True, False])
    def test_archive(self, tmp_path: Path, split: Any, count: int, as_text: bool) -> None:
        path = write_archive(tmp_path / "set.tar.gz")
        assert len(load(str(path) if as_text else path, split)) == count

    def test_an_archive_is_known_by_its_content(self, tmp_path: Path) -> None:
        assert len(load(write_archive(tmp_path / "no-suffix"))) == 5

    def test_folder_of_batches(self, tmp_path: Path) -> None:
        (tmp_path / "data_batch_1").write_bytes(batch(3))
        assert len(load(tmp_path)) == 3

    def test_folder_of_one_archive(self, tmp_path: Path) -> None:
        write_archive(tmp_path / "set.tar.gz")
        assert load(tmp_path).name == "set"
        write_archive(tmp_path / "set2.tar.gz")
        with pytest.raises(UnknownSource, match=r"several archives \(set.tar.gz, set2.tar.gz\); name one"):
            load(tmp_path)

    def test_mnist(self, tmp_path: Path) -> None:
        write_idx(tmp_path, "t10k", np.zeros((10, 28, 28), np.uint8), range(10))
        assert [len(load(tmp_path, split)) for split in ("train", "test", "all")] == [8, 2, 10]

    @pytest.mark.parametrize("split", ["train", "test", "all"])
    def test_sources_without_parts_give_everything(self, tmp_path: Path, split: Any) -> None:
        write_png(tmp_path / "folder" / "L" / "a.png")
        assert len(load(tmp_path / "folder", split)) == 1
        assert len(load(write_batch(tmp_path / "batch"), split)) == 1

    @pytest.mark.parametrize("top", ["", "packed along/"])
    def test_a_batch_in_a_zip(self, tmp_path: Path, top: str) -> None:
        folder = write_batch(tmp_path / "batch")
        members = {f"{top}{file.name}": file.read_bytes() for file in folder.iterdir()}
        archive = write_zip(tmp_path / "monday.zip", members)
        found = load(archive)
        assert (found.name, [(sample.name, sample.grade) for sample in found.samples]) == ("monday", [("a.png", "L")])
        assert found.samples[0].digest() == load(folder).samples[0].digest()
        assert load(archive).samples[0].path == found.samples[0].path  # unpacked once

    def test_a_zip_that_is_no_batch_or_unsafe(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidBatch, match=r"no manifest\.csv at the top"):
            load(write_zip(tmp_path / "a.zip", {"a.png": b""}))
        with pytest.raises(UnsafeFile, match="leads out"):
            load(write_zip(tmp_path / "b.zip", {"../manifest.csv": b"path,grade"}))

    def test_a_manifest_counts_more_than_folders(self, tmp_path: Path) -> None:
        write_png(tmp_path / "L" / "a.png")
        write_png(tmp_path / "L" / "b.png")
        write_manifest(tmp_path, [LabelledImage("L/a.png", "C")])
        assert load(tmp_path).counts() == {"C": 1}


class TestUnknown:
    def check(self, path: Path, reason: str) -> None:
        with pytest.raises(UnknownSource, match=reason) as caught:
            load(path)
        for kind in KINDS:
            assert kind in str(caught.value)

    def test_missing(self, tmp_path: Path) -> None:
        self.check(tmp_path / "nowhere", "nowhere does not exist")
        self.check(tmp_path / ("long" * 100), "cannot be read")

    def test_empty_folder(self, tmp_path: Path) -> None:
        self.check(tmp_path, "is empty")

    def test_folder_of_something_else(self, tmp_path: Path) -> None:
        (tmp_path / "photo.jpg").write_bytes(b"")
        self.check(tmp_path, r"holds photo\.jpg, which is none of them")

    def test_file_of_something_else(self, tmp_path: Path) -> None:
        (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8\xff")
        self.check(tmp_path / "photo.jpg", "no .tar, .tar.gz or .zip archive")


class TestLoadAll:
    def test_merges(self, tmp_path: Path) -> None:
        merged = load_all([write_archive(tmp_path / "set.tar.gz"), str(write_batch(tmp_path / "batch"))], "train")
        assert len(merged) == 4
        assert merged.samples[-1].name == "batch/a.png"

    def test_one_source_keeps_its_names(self, tmp_path: Path) -> None:
        assert load_all([write_batch(tmp_path / "batch")]).samples[0].name == "a.png"

    def test_no_source(self) -> None:
        with pytest.raises(DataError, match="at least one"):
            load_all([])
