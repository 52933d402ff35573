"""What wrong grades cost, in yen a fruit.

A fruit sold too cheap loses the difference of the prices. One sold too dear does not gain it: the buyer is owed the difference,
and a claim costs something on top.
"""

import json
import tomllib
from pathlib import Path
from typing import Annotated, Final, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from models.errors import InvalidSetting
from models.grades import GRADES
from models.prices import PRICES_YEN

Yen = Annotated[float, Field(ge=0)]


class CostModel(BaseModel):
    """Prices by grade and what follows from them. `senka evaluate --costs FILE` reads one from TOML or JSON:

    claim_yen = 3.0
    price_yen = { 2L = 12, L = 14, M = 16, S = 15, 2S = 13, BL = 5, BM = 5.5, BS = 4.5, C = 2 }
    [cost_yen.M]   # optional: what a true M costs when it is graded otherwise, instead of what the prices say
    BM = 12
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    price_yen: dict[str, Yen] = Field(default_factory=lambda: dict(PRICES_YEN), description="what one fruit of a grade fetches")
    claim_yen: Yen = Field(3.0, description="added where a fruit is sold as a dearer grade than it is; the default is assumed")
    cost_yen: dict[str, dict[str, Yen]] = Field(default_factory=dict, description="true grade -> predicted grade -> cost")

    @model_validator(mode="after")
    def _known(self) -> Self:
        named = {*self.cost_yen, *(grade for row in self.cost_yen.values() for grade in row)}
        if unpriced := sorted(named - self.price_yen.keys()):
            raise ValueError(f"cost_yen names {' '.join(unpriced)}, which price_yen lacks")
        return self

    def matrix(self, grades: tuple[str, ...]) -> npt.NDArray[np.float64]:
        """(K, K): what a fruit of grade i costs when graded j, 0 where i is j.

        Raises InvalidSetting for a grade without a price.
        """
        unknown = [grade for grade in grades if grade not in self.price_yen]
        if unknown:
            raise InvalidSetting(
                f"The costs give no price for {' '.join(unknown)}. Add it to price_yen in the file of --costs.", missing=unknown
            )
        price = np.array([self.price_yen[grade] for grade in grades])
        gain = price[None, :] - price[:, None]  # above 0: sold too dear
        costs: npt.NDArray[np.float64] = np.abs(gain) + np.where(gain > 0, self.claim_yen, 0.0)
        for i, true in enumerate(grades):
            for j, predicted in enumerate(grades):
                if i != j and predicted in self.cost_yen.get(true, {}):
                    costs[i, j] = self.cost_yen[true][predicted]
        return costs

    @classmethod
    def read(cls, path: Path) -> Self:
        """From a .toml or .json file. Raises InvalidSetting naming what is wrong with it."""
        try:
            text = path.read_text(encoding="utf-8")
            facts = json.loads(text) if path.suffix.lower() == ".json" else tomllib.loads(text)
            return cls.model_validate(facts)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "the file"
            raise InvalidSetting(f"{path}: {where}: {first['msg']}. {_SHAPE}") from error
        except ValueError as error:  # neither TOML nor JSON, or not UTF-8
            raise InvalidSetting(f"{path} is neither TOML nor JSON ({error}). {_SHAPE}") from error


_SHAPE: Final = "A file of costs holds price_yen (a table, grade to yen), claim_yen (a number) and cost_yen (optional)."


class Cost(BaseModel):
    """What the errors on the labelled photographs would have cost."""

    model_config = ConfigDict(frozen=True)

    mean_yen: float
    """For each fruit graded, right ones included."""
    total_yen: float
    model: CostModel


def costs_for(grades: tuple[str, ...], given: CostModel | None) -> CostModel | None:
    """The costs given, or the default ones where every label is a grade of cucumbers; None for digits and the like."""
    if given is not None:
        return given
    return CostModel() if set(grades) <= set(GRADES) else None
