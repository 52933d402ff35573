"""Layers in the order of their depth: learning rates that fall towards the first, and freezing."""

import pytest
from torch import nn

from models.architectures import build
from models.errors import RunError
from training.layers import freeze, layers_of, parameter_groups


class Branched(nn.Module):
    """As larger networks are built: a stem, blocks in a Sequential, auxiliary heads before the last layer."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3)
        self.stem_norm = nn.BatchNorm2d(4)
        self.blocks = nn.Sequential(nn.Conv2d(4, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3))
        self.aux1 = nn.Linear(4, 2)
        self.fc = nn.Linear(4, 2)


def test_layers_from_the_first_to_the_head():
    network = Branched()
    layers = layers_of(network)
    assert [name for name, _ in layers] == ["stem", "blocks.0", "blocks.2", "fc"]
    assert len(layers[0][1]) == 4  # with its normalisation
    assert {id(p) for p in layers[3][1]} == {id(p) for p in [*network.aux1.parameters(), *network.fc.parameters()]}
    held = [id(p) for _, parameters in layers for p in parameters]
    assert sorted(held) == sorted(id(p) for p in network.parameters())


def test_rates_fall_from_the_head_to_the_first_layer():
    groups = parameter_groups(build("lenet"), 0.8, 0.5)
    assert {group["name"]: group["lr"] for group in groups} == {"conv1": 0.1, "conv2": 0.2, "fc1": 0.4, "fc2": 0.8}


def test_without_decay_there_is_one_group_of_everything():
    network = build("lenet")
    (group,) = parameter_groups(network, 0.8, 1.0)
    assert group["lr"] == 0.8
    assert [id(p) for p in group["params"]] == [id(p) for p in network.parameters()]


def test_frozen_layers_leave_the_groups_and_the_others_keep_their_depth():
    network = build("lenet")
    freeze(network, ["conv1", "norm1", "fc1"])
    groups = parameter_groups(network, 0.8, 0.5)
    assert {group["name"]: group["lr"] for group in groups} == {"conv2": 0.2, "fc1": 0.4, "fc2": 0.8}  # fc1: its norm3
    assert all(p.requires_grad for group in groups for p in group["params"])


def test_a_name_freezes_all_inside_it():
    network = Branched()
    freeze(network, ["blocks"])
    assert {name for name, p in network.named_parameters() if not p.requires_grad} == {
        "blocks.0.weight", "blocks.0.bias", "blocks.2.weight", "blocks.2.bias"
    }  # fmt: skip


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(RunError, match=r"no conv9 to freeze\. It has: conv1, norm1, conv2"):
        freeze(build("lenet"), ["conv1", "conv9"])
    with pytest.raises(RunError, match="no con to freeze"):  # no prefix of letters
        freeze(build("lenet"), ["con"])


def test_nothing_left_to_train_is_refused():
    network = Branched()
    freeze(network, ["stem", "stem_norm", "blocks", "aux1", "fc"])
    with pytest.raises(RunError, match="nothing is left to train"):
        parameter_groups(network, 0.1, 0.5)
