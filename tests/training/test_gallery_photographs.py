"""The photographs of a gallery: its errors, and the similar ones."""

import cv2
import numpy as np
import pytest

from models.errors import DataError
from models.explain.neighbours import embed
from models.gallery import Galleries, GalleryNotMade
from tests.training.gallery_models import Made, gallery_of
from training.evaluate import evaluate
from training.gallery import Wishes, make_gallery
from training.sources import LabelledSet, Sample


@pytest.fixture(scope="module")
def made(samples, tmp_path_factory) -> Made:
    return gallery_of(samples, tmp_path_factory.mktemp("gallery"), Wishes(layers=["conv1"], channels=1, trust_images=0))


def test_errors_are_those_that_evaluation_counts(made):
    scores = evaluate(made.repository.load(made.version), "model", made.data)
    errors = made.gallery.errors
    assert errors is not None
    assert [list(row) for row in errors.confusion] == scores.confusion
    assert errors.count == scores.errors == len(errors.items) > 0
    assert errors.count == sum(n for i, row in enumerate(errors.confusion) for j, n in enumerate(row) if i != j)
    confidences = [item.confidence for item in errors.items]
    assert confidences == sorted(confidences, reverse=True)
    first, by_name = errors.items[0], {sample.name: sample for sample in made.data.samples}
    shown = cv2.cvtColor(cv2.imread(str(made.folder / first.image)), cv2.COLOR_BGR2RGB)
    np.testing.assert_array_equal(shown, by_name[first.name].network_input(made.network.spec))
    assert first.true == by_name[first.name].grade != first.predicted


def test_similar_photographs_are_found_by_the_networks_own_embedding(made):
    found = made.galleries.neighbours(made.version.sha256, 1)
    assert found is not None
    assert found.grades == tuple(sample.grade for sample in made.data.samples)
    np.testing.assert_allclose(found.embeddings, embed(made.network, made.network.unit(made.photographs)), atol=1e-4)
    shown = cv2.cvtColor(cv2.imread(str(made.folder / found.thumbnail(7))), cv2.COLOR_BGR2RGB)
    np.testing.assert_array_equal(shown, made.photographs[7])


def test_more_photographs_than_are_kept(made, monkeypatch, tmp_path):
    monkeypatch.setattr("training.gallery.MOST_NEIGHBOURS", 20)
    galleries, wishes = Galleries(tmp_path), Wishes(layers=["conv1"], channels=1, trust_images=0, seed=3)
    gallery = make_gallery(made.repository, made.version, galleries, made.data, wishes)
    assert gallery.neighbours is not None
    assert gallery.errors is not None
    assert (gallery.neighbours.count, gallery.neighbours.of, gallery.errors.images) == (20, 90, 90)
    assert gallery.trust is None
    assert len(list((galleries.folder(made.version.sha256) / "thumbnails").iterdir())) == 20
    found = galleries.neighbours(made.version.sha256, 1)
    assert found is not None
    assert set(found.grades) == set(made.data.labels)  # each grade in turn
    for top in gallery.layers[0].channels[0].top:
        assert (galleries.folder(made.version.sha256) / top.photograph).is_file()


def test_photographs_that_do_not_fit_are_refused(made, tmp_path):
    galleries = Galleries(tmp_path / "galleries")

    def refused(words: str, data: LabelledSet) -> None:
        with pytest.raises(DataError, match=words):
            make_gallery(made.repository, made.version, galleries, data)
        with pytest.raises(GalleryNotMade):
            galleries.read(made.version.sha256, 1)
        assert not list(galleries.root.glob(".made-*"))

    digits = LabelledSet("digits", (Sample("a", "7", pixels=np.zeros((28, 28, 3), np.uint8)),))
    refused("labelled 7", digits)
    refused("holds no images", LabelledSet("none", ()))
