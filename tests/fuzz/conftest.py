"""The targets, opened once for all tests."""

from collections.abc import Iterator

import pytest

from tests.fuzz.target import Target
from tests.fuzz.targets import open_targets


@pytest.fixture(scope="module")
def targets() -> Iterator[dict[str, Target]]:
    with open_targets() as opened:
        yield opened
