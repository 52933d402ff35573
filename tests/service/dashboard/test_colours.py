"""The kinds of fruit can be told apart whatever colours an eye sees, by day and by night."""

import re
from itertools import combinations
from pathlib import Path

import cv2
import numpy as np
import pytest

import service.dashboard

STYLE = (Path(service.dashboard.__file__).parent / "static" / "senka.css").read_text(encoding="utf-8")
KINDS = ("straight", "bent", "misshapen")
SEEN = {
    # Machado, Oliveira and Fernandes 2009: matrices of linear RGB, severity 1
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
    "all colours": np.eye(3).tolist(),
}
LEAST = 20.0
"""CIE76; 2.3 is just seen side by side. A kind always carries a sign or its letters as well."""


def colours(scheme: int) -> list[np.ndarray]:
    """(3,) float32 sRGB, 0 to 1, of each kind; scheme 0 is light, 1 dark."""
    found = []
    for kind in KINDS:
        pair = re.search(rf"--{kind}: light-dark\(#(\w{{6}}), #(\w{{6}})\)", STYLE)
        assert pair, kind
        text = pair[1 + scheme]
        found.append(np.array([int(text[i : i + 2], 16) for i in (0, 2, 4)], np.float32) / 255)
    return found


def lab(colour: np.ndarray, matrix: list[list[float]]) -> np.ndarray:
    """(3,) CIE Lab of what an eye with this matrix sees."""
    linear = np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)
    seen = np.clip(np.array(matrix) @ linear, 0, 1)
    shown = np.where(seen <= 0.0031308, 12.92 * seen, 1.055 * seen ** (1 / 2.4) - 0.055).astype(np.float32)
    return cv2.cvtColor(shown.reshape(1, 1, 3), cv2.COLOR_RGB2LAB)[0, 0]


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("eye", SEEN)
def test_no_two_kinds_look_alike(eye: str, scheme: int) -> None:
    seen = [lab(colour, SEEN[eye]) for colour in colours(scheme)]
    for one, other in combinations(range(3), 2):
        assert np.linalg.norm(seen[one] - seen[other]) >= LEAST, (KINDS[one], KINDS[other])
