"""`senka explain`: pictures and numbers in files, figures on the terminal, and errors in one line."""

import json
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from service.explain.jobs import DescribeJob
from service.explain.pool import ExplainPool
from tests.commands import ok, senka
from tests.service.explain.published import Files, exported, known, repository_of
from tests.service.pictures import picture


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return exported(tmp_path_factory.mktemp("exported"))


@pytest.fixture(scope="module", autouse=True)
def _fork_server(files: Files, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A pool that stays keeps the fork server alive between the commands: each would load torch anew."""
    folder = tmp_path_factory.mktemp("kept")
    repository_of(folder).publish(files.model, promote=True, checkpoint=files.checkpoint)
    pool = ExplainPool(1, 1)
    pool.submit(DescribeJob(known(folder, repository_of(folder).get("champion"))), 30).result()
    yield
    pool.close()


@pytest.fixture(autouse=True)
def _published(home: Path, files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    repository_of(home).publish(files.model, promote=True, checkpoint=files.checkpoint)
    monkeypatch.chdir(home.parent)
    Path("photo.jpg").write_bytes(picture(1, size=(50, 31)))


def test_a_picture_beside_where_one_stands() -> None:
    said = ok("explain", "photo.jpg", "--method", "grad_cam", "--layer", "conv2", "--target", "M").output
    assert said.startswith("photo-grad_cam.png: grad_cam, layer conv2, target M: 10 x 14 from ")
    assert "shows reasons" in said
    drawn = cv2.imread("photo-grad_cam.png")
    assert drawn is not None
    assert drawn.shape[1] / drawn.shape[0] == pytest.approx(14 / 10)


def test_over_the_photograph() -> None:
    ok("explain", "photo.jpg", "--method", "cam", "--overlay", "--opacity", "0.8", "--out", "over.png")
    drawn = cv2.imread("over.png")
    assert drawn is not None
    assert drawn.shape == (31, 50, 3)


def test_numbers_and_figures() -> None:
    done = ok("explain", "photo.jpg", "--method", "integrated_gradients", "--set", "steps=16", "--out", "ig.npy", "--json")
    figures = json.loads(done.output)
    assert "values" not in figures
    assert (figures["out"], figures["parameters"]["baseline"]) == ("ig.npy", "belt")
    values = np.load("ig.npy")
    assert list(values.shape) == figures["shape"] == [20, 28]
    ok("explain", "photo.jpg", "--method", "integrated_gradients", "--set", "steps=16", "--out", "ig.json")
    assert np.array_equal(np.array(json.loads(Path("ig.json").read_text())["values"], np.float32), values)


def test_what_was_learned_needs_no_photograph() -> None:
    ok("explain", "--method", "filters")
    assert Path("filters.png").is_file()


def test_the_list() -> None:
    shown = ok("explain", "--list").output
    assert "grad_cam" in shown
    assert "pool2" in shown
    listed = json.loads(ok("explain", "--list", "--json").output)
    assert listed["architecture"] == "lenet"
    assert "deepdream" in [method["name"] for method in listed["methods"]]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("photo.jpg",), 2, "--list"),
        (("photo.jpg", "--method", "gradcam"), 1, "Choose one of: cam, "),
        (("--method", "cam"), 2, "name its file"),
        (("photo.jpg", "--method", "filters"), 2, "leave IMAGE out"),
        (("photo.jpg", "--method", "cam", "--out", "x.tiff"), 2, ".png, .npy, .json"),
        (("photo.jpg", "--method", "cam", "--set", "steps"), 2, "NAME=VALUE"),
        (("photo.jpg", "--method", "cam", "--set", "steps=3"), 1, "no parameter"),
        (("photo.jpg", "--method", "grad_cam", "--layer", "conv7"), 1, "pool2"),
        (("photo.jpg", "--method", "cam", "--target", "XXL"), 1, "2L"),
        (("photo.jpg", "--method", "feature_maps", "--overlay"), 1, "draw over"),
        (("photo.jpg", "--method", "feature_maps", "--target", "M"), 1, "--target"),
        (("nothing.jpg", "--method", "cam"), 1, "nothing.jpg"),
        (("photo.jpg", "--method", "cam", "--model", "7"), 1, "version 7"),
    ],
)
def test_errors_say_what_to_do(arguments: tuple[str, ...], code: int, said: str) -> None:
    done = senka("explain", *arguments)
    assert done.exit_code == code, done.output
    assert said in " ".join(done.output.replace("│", " ").split())
    assert not list(Path().glob("*.png"))
