"""A home with a small LeNet as its champion, made once for all tests of this folder."""

from pathlib import Path

import pytest

from service.explain.jobs import Model
from tests.service.explain.published import Files, exported, known, repository_of


@pytest.fixture(scope="package")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return exported(tmp_path_factory.mktemp("exported"))


@pytest.fixture(scope="package")
def explained_home(tmp_path_factory: pytest.TempPathFactory, files: Files) -> Path:
    home = tmp_path_factory.mktemp("explained") / "home"
    repository_of(home).publish(files.model, promote=True, checkpoint=files.checkpoint)
    return home


@pytest.fixture(scope="package")
def model(explained_home: Path) -> Model:
    return known(explained_home, repository_of(explained_home).get("champion"))
