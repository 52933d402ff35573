"""The GPU grades as the CPU does. Skipped, with the reason, where there is none."""

import numpy as np
import pytest

from models.card import card_of
from service.inference.session import ProviderUnavailable, create_session, cuda_present
from tests.benchmarks.gpu import LOGIT_LIMIT, parity
from tests.data import require_data
from tests.training.small import bars, config
from training.export import export
from training.fit import fit
from training.sources import load


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> bytes:
    folder = tmp_path_factory.mktemp("gpu")
    export(fit(config(epochs=2), bars(), folder / "run"), folder / "model.onnx")
    return (folder / "model.onnx").read_bytes()


@pytest.mark.gpu
@pytest.mark.skipif(not cuda_present(), reason="no NVIDIA driver on this machine")
def test_cuda_is_chosen_and_agrees_with_the_cpu(model):
    gpu, cpu = create_session(model, "auto", 0), create_session(model, "cpu", 0)
    assert gpu.get_providers()[0] == "CUDAExecutionProvider"
    spec = card_of(cpu).preprocess
    photographs = load(require_data() / "cucumber-9" / "cucumber-9-python.tar.gz").samples
    inputs = np.stack([sample.network_input(spec) for sample in photographs])
    assert len(inputs) == 396
    assert parity(gpu, cpu, inputs) <= LOGIT_LIMIT


@pytest.mark.skipif(cuda_present(), reason="this machine has a GPU")
def test_without_a_gpu_auto_takes_the_cpu_and_cuda_refuses(model):
    assert create_session(model, "auto", 1).get_providers() == ["CPUExecutionProvider"]
    with pytest.raises(ProviderUnavailable, match="SENKA_PROVIDERS=cuda"):
        create_session(model, "cuda", 1)
