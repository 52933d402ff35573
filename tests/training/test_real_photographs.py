"""What the recipe promises, on the real photographs: minutes long, so marked slow."""

import os
import subprocess
import sys

import pytest

from tests.data import require_data
from training.crossval import CrossvalResult

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def crossval(*arguments: str) -> CrossvalResult:
    """One command with all the cores."""
    data = str(require_data() / "cucumber-9" / "cucumber-9-python.tar.gz")
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    command = [sys.executable, "-m", "service.cli", "crossval", "--data", data, *arguments, "--json"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return CrossvalResult.model_validate_json(done.stdout)


def test_the_recipe_best_in_five_folds():
    found = crossval("--recipe", "best", "--seed", "1")
    assert found.images == 396
    assert found.accuracy >= 0.74
    assert found.ece <= 0.08
    assert found.selective.coverage >= 0.5  # of the photographs are accepted where 90 % of the accepted are right


def test_in_light_that_it_has_not_seen_it_still_knows_the_fruit():
    found = crossval("--recipe", "best", "--seed", "1", "--by-light", "20")
    assert found.accuracy >= 0.45  # a LeNet falls to 0.37 there
