"""Real photographs beside the checkout; tests that need them skip, with the reason, where they are absent."""

import os
from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


def require_data() -> Path:
    """The folder of the real data. With "data" in SENKA_REQUIRE (comma-separated) its absence fails the test."""
    if not SHARED.is_dir():
        reason = f"the real photographs are not at {SHARED}"
        if "data" in os.environ.get("SENKA_REQUIRE", "").split(","):
            pytest.fail(reason)
        pytest.skip(reason)
    return SHARED
