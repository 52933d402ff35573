"""`senka gallery` as a user meets it."""

import json
import shutil
from pathlib import Path

import pytest

from models.gallery import Galleries
from models.repository import ModelRepository
from tests.commands import home, ok, senka  # noqa: F401 - home is a fixture
from tests.training.gallery_models import publish


@pytest.fixture(scope="module")
def published(samples, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("published")
    publish(samples, folder, folder / "home", epochs=1)
    return folder / "home"


@pytest.fixture
def champion(home, published) -> ModelRepository:  # noqa: F811
    shutil.copytree(published, home)
    return ModelRepository(home / "models")


def test_the_command_says_what_it_made(champion, home, samples):  # noqa: F811
    arguments = ("gallery", "--data", samples, "--channels", "2", "--layers", "conv1,conv2", "--trust-images", "2")
    done = ok(*arguments)
    sha = champion.get("champion").sha256
    assert f"{home / 'galleries' / sha}: 4 channels of 2 layers in" in done.stdout
    gallery = Galleries(home / "galleries").read(sha, 1)
    assert gallery.errors is not None
    assert f"{gallery.errors.count} errors in 90 photographs" in done.stdout

    facts = json.loads(ok(*arguments, "--json").stdout)
    assert (facts["version"], facts["layers"], facts["channels"], facts["images"]) == (1, 2, 4, 90)
    assert facts["errors"] == gallery.errors.count
    assert facts["neighbours"] == 90
    assert set(facts["autocorrelation"]) == set(facts["dead"]) == {"conv1", "conv2"}
    assert facts["trust"]["images"] == 2
    again = Galleries(home / "galleries").read(sha, 1)
    assert again.id != gallery.id
    assert again.layers == gallery.layers


def test_without_data_it_says_what_is_missing(champion):
    done = ok("gallery", "--model", "1", "--channels", "1")
    assert "--data SOURCE" in done.stdout
    facts = json.loads(ok("gallery", "--model", "1", "--channels", "1", "--json").stdout)
    assert (facts["errors"], facts["images"], facts["neighbours"], facts["trust"], facts["dead"]) == (None, 0, 0, None, {})


def test_what_is_wrong_is_said_in_one_line(champion):
    for arguments, words in (
        (("--layers", "conv9"), "Choose one of: conv1"),
        (("--model", "7"), "has no version 7"),
        (("--data", "nowhere"), "nowhere does not exist"),
    ):
        done = senka("gallery", *arguments)
        assert done.exit_code == 1
        assert words in done.stderr
        assert "Traceback" not in done.stderr
    assert senka("gallery", "--channels", "0").exit_code == 2
