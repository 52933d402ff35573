"""Batches that are kept: once each, whole or not at all, and the same to a network."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.errors import DataError
from models.imaging import encode_png
from models.labelled import MANIFEST, batch_sha256
from tests.training.small import SPEC, bars
from training import kept as kept_module
from training.kept import keep, kept
from training.sources import LabelledSet, Sample


def facts(data: LabelledSet) -> list[tuple[str, str, bytes]]:
    """What a network and a split get to see, in no order of names."""
    return sorted((s.grade, s.lot, s.network_input(SPEC).tobytes()) for s in data.samples)


def odd(tmp_path: Path) -> LabelledSet:
    """Pixels and a file, names that a file cannot have, lots, fruit, the same photograph under two labels."""
    pixels = [sample.pixels for sample in bars(6).samples]
    (tmp_path / "a file").write_bytes(encode_png(pixels[3]))
    return LabelledSet(
        "batch #1",
        (
            Sample("../a?b#1", "L", pixels=pixels[0], lot="=7", group="fruit/1"),
            Sample("b", "M", pixels=pixels[1], lot="-8", group="fruit/1"),
            Sample("c", "M", pixels=pixels[2]),
            Sample("again", "S", pixels=pixels[2]),
            Sample("d", "C", path=tmp_path / "a file"),
            Sample("e", "C", pixels=pixels[4], group="d"),
        ),
        attribution="Somebody, CC BY 4.0",
    )


def test_a_kept_set_is_the_same_to_a_network(tmp_path):
    data = odd(tmp_path)
    found = keep(data, tmp_path / "kept")
    assert facts(found.data) == facts(data)
    assert found.origin_sha256 == data.sha256
    assert found.data.attribution == data.attribution
    assert found.data.name == found.folder.name == batch_sha256(found.folder)[:16]
    groups = {s.pixel_digest(): s.group for s in found.data.samples}
    wanted = {s.name: groups[s.pixel_digest()] for s in data.samples}
    assert wanted["../a?b#1"] == wanted["b"] == "fruit/1"
    assert wanted["d"] == wanted["e"] == "d"  # a fruit that is called like a photograph of it
    assert wanted["c"] not in ("c", "d")
    with (found.folder / MANIFEST).open(newline="") as file:
        assert {row["source"] for row in csv.DictReader(file)} == {"batch #1"}
    (copied,) = [
        s.path for s in found.data.samples if s.group == "d" and s.path.read_bytes() == (tmp_path / "a file").read_bytes()
    ]
    assert copied.suffix == ".png"


def test_the_same_set_twice_is_one_batch_and_the_order_says_nothing(tmp_path):
    first = keep(odd(tmp_path), tmp_path / "kept")
    turned = replace(odd(tmp_path), samples=odd(tmp_path).samples[::-1])
    assert keep(turned, tmp_path / "kept").kept_at == first.kept_at
    other = keep(bars(), tmp_path / "kept")
    assert [one.folder for one in kept(tmp_path / "kept")] == [first.folder, other.folder]
    assert [one.origin_sha256 for one in kept(tmp_path / "kept")] == [odd(tmp_path).sha256, bars().sha256]
    assert kept(tmp_path / "nowhere") == []


def test_a_killed_writer_leaves_nothing_that_is_read_and_the_next_sweeps_it(tmp_path, monkeypatch):
    root = tmp_path / "kept"
    written = []

    def cut(path, content):
        written.append(path)
        if len(written) == 4:
            raise MemoryError
        path.write_bytes(content)

    with monkeypatch.context() as patch:
        patch.setattr(kept_module, "write_durably", cut)
        patch.setattr(kept_module, "_sweep", lambda root: None)  # as one killed has no chance to
        with pytest.raises(MemoryError):
            keep(bars(), root)
    assert len(list(root.glob(".incoming-*/images/*"))) == 3
    assert kept(root) == []
    found = keep(bars(), root)
    assert [one.name for one in root.iterdir() if one.name != ".lock"] == [found.folder.name]


def test_a_damaged_batch_is_made_whole(tmp_path):
    found = keep(bars(), tmp_path)
    next((found.folder / "images").iterdir()).unlink()
    with pytest.raises(DataError, match="there is no file"):
        kept(tmp_path)
    keep(bars(), tmp_path)
    (mended,) = kept(tmp_path)
    assert facts(mended.data) == facts(bars())


def test_what_a_batch_cannot_hold_is_named(tmp_path):
    digits = LabelledSet("digits", (Sample("a", "7", pixels=np.zeros((8, 8, 3), np.uint8)),))
    with pytest.raises(DataError, match="digits holds the labels 7"):
        keep(digits, tmp_path / "kept")
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff and no more")
    broken = LabelledSet("broken", (*bars(3).samples, Sample("x", "M", path=tmp_path / "broken.jpg")))
    with pytest.raises(DataError, match=r"broken\.jpg cannot be read"):
        keep(broken, tmp_path / "kept")
    with pytest.raises(DataError, match="no photograph"):
        keep(LabelledSet("none", ()), tmp_path / "kept")
    assert kept(tmp_path / "kept") == []
