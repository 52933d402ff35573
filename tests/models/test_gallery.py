"""Galleries on disk: whole or not there, and nothing outside of them is ever handed out."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from models.gallery import Galleries, Gallery, GalleryFileMissing, GalleryNotMade, GalleryUnreadable, ModelOf, NeighboursOf
from models.places import Places

SHA = "ab" * 32
OTHER = "cd" * 32


@pytest.fixture
def galleries(tmp_path: Path) -> Galleries:
    return Galleries(tmp_path / "galleries")


def make(galleries: Galleries, word: str = "first", sha: str = SHA, **parts: object) -> Gallery:
    with galleries.making(sha) as (folder, made_id):
        facts = {"architecture": "lenet", "made_at": "2026-11-24T08:00:00Z", "seconds": 1.5, "seed": 0}
        gallery = Gallery.model_validate(
            {"id": made_id, "model": ModelOf(name="cucumber", version=1, sha256=sha), **facts, **parts}
        )
        (folder / "layers").mkdir()
        (folder / "layers" / "a.png").write_bytes(word.encode())
        (folder / "gallery.json").write_text(gallery.model_dump_json())
    return gallery


def test_a_gallery_is_read_as_it_was_made(galleries):
    made = make(galleries)
    assert galleries.read(SHA, 1) == made
    assert galleries.id_of(SHA) == made.id
    assert galleries.file(SHA, 1, "layers/a.png").read_bytes() == b"first"
    assert json.loads((galleries.root / SHA / "gallery.json").read_text())["format"] == 1


def test_what_was_not_made_names_the_command(galleries):
    with pytest.raises(GalleryNotMade, match=r"senka gallery --model 7 --data SOURCE"):
        galleries.read(SHA, 7)
    with pytest.raises(GalleryNotMade):
        galleries.file(SHA, 7, "gallery.json")
    with pytest.raises(GalleryNotMade):
        galleries.neighbours(SHA, 7)
    assert not galleries.root.exists()


@pytest.mark.parametrize(("text", "word"), [("{", "JSON"), ("{}", "id"), ('{"format": 2}', "format")])
def test_a_damaged_gallery_says_so(galleries, text, word):
    make(galleries)
    (galleries.root / SHA / "gallery.json").write_text(text)
    with pytest.raises(GalleryUnreadable, match=rf"{word}.*senka gallery --model 3"):
        galleries.read(SHA, 3)


def test_a_second_one_replaces_the_first_and_leaves_nothing(galleries):
    first = make(galleries)
    other = make(galleries, "other", OTHER)
    opened = galleries.file(SHA, 1, "layers/a.png")
    second = make(galleries, "second")
    assert first.id != second.id == galleries.read(SHA, 1).id
    assert galleries.file(SHA, 1, "layers/a.png").read_bytes() == b"second"
    assert not opened.exists()
    assert galleries.read(OTHER, 2) == other
    assert len([path for path in galleries.root.iterdir() if path.is_dir() and not path.is_symlink()]) == 2


def test_an_error_leaves_the_old_one(galleries):
    first = make(galleries)

    def broken() -> None:
        with galleries.making(SHA) as (folder, _):
            (folder / "half.png").write_bytes(b"half")
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        broken()
    assert galleries.read(SHA, 1) == first
    assert len(list(galleries.root.glob(".made-*"))) == 1


def test_what_killed_writers_left_is_swept_but_not_another_models(galleries):
    make(galleries)
    left = galleries.root / f".made-{SHA}-dead"
    foreign = galleries.root / f".made-{OTHER}-dead"
    for folder in (left, foreign):
        folder.mkdir()
        (folder / "half.png").write_bytes(b"half")
    (galleries.root / f".link-{SHA}-dead").symlink_to(left.name)
    make(galleries)
    assert not left.exists()
    assert not list(galleries.root.glob(".link-*"))
    assert foreign.exists()  # it may be at work: that model has a lock of its own


def test_a_copied_gallery_works_and_is_replaced(galleries, tmp_path):
    made = make(galleries)
    shutil.copytree(galleries.root / SHA, tmp_path / "copies" / SHA)  # as `cp -rL` does: the link is now a folder
    copies = Galleries(tmp_path / "copies")
    assert copies.read(SHA, 1) == made
    assert copies.file(SHA, 1, "layers/a.png").read_bytes() == b"first"
    make(copies, "second")
    assert copies.file(SHA, 1, "layers/a.png").read_bytes() == b"second"
    assert len(list(copies.root.glob(".made-*"))) == 1


OUTSIDE = [
    "../secret.png",
    "layers/../../secret.png",
    "/etc/passwd",
    "layers",
    "",
    ".",
    ".hidden.png",
    "layers/link.png",
    "layers/a.txt",
    "layers/a.png\0",
    "layers\\a.png",
    "x" * 300 + ".png",
    "layers/none.png",
]


@pytest.mark.parametrize("path", OUTSIDE)
def test_nothing_outside_and_no_other_file_is_found(galleries, tmp_path, path):
    make(galleries)
    secret = galleries.root / "secret.png"
    secret.write_bytes(b"secret")
    folder = galleries.root / SHA
    (folder / ".hidden.png").write_bytes(b"hidden")
    (folder / "layers" / "a.txt").write_bytes(b"text")
    (folder / "layers" / "link.png").symlink_to(secret)
    with pytest.raises(GalleryFileMissing, match="has no file"):
        galleries.file(SHA, 1, path)


def test_embeddings_come_back_with_their_grades(galleries):
    part = NeighboursOf(embeddings="embeddings.npz", thumbnails="thumbnails/{index:05d}.png", count=3, of=9)
    made = make(galleries, neighbours=part)
    with pytest.raises(GalleryUnreadable, match=r"embeddings\.npz"):
        galleries.neighbours(SHA, 1)
    rows = np.arange(6, dtype=np.float32).reshape(3, 2)
    np.savez(galleries.root / SHA / "embeddings.npz", embeddings=rows, grades=np.array(["M", "2L", "M"]))
    found = galleries.neighbours(SHA, 1)
    assert found is not None
    np.testing.assert_array_equal(found.embeddings, rows)
    assert found.grades == ("M", "2L", "M")
    assert found.thumbnail(12) == "thumbnails/00012.png"
    assert made.neighbours == part
    make(galleries)
    assert galleries.neighbours(SHA, 1) is None


def test_galleries_lie_in_the_home(tmp_path, monkeypatch):
    monkeypatch.setenv("SENKA_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    assert Places.load().galleries.root == tmp_path / "home" / "galleries"
