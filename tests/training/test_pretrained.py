"""Weights of torchvision in our networks: the same logits, what is left out is named, and nothing else gets in."""

import functools
from collections.abc import Iterator
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import pytest
import torch
import torchvision.models
from torch import nn

from models.architectures import build, default_spec
from models.architectures.served import ServedNetwork
from models.errors import DataError, RunError
from tests.commands import home  # noqa: F401 - a fixture
from tests.models.architectures.small import trained_statistics
from tests.training.web import Site
from training import pretrained
from training.pretrained import fetch_imagenet, load_pretrained


@functools.cache
def theirs_of(name: str) -> nn.Module:
    """torchvision's network as its ImageNet weights would fill it."""
    torch.manual_seed(3)
    if name == "googlenet":
        network: nn.Module = torchvision.models.googlenet(weights=None, init_weights=False, transform_input=True)
    else:
        network = getattr(torchvision.models, name)(weights=None)
    trained_statistics(network)
    return network.eval()


def content_of(state: object) -> bytes:
    buffer = BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


@pytest.fixture
def file_of(tmp_path: Path):
    def write(name: str, **changes: object) -> Path:
        path = tmp_path / f"{name}.pth"
        path.write_bytes(content_of({**theirs_of(name).state_dict(), **changes}))
        return path

    return write


def photographs(channels: int = 3) -> torch.Tensor:
    levels = torch.randint(0, 256, (2, 70, 90, channels), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    return levels.expand(2, 70, 90, 3)


def as_theirs(levels: torch.Tensor) -> torch.Tensor:
    """torchvision's own preprocessing of its ImageNet weights, but for resizing."""
    colours = levels.permute(0, 3, 1, 2) / 255
    return (colours - torch.tensor([0.485, 0.456, 0.406])[:, None, None]) / torch.tensor([0.229, 0.224, 0.225])[:, None, None]


@pytest.mark.parametrize("name", ["googlenet", "resnet34"])
def test_with_all_classes_it_is_torchvisions_network(name, file_of):
    network = build(name, 1000)
    left = load_pretrained(network, name, file_of(name))
    assert left == (["aux1", "aux2"] if name == "googlenet" else [])
    with torch.no_grad():
        expected = theirs_of(name)(as_theirs(photographs()))
        found = ServedNetwork(network, default_spec(name)).eval().logits(photographs())
    assert (expected[0] - expected[1]).abs().max() > 0.1  # the photograph decides, not the biases alone
    torch.testing.assert_close(found, expected, rtol=0, atol=2e-5 * float(expected.abs().max()))


def test_the_normalisation_of_imagenet_would_be_wrong_for_googlenet(file_of):
    # The test above would not notice if both normalisations gave the same.
    network = build("googlenet", 1000)
    load_pretrained(network, "googlenet", file_of("googlenet"))
    other = default_spec("resnet34").model_copy(update={"width": 96, "height": 96})
    with torch.no_grad():
        expected = theirs_of("googlenet")(as_theirs(photographs()))
        found = ServedNetwork(network, other).eval().logits(photographs())
    assert (found - expected).abs().max() > 0.1


@pytest.mark.parametrize("name", ["googlenet", "resnet34"])
def test_with_other_grades_the_classifier_is_left_and_everything_else_taken(name, file_of):
    network = build(name, 9)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    left = load_pretrained(network, name, str(file_of(name)))
    assert left == (["aux1", "aux2", "fc"] if name == "googlenet" else ["fc"])
    due = theirs_of(name).state_dict()
    for key, value in network.state_dict().items():
        kept = key.partition(".")[0] in left
        assert torch.equal(value, before[key] if kept else due[key]), key


@pytest.mark.parametrize("name", ["googlenet", "resnet34"])
def test_a_grey_network_sees_a_grey_photograph_as_the_coloured_one_does(name, file_of):
    grey = build(name, 1000, default_spec(name).model_copy(update={"channels": 1}))
    colour = build(name, 1000)
    for network in (grey, colour):
        load_pretrained(network, name, file_of(name))
        network.eval()
    values = torch.randn(2, 1, 64, 64)
    with torch.no_grad():
        expected = colour(values.expand(2, 3, 64, 64))
        assert (expected[0] - expected[1]).abs().max() > 0.1
        torch.testing.assert_close(grey(values), expected, rtol=0, atol=2e-5 * float(expected.abs().max()))


def test_vgg19_leaves_its_last_layer(tmp_path):
    network = build("vgg19", 9)
    state = dict(network.state_dict())
    state["classifier.6.weight"], state["classifier.6.bias"] = torch.zeros(1000, 4096), torch.zeros(1000)
    (tmp_path / "vgg.pth").write_bytes(content_of(state))
    assert load_pretrained(network, "vgg19", tmp_path / "vgg.pth") == ["classifier.6"]


def test_files_without_counters_or_auxiliaries_are_taken(tmp_path):
    state = {k: v for k, v in theirs_of("googlenet").state_dict().items() if "num_batches" not in k and "aux" not in k}
    (tmp_path / "w.pth").write_bytes(content_of(state))
    assert load_pretrained(build("googlenet", 1000), "googlenet", tmp_path / "w.pth") == ["aux1", "aux2"]


class TestRefused:
    def refusal(self, architecture: str, path: Path) -> str:
        network = build(architecture)
        before = {key: value.clone() for key, value in network.state_dict().items()}
        with pytest.raises(RunError) as caught:
            load_pretrained(network, architecture, path)
        assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
        assert len(str(caught.value).splitlines()) == 1
        return str(caught.value)

    def test_another_architecture(self, file_of):
        assert "not googlenet" in self.refusal("googlenet", file_of("resnet34"))
        assert "not resnet34" in self.refusal("resnet34", file_of("googlenet"))

    def test_a_layer_too_many(self, file_of):
        assert "has besides layer9.weight." in self.refusal("resnet34", file_of("resnet34", **{"layer9.weight": torch.ones(1)}))

    def test_another_shape(self, file_of):
        path = file_of("resnet34", **{"layer1.0.conv1.weight": torch.ones(64, 64, 5, 5)})
        assert "has in another shape layer1.0.conv1.weight" in self.refusal("resnet34", path)

    def test_a_classifier_of_other_inputs(self, file_of):
        path = file_of("resnet34", **{"fc.weight": torch.ones(1000, 2048)})
        assert "fc.weight" in self.refusal("resnet34", path)

    def test_a_layer_is_missing(self, tmp_path):
        state = theirs_of("resnet34").state_dict()
        del state["layer2.0.bn1.running_var"]
        (tmp_path / "w.pth").write_bytes(content_of(state))
        assert "lacks layer2.0.bn1.running_var." in self.refusal("resnet34", tmp_path / "w.pth")

    @pytest.mark.parametrize("state", [{}, [1], {"a": 1}, {"model": {"a": torch.ones(1)}}, torch.ones(2)], ids=repr)
    def test_no_state_dict(self, tmp_path, state):
        (tmp_path / "w.pth").write_bytes(content_of(state))
        assert "does not hold a state_dict" in self.refusal("resnet34", tmp_path / "w.pth")

    @pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04" + bytes(90)])
    def test_no_weights(self, tmp_path, content):
        (tmp_path / "w.pth").write_bytes(content)
        assert "does not hold plain weights" in self.refusal("resnet34", tmp_path / "w.pth")

    def test_a_module_with_code_is_not_run(self, tmp_path):
        torch.save(nn.Linear(2, 2), tmp_path / "w.pth")
        assert "does not hold plain weights" in self.refusal("resnet34", tmp_path / "w.pth")

    def test_no_file(self, tmp_path):
        assert f"There is no file {tmp_path / 'w.pth'}" in self.refusal("resnet34", tmp_path / "w.pth")


@pytest.mark.parametrize(("name", "says"), [("alexnet", "of 2012"), ("lenet", "no published"), ("deep-mnist", "no published")])
def test_nobody_published_these(name, says, home):  # noqa: F811
    with pytest.raises(RunError, match=rf"{says}.*googlenet, resnet34, vgg19"):
        fetch_imagenet(name)
    assert not home.exists()


class TestByName:
    @pytest.fixture
    def site(self, monkeypatch, home) -> Iterator[Site]:  # noqa: F811
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        content = content_of(theirs_of("resnet34").state_dict())
        with Site() as running:
            path = f"/models/resnet34-{sha256(content).hexdigest()[:8]}.pth"
            running.files[path] = content
            monkeypatch.setattr(pretrained, "_published_url", lambda _: f"{running.url}{path}")
            yield running

    def test_it_is_fetched_once_and_kept_at_home(self, site, home):  # noqa: F811
        pieces: list[int] = []
        for _ in range(2):
            network = build("resnet34", 1000)
            assert load_pretrained(network, "resnet34", "imagenet", pieces.append) == []
            assert torch.equal(network.state_dict()["fc.bias"], theirs_of("resnet34").state_dict()["fc.bias"])
        (path,) = site.files
        assert site.asked == [path]
        assert (home / "weights" / Path(path).name).read_bytes() == site.files[path]
        assert sum(pieces) == len(site.files[path])

    def test_other_bytes_under_that_name_are_refused(self, site, home):  # noqa: F811
        (path,) = site.files
        site.files[path] = content_of({})
        with pytest.raises(DataError, match="sha256"):
            fetch_imagenet("resnet34")
        assert not list((home / "weights").glob("*.pth"))

    def test_a_connection_that_breaks_off_is_resumed(self, site, home):  # noqa: F811
        site.breaks_after = 1_000_000
        with pytest.raises(DataError, match=r"broke off after 1,000,000 of .*by hand"):
            fetch_imagenet("resnet34")
        assert not list((home / "weights").glob("*.pth"))
        site.breaks_after = 0
        assert fetch_imagenet("resnet34").is_file()
        assert site.resumed_at == [1_000_000]


@pytest.mark.parametrize("name", ["googlenet", "resnet34", "vgg19"])
def test_torchvision_publishes_weights_under_a_name_with_their_checksum(name):
    url = pretrained._published_url(name)
    assert url.startswith("https://")
    assert Path(url).name.startswith(f"{name}-")
    assert Path(url).suffix == ".pth"
