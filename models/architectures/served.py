"""What is exported: photographs in, logits and their explanation out, with everything in between inside the graph."""

import torch
from torch import Tensor, nn

from models.architectures.network import Explained
from models.preprocess import PreprocessSpec


class ServedNetwork(nn.Module):
    """(B, H, W, 3) uint8 RGB of the spec's size -> (B, grades) logits, or what `forward` says of networks that explain.

    Holds the normalisation of a PreprocessSpec as constants of the graph: scaling to 0..1, grey by the mean of the channels
    for networks of one channel, then (x - mean) / std.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, spec: PreprocessSpec) -> None:
        super().__init__()
        self.network = network
        self.spec = spec
        self.channels = spec.channels
        # C x 1 x 1: with a leading 1 too, the exporter takes the batch of a grey network for 1
        self.register_buffer("mean", torch.tensor(spec.mean[: spec.channels]).view(-1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(spec.std[: spec.channels]).view(-1, 1, 1), persistent=False)

    def unit(self, photographs: Tensor) -> Tensor:
        """(B, H, W, 3) uint8 -> (B, channels, H, W) float32 in 0..1. Augmentation belongs between this and `standardise`."""
        x = photographs.permute(0, 3, 1, 2).to(torch.float32) / 255.0  # B x 3 x H x W
        return x.mean(dim=1, keepdim=True) if self.channels == 1 else x  # B x channels x H x W

    def standardise(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) float32 in 0..1 -> the same shape, as the network was trained on."""
        return (x - self.mean) / self.std

    def logits(self, photographs: Tensor) -> Tensor:
        """(B, H, W, 3) uint8 -> (B, grades)."""
        logits: Tensor = self.network(self.standardise(self.unit(photographs)))
        return logits

    def forward(self, photographs: Tensor) -> Tensor | tuple[Tensor, Tensor, Tensor]:
        """The outputs of the exported graph: logits, cam and embedding of an Explained network, else the logits alone."""
        if isinstance(self.network, Explained):
            return self.network.explained(self.standardise(self.unit(photographs)))
        return self.logits(photographs)
