"""A synthesized batch is a labelled batch like any other, reproducible byte by byte."""

from collections import Counter
from pathlib import Path

import pytest

from models.errors import InvalidBatch
from models.grades import GRADES
from models.imaging import decode_whole
from models.labelled import MANIFEST, read_manifest
from training.synth import RIG, synthesize

SMALL = ((32, 32), (64, 48), (48, 128))


def test_the_manifest_reads_back_and_its_facts_are_numbers(tmp_path: Path) -> None:
    rows = synthesize(tmp_path / "batch", 20, seed=3, sizes=SMALL)
    assert list(read_manifest(tmp_path / "batch", GRADES)) == rows
    for row in rows:
        pixels = decode_whole((tmp_path / "batch" / row.path).read_bytes())
        height, width = pixels.shape[:2]
        assert (width, height) in SMALL
        facts = {name: float(value) for name, value in row.facts.items()}
        assert list(facts) == ["length_px", "width_px", "bend_ratio", "area_px"]
        assert 0.3 < facts["length_px"] / max(width, height) < 0.95
        assert facts["width_px"] < facts["length_px"]
        assert facts["area_px"] < facts["length_px"] * facts["width_px"]
        assert (row.lot, row.camera, row.source, row.labeller, row.captured_at) == ("synth-3", "synth", "synth", "synth", "")
        assert row.path.endswith(f"_{row.grade}.jpg")
    assert rows[17].path.startswith("images/00017_")


def test_an_image_depends_on_seed_and_number_alone(tmp_path: Path) -> None:
    short = synthesize(tmp_path / "short", 4, seed=5, sizes=SMALL)
    long = synthesize(tmp_path / "long", 11, seed=5, sizes=SMALL)
    other = synthesize(tmp_path / "other", 4, seed=6, sizes=SMALL)
    assert short == long[:4]
    for row in short:
        assert (tmp_path / "short" / row.path).read_bytes() == (tmp_path / "long" / row.path).read_bytes()
    assert [row.facts for row in short] != [row.facts for row in other]


def test_grades_are_balanced_and_mixed(tmp_path: Path) -> None:
    ticks: list[None] = []
    rows = synthesize(tmp_path, 31, seed=1, sizes=[(32, 32)], scene=RIG, advance=lambda: ticks.append(None))
    counts = Counter(row.grade for row in rows)
    assert set(counts) == set(GRADES)
    assert set(counts.values()) == {3, 4}
    assert [row.grade for row in rows[:9]] != [row.grade for row in rows[9:18]]
    assert len(ticks) == 31


def test_a_folder_that_holds_anything_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InvalidBatch, match="not an empty folder"):
        synthesize(tmp_path, 3, seed=0)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
    with pytest.raises(InvalidBatch, match="not an empty folder"):
        synthesize(tmp_path / "notes.txt", 3, seed=0)


@pytest.mark.parametrize("count", [0, -1])
def test_an_empty_batch_is_refused(tmp_path: Path, count: int) -> None:
    with pytest.raises(InvalidBatch, match="at least 1 image"):
        synthesize(tmp_path / "none", count, seed=0)
    assert not (tmp_path / "none" / MANIFEST).exists()
