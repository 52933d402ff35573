"""Recipes: everything that is decided between labelled photographs and a model, under one name."""

from collections.abc import Sequence
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from models.architectures import default_spec
from models.errors import InvalidSetting
from models.preprocess import PreprocessSpec


class Recipe(BaseModel):
    """Settings of the RBF network's training. The same recipe, data and machine give the same weights."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    recipe: str
    architecture: Literal["rbf"] = "rbf"
    preprocess: PreprocessSpec = Field(default_factory=lambda: default_spec("rbf"))
    seed: int = Field(0, ge=0)
    renders: int = Field(4000, ge=128, description="rendered fruit that the measuring network learns from")
    epochs: int = Field(12, ge=1, description="passes over them")
    fruit_scale: float = Field(0.5, gt=0, description="how fast two fruit become strangers with the difference of their measures")
    light_components: int = Field(24, ge=0, le=54, description="principal components of the light; 0 leaves the light out")
    light_scale: float = Field(2.0, gt=0, description="the same for the light they were photographed in")
    fruit_share: float = Field(1.0, gt=0, description="weight of a fruit alike in other light, against 1 in the same light")
    ridge: float = Field(0.1, gt=0, description="how much a single photograph's label is distrusted")
    neighbour_share: float = Field(0.15, ge=0, lt=1, description="share of a label given to the grades that border on it")


RECIPES: Final[dict[str, dict[str, Any]]] = {
    "best": {},
    "fruit": {"light_components": 0, "fruit_scale": 2.0, "ridge": 0.3},
}
"""best: the fruit and the light it lies in, for photographs of the sessions that it was trained on. fruit: the fruit alone, for
days to come."""


RECIPE_SETTINGS: Final = tuple(
    name for name in Recipe.model_fields if name not in ("recipe", "architecture", "preprocess", "seed")
)
"""What --set may change of a recipe."""


def find_recipe(name: str, **changes: Any) -> Recipe:
    """A recipe by name with some settings changed; those that are None are left alone.

    Raises InvalidSetting naming the known recipes, pydantic's ValidationError for a value that a setting refuses.
    """
    if name not in RECIPES:
        raise InvalidSetting(f"There is no recipe {name!r}. Known: {', '.join(RECIPES)}.")
    given = {key: value for key, value in changes.items() if value is not None}
    return Recipe.model_validate({"recipe": name, **RECIPES[name], **given})


def parse_changes(texts: Sequence[str], names: Sequence[str]) -> dict[str, str]:
    """`NAME=VALUE` as a command line gives them; pydantic makes numbers of the values. Raises InvalidSetting."""
    changes = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or name not in names:
            raise InvalidSetting(f"--set {text} is not NAME=VALUE with a NAME of {', '.join(names)}.")
        changes[name] = value
    return changes
