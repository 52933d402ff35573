import pytest

from training.synth import synthesize


@pytest.fixture(scope="session")
def samples(tmp_path_factory) -> str:
    """A labelled batch of 90 rendered fruit, 32x32; to be read only."""
    folder = tmp_path_factory.mktemp("data") / "samples"
    synthesize(folder, 90, seed=1, sizes=[(32, 32)])
    return str(folder)
