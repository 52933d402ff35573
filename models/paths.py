"""Where Senka keeps what is not code: SENKA_HOME, a folder outside the checkout."""

import os
from pathlib import Path


def home() -> Path:
    """`SENKA_HOME`, or `.senka` in the user's home folder."""
    return Path(os.environ.get("SENKA_HOME") or Path.home() / ".senka")


def model_repository() -> Path:
    """`SENKA_MODEL_REPOSITORY`, or `models` in `home()`."""
    return Path(os.environ.get("SENKA_MODEL_REPOSITORY") or home() / "models")
