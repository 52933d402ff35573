"""`senka summary`: a network in figures, and the networks beside what was published of them."""

import json

import pytest

from models.architectures import NAMES
from models.architectures.published import PUBLISHED
from tests.commands import home, ok, senka  # noqa: F401 - home is a fixture

pytestmark = pytest.mark.usefixtures("home")


def test_the_lectures_network():
    shown = ok("summary", "deep-mnist").stdout
    for figure in ("3,274,634 parameters", "3,211,264", "51,200", "10,240"):
        assert figure in shown
    assert "Auxiliary" not in shown
    facts = json.loads(ok("summary", "deep-mnist", "--json").stdout)
    assert (facts["parameters"], facts["macs"], facts["fully_connected"]) == (3_274_634, 13_883_904, 2)
    assert (facts["grades"], facts["input"], facts["note"]) == (10, [1, 28, 28], None)
    named = {"name": "fc2", "kind": "Linear", "output": [10], "weights": 10_240, "biases": 10, "macs": 10_240}
    assert facts["layers"][-1] == {**named, "parameters": 10_250}


def test_the_published_input_gives_the_published_figures():
    facts = json.loads(ok("summary", "vgg19", "--grades", "1000", "--size", "224x224", "--json").stdout)
    assert (facts["parameters"], facts["macs"]) == (143_667_240, 19_632_062_464)
    assert facts["layers"][-1]["output"] == [1000]


def test_size_is_width_by_height():
    facts = json.loads(ok("summary", "lenet", "--grades", "5", "--size", "48x20", "--json").stdout)
    assert (facts["input"], facts["grades"]) == ([3, 20, 48], 5)
    assert facts["layers"][0]["output"] == [32, 20, 48]


def test_auxiliary_classifiers_are_not_counted_and_it_says_so():
    facts = json.loads(ok("summary", "googlenet", "--grades", "1000", "--size", "224x224", "--json").stdout)
    assert facts["parameters"] == 6_624_904
    assert not [layer for layer in facts["layers"] if layer["name"].startswith("aux")]
    assert "Auxiliary classifiers are not counted" in facts["note"]
    assert "Auxiliary classifiers are not counted" in " ".join(ok("summary", "googlenet").stdout.split())


def test_the_comparison_shows_computed_beside_published():
    shown = ok("summary", "--compare").stdout
    for figure in ("143,667,240", "144,000,000", "6,624,904", "6,800,000", "724,406,816", "832,000,000", "56.9", "88.5"):
        assert figure in shown
    for published in PUBLISHED.values():
        assert " ".join(published.source.split()) in " ".join(shown.split())


def test_the_comparison_as_json():
    facts = json.loads(ok("summary", "--compare", "--json").stdout)
    rows = {row["architecture"]: row for row in facts["networks"]}
    assert set(rows) == set(NAMES)
    assert rows["lenet"]["published"] is None
    assert rows["lenet"]["computed"]["parameters"] == 2_156_585
    alexnet = rows["alexnet"]
    assert (alexnet["computed"]["fully_connected"], alexnet["published"]["fully_connected"]) == (3, 2)
    assert (alexnet["input"], alexnet["grades"]) == ([3, 224, 224], 1000)
    assert alexnet["published"]["source"]
    assert "Auxiliary" in facts["note"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "Usage"),
        (["--json"], "Name an architecture, or give --compare"),
        (["resnet"], f"Known: {', '.join(NAMES)}"),
        (["alexnet", "--size", "62x200"], "alexnet takes photographs of at least 63x63 pixels; 62x200 is smaller"),
        (["lenet", "--size", "2000x64"], "8 to 1024"),
        (["lenet", "--grades", "1"], "--grades"),
        (["lenet", "--compare"], "--compare shows every network"),
        (["--size", "64x64", "--compare"], "--compare shows every network"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_usage_exits_2_and_names_it(arguments, says):
    done = senka("summary", *arguments)
    assert done.exit_code == 2, done.output
    assert says in " ".join((done.stderr + done.stdout * (not arguments)).replace("│", " ").split())
    if arguments:
        assert done.stdout == ""


def test_help_names_every_architecture():
    shown = " ".join(ok("summary", "--help").stdout.split())
    assert all(name in shown for name in NAMES)
    assert "Example: senka summary" in shown
