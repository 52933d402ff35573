import pytest
import torch
from torch import nn

from models.architectures import NAMES, build, default_spec, require_size, smallest_side
from models.architectures.network import Explained, WithAuxiliaries
from models.architectures.summary import summarize
from models.preprocess import PreprocessSpec
from tests.models.architectures.small import SEED, inputs_of, network_of, small_spec

ANY_SIZE = ("googlenet", "resnet34", "alexnet", "vgg19")
"""Networks whose parameters do not depend on the size of the input."""


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(7)


@pytest.mark.parametrize("name", NAMES)
class TestEveryNetwork:
    @pytest.mark.parametrize(("wider", "higher"), [(0, 0), (16, 3), (1, 26)])
    def test_logits_for_any_size_from_the_smallest(self, name: str, wider: int, higher: int) -> None:
        spec = small_spec(name)
        spec = spec.model_copy(update={"width": smallest_side(name) + wider, "height": smallest_side(name) + higher})
        network = network_of(name) if name in ANY_SIZE else build(name, spec=spec).eval()
        with torch.no_grad():
            logits = network(torch.rand(3, spec.channels, spec.height, spec.width))
        assert logits.shape == (3, 9)
        assert logits.dtype == torch.float32
        assert logits.isfinite().all()

    def test_below_the_smallest_size_it_says_so(self, name: str) -> None:
        side = smallest_side(name)
        for small in ({"width": side - 1}, {"height": side - 1}):
            spec = PreprocessSpec.model_construct(**{**PreprocessSpec(width=64, height=64).model_dump(), **small})
            with pytest.raises(ValueError, match=rf"{name} takes photographs of at least {side}x{side} pixels"):
                build(name, spec=spec)
        require_size(name, PreprocessSpec(width=max(8, side), height=max(8, side)))

    @pytest.mark.parametrize(("grades", "channels"), [(2, 1), (10, 3)])
    def test_any_number_of_grades_in_grey_or_colour(self, name: str, grades: int, channels: int) -> None:
        spec = small_spec(name).model_copy(update={"channels": channels})
        with torch.device("meta"):
            network = build(name, grades, spec).eval()
            assert network(torch.rand(5, channels, spec.height, spec.width)).shape == (5, grades)

    def test_logits_are_not_probabilities(self, name: str) -> None:
        with torch.no_grad():
            logits = network_of(name)(inputs_of(name, 8))
        assert logits.min() < 0
        assert not torch.allclose(logits.sum(dim=1), torch.ones(8))

    def test_each_photograph_is_graded_for_itself(self, name: str) -> None:
        batch = inputs_of(name, 4)
        with torch.no_grad():
            torch.testing.assert_close(network_of(name)(batch)[2:3], network_of(name)(batch[2:3]), atol=1e-5, rtol=1e-4)

    def test_every_parameter_learns(self, name: str) -> None:
        network = build(name, spec=small_spec(name)).train()
        inputs = inputs_of(name, 6)
        outputs = network.weighted_logits(inputs) if isinstance(network, WithAuxiliaries) else ((1.0, network(inputs)),)
        sum(weight * nn.functional.cross_entropy(logits, torch.arange(6)) for weight, logits in outputs).backward()
        assert [key for key, p in network.named_parameters() if p.grad is None or p.grad.abs().sum() == 0] == []

    def test_the_input_is_left_as_it_was(self, name: str) -> None:
        inputs = inputs_of(name, 2)
        before = inputs.clone()
        with torch.no_grad():
            network_of(name)(inputs)
        assert torch.equal(inputs, before)

    def test_relu_and_pooling_are_modules_of_their_own(self, name: str) -> None:
        # Explanations hook them; guided backpropagation replaces the ReLU's gradient, so one must not serve twice or in place.
        network, spec = network_of(name), small_spec(name)
        ran = [row for row in summarize(network, spec.channels, spec.height, spec.width) if row.kind in ("ReLU", "MaxPool2d")]
        assert {row.kind for row in ran} == {"ReLU", "MaxPool2d"}
        assert len({row.name for row in ran}) == len(ran)
        assert not any(layer.inplace for layer in network.modules() if isinstance(layer, nn.ReLU))

    def test_no_relu_hides_outside_the_modules(self, name: str) -> None:
        if name == "rbf":
            pytest.skip("radial basis functions are what this network is: no part of it but the stages is linear")
        # With every ReLU and normalisation of responses made the identity and every pooling the mean, the rest is linear.
        network = build(name, spec=small_spec(name)).eval()
        for parent in list(network.modules()):
            for key, child in parent.named_children():
                if isinstance(child, nn.ReLU | nn.LocalResponseNorm):
                    setattr(parent, key, nn.Identity())
                elif isinstance(child, nn.MaxPool2d):
                    setattr(parent, key, nn.AvgPool2d(child.kernel_size, child.stride, child.padding, ceil_mode=child.ceil_mode))
        one, other = inputs_of(name, 2).double().split(1)
        network.double()
        with torch.no_grad():
            middle, ends = network((one + other) / 2), (network(one) + network(other)) / 2
        torch.testing.assert_close(middle, ends, rtol=1e-8, atol=1e-10)

    def test_the_seed_decides_the_weights(self, name: str) -> None:
        def fresh(seed: int) -> dict[str, torch.Tensor]:
            torch.manual_seed(seed)
            return build(name, spec=small_spec(name)).state_dict()

        one = network_of(name).state_dict()
        assert all(torch.equal(value, one[key]) for key, value in fresh(SEED).items())
        assert any(not torch.equal(value, one[key]) for key, value in fresh(SEED + 1).items())

    def test_the_spread_of_the_logits_at_the_start_lets_it_train(self, name: str) -> None:
        with torch.no_grad():
            logits = network_of(name)(inputs_of(name, 8))
        assert 1e-3 < logits.std() < 100


def test_an_unknown_name_lists_the_known_ones() -> None:
    for call in (build, default_spec, smallest_side):
        known = r"no architecture 'resnet'.*alexnet, deep-mnist, googlenet, lenet, rbf, resnet34, vgg19"
        with pytest.raises(ValueError, match=known):
            call("resnet")


def test_default_specs_fit_their_purpose() -> None:
    assert default_spec("lenet").orient == "landscape"  # fruit
    assert default_spec("deep-mnist").orient == "as_is"  # a turned digit is another digit
    assert {name: default_spec(name).fit for name in NAMES} == dict.fromkeys(NAMES, "letterbox")
    for name in ("alexnet", "resnet34", "vgg19"):
        assert default_spec(name).mean == (0.485, 0.456, 0.406)
        assert default_spec(name).std == (0.229, 0.224, 0.225)
    # torchvision's weights of GoogLeNet were trained on -1..1
    assert (default_spec("googlenet").mean, default_spec("googlenet").std) == ((0.5,) * 3, (0.5,) * 3)


def test_who_offers_what() -> None:
    assert {name for name in NAMES if isinstance(network_of(name), Explained)} == {"googlenet", "lenet", "resnet34"}
    assert {name for name in NAMES if isinstance(network_of(name), WithAuxiliaries)} == {"googlenet"}
    assert all(smallest_side(name) <= min(default_spec(name).width, default_spec(name).height) for name in NAMES)
