"""Rendered cucumbers whose grade, length, thickness and bend are known: for trying out, for tests, for pretraining."""

from training.synth.batch import DEFAULT_SIZES, synthesize
from training.synth.contact_sheet import contact_sheet
from training.synth.render import Rendered, render
from training.synth.scene import BELT, RIG, SceneRanges

__all__ = ["BELT", "DEFAULT_SIZES", "RIG", "Rendered", "SceneRanges", "contact_sheet", "render", "synthesize"]
