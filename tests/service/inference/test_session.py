"""A loaded model: the card's order, both kinds of input, and refusals in words."""

from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from models.errors import GradeSetMismatch, InvalidCard
from models.grades import GRADES
from models.imaging import Pixels
from models.repository import Version
from service.inference import session
from service.inference.session import LoadedModel, ProviderUnavailable, create_session, threads_for
from tests.service.models import make_model


def load(path: Path, wanted: str = "cpu", max_batch: int = 4) -> LoadedModel:
    data = path.read_bytes()
    return LoadedModel.load(data, Version("cucumber", 1, path, sha256(data).hexdigest(), ""), wanted, 1, max_batch)


def inputs(count: int) -> list[Pixels]:
    rng = np.random.default_rng(5)
    return [rng.integers(0, 256, (16, 16, 3)).astype(np.uint8) for _ in range(count)]


def test_probabilities_are_in_our_order_whatever_the_order_of_the_card(tmp_path: Path) -> None:
    usual = load(make_model(tmp_path / "usual.onnx"))
    shuffled = load(make_model(tmp_path / "shuffled.onnx", grades=("C", "BS", "2L", "M", "BL", "S", "L", "2S", "BM")))
    assert usual.card.grades == GRADES
    assert shuffled.card.grades != GRADES
    np.testing.assert_allclose(usual.probabilities(inputs(6)), shuffled.probabilities(inputs(6)), atol=1e-6)


def test_probabilities_sum_to_one_and_do_not_depend_on_the_batch(tmp_path: Path) -> None:
    model = load(make_model(tmp_path / "m.onnx"))
    together = model.probabilities(inputs(5))
    alone = np.concatenate([model.probabilities([one]) for one in inputs(5)])
    assert together.shape == (5, 9)
    np.testing.assert_allclose(together.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(together, alone, atol=1e-6)


def test_the_temperature_of_the_card_is_applied(tmp_path: Path) -> None:
    sharp = load(make_model(tmp_path / "sharp.onnx")).probabilities(inputs(3))
    soft = load(make_model(tmp_path / "soft.onnx", temperature=2.0)).probabilities(inputs(3))
    expected = np.sqrt(sharp) / np.sqrt(sharp).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(soft, expected, atol=1e-5)


def test_a_graph_that_takes_floats_in_channels_first_grades_alike(tmp_path: Path) -> None:
    bytes_in = load(make_model(tmp_path / "bytes.onnx"))
    floats_in = load(make_model(tmp_path / "floats.onnx", takes_bytes=False))
    assert (bytes_in.takes_bytes, floats_in.takes_bytes) == (True, False)
    np.testing.assert_allclose(bytes_in.probabilities(inputs(4)), floats_in.probabilities(inputs(4)), atol=1e-6)


def test_very_large_logits_overflow_nothing(tmp_path: Path) -> None:
    hard = load(make_model(tmp_path / "hard.onnx", temperature=1e-6))
    assert np.isfinite(hard.probabilities(inputs(2))).all()


def test_grades_other_than_ours_are_refused(tmp_path: Path) -> None:
    with pytest.raises(GradeSetMismatch, match="expected 2L L M S 2S BL BM BS C"):
        load(make_model(tmp_path / "two.onnx", grades=("2L", "C")))


def test_a_network_that_does_not_run_on_its_own_input_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(InvalidCard, match="does not run on the input that its card describes") as refusal:
        load(make_model(tmp_path / "broken.onnx", input_side=11))
    assert "\n" not in str(refusal.value)


def test_bytes_that_are_no_model_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidCard, match="Not a readable ONNX model"):
        create_session(b"not a model", "cpu", 1)


def test_cuda_that_is_asked_for_and_not_there_is_refused_but_auto_takes_the_cpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_model(tmp_path / "m.onnx")
    monkeypatch.setattr(session, "_preload", lambda: None)
    monkeypatch.setitem(session._EXECUTION_PROVIDERS, "cuda", ["CUDAExecutionProvider"])
    monkeypatch.setattr(session, "cuda_present", lambda: True)
    cpu_only = create_session(path.read_bytes(), "cpu", 1)
    monkeypatch.setattr(session, "open_session", lambda *_: cpu_only)
    with pytest.raises(ProviderUnavailable, match="SENKA_PROVIDERS=cuda, but ONNX Runtime could only start CPU"):
        load(path, "cuda")
    assert load(path, "auto").provider == "CPUExecutionProvider"


def test_cores_are_shared_out_among_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session.os, "sched_getaffinity", lambda _: set(range(8)))
    assert [threads_for(workers, 0) for workers in (1, 2, 3, 8, 20)] == [8, 4, 2, 1, 1]
    assert threads_for(8, 5) == 5
