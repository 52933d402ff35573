"""Rendered cucumbers whose grade, length, thickness and bend are known: for trying out, for tests, for pretraining."""

from training.synth.batch import DEFAULT_SIZES, synthesize
from training.synth.contact_sheet import contact_sheet
from training.synth.measured import measured_renders
from training.synth.render import Rendered, render
from training.synth.scene import BELT, MEASURING, RIG, SCENES, SceneRanges

__all__ = [
    "BELT",
    "DEFAULT_SIZES",
    "MEASURING",
    "RIG",
    "SCENES",
    "Rendered",
    "SceneRanges",
    "contact_sheet",
    "measured_renders",
    "render",
    "synthesize",
]
