"""Costs of wrong grades: the default by hand, files of one's own, and what is wrong with them."""

import json

import numpy as np
import pytest

from models.errors import InvalidSetting
from models.grades import BENT, GRADES, STRAIGHT
from training.cost import PRICES_YEN, CostModel, costs_for


def test_too_cheap_costs_the_difference_and_too_dear_a_claim_as_well():
    costs = CostModel(price_yen={"M": 16, "BM": 5}, claim_yen=3).matrix(("M", "BM"))
    assert costs.tolist() == [[0, 11], [14, 0]]


def test_equal_prices_cost_nothing():
    assert CostModel(price_yen={"M": 14, "S": 14}).matrix(("M", "S")).tolist() == [[0, 0], [0, 0]]


def test_the_default_covers_the_nine_grades_at_the_known_means():
    costs = CostModel().matrix(GRADES)
    assert costs.shape == (9, 9)
    assert (np.diag(costs) == 0).all()
    assert (costs[~np.eye(9, dtype=bool)] > 0).all()
    assert np.mean([PRICES_YEN[grade] for grade in STRAIGHT]) == 14
    assert np.mean([PRICES_YEN[grade] for grade in BENT]) == 5
    assert costs[GRADES.index("M"), GRADES.index("C")] == 14  # 16 - 2
    assert costs[GRADES.index("C"), GRADES.index("M")] == 17


def test_single_cells_can_be_given():
    model = CostModel(price_yen={"M": 16, "S": 15, "BM": 5}, claim_yen=0, cost_yen={"M": {"BM": 2}})
    assert model.matrix(("S", "BM", "M")).tolist() == [[0, 10, 1], [10, 0, 11], [1, 2, 0]]


def test_digits_have_no_costs_unless_given():
    assert costs_for(("0", "1"), None) is None
    assert costs_for(("M", "C"), None) == CostModel()
    given = CostModel(price_yen={"0": 1, "1": 2})
    assert costs_for(("0", "1"), given) is given


def test_toml_and_json_say_the_same(tmp_path):
    (tmp_path / "c.toml").write_text("claim_yen = 1.5\nprice_yen = { 2L = 12, M = 16 }\n[cost_yen.M]\n2L = 9\n")
    (tmp_path / "c.json").write_text(
        json.dumps({"claim_yen": 1.5, "price_yen": {"2L": 12, "M": 16}, "cost_yen": {"M": {"2L": 9}}})
    )
    read = CostModel.read(tmp_path / "c.toml")
    assert read == CostModel.read(tmp_path / "c.json")
    assert read.matrix(("2L", "M")).tolist() == [[0, 5.5], [9, 0]]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("price_yen = ", "neither TOML nor JSON"),
        ("price = 3", "price: "),
        ("price_yen = { M = -1 }", "price_yen.M"),
        ("price_yen = { M = inf }", "price_yen.M"),
        ("price_yen = { M = 3 }\ncost_yen = { N = { M = 1 } }", "cost_yen names N"),
    ],
)
def test_a_broken_file_is_named_with_what_is_wrong(tmp_path, text, says):
    (tmp_path / "costs.toml").write_text(text)
    with pytest.raises(InvalidSetting, match=r"costs\.toml") as caught:
        CostModel.read(tmp_path / "costs.toml")
    assert says in str(caught.value)


def test_a_grade_without_price_is_named():
    with pytest.raises(InvalidSetting, match="no price for S C"):
        CostModel(price_yen={"M": 3}).matrix(("M", "S", "C"))
