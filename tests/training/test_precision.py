"""What is computed in half precision where, and the float16 way, whose loss is scaled."""

import pytest
import torch

from tests.training.small import LENGTHS, SPEC, bars, config
from training import checkpoints
from training import loop as loop_module
from training.arrays import to_arrays
from training.fit import fit
from training.loop import Loop
from training.precision import autocast_dtype, grad_scaler, memory_format
from training.run import CHECKPOINT_FILE
from training.start import first_network

CPU, GPU = torch.device("cpu"), torch.device("cuda")


def test_a_cpu_computes_in_float32_unless_told(monkeypatch):
    assert autocast_dtype("auto", CPU) is None
    assert autocast_dtype("bf16", CPU) is torch.bfloat16
    for supported, dtype in ((True, torch.bfloat16), (False, torch.float16)):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation, answer=supported: answer)
        assert autocast_dtype("auto", GPU) is dtype
        assert autocast_dtype("off", GPU) is None


def test_only_float16_is_scaled():
    assert not grad_scaler(None, CPU).is_enabled()
    assert not grad_scaler(torch.bfloat16, CPU).is_enabled()
    assert grad_scaler(torch.float16, CPU).is_enabled()


def test_channels_last_is_for_gpus_unless_told():
    assert memory_format("auto", GPU) is memory_format("on", CPU) is torch.channels_last
    assert memory_format("auto", CPU) is memory_format("off", GPU) is torch.contiguous_format


@pytest.fixture
def float16(monkeypatch):
    monkeypatch.setattr(loop_module, "autocast_dtype", lambda *_: torch.float16)


@pytest.mark.usefixtures("float16")
def test_scaled_steps_are_those_of_the_loss_and_go_on_after_a_stop(tmp_path):
    def loop() -> Loop:
        served, _ = first_network(config(clip_norm=1.0), tuple(LENGTHS), None)
        return Loop(config(clip_norm=1.0), served, to_arrays(bars(64).samples, tuple(LENGTHS), SPEC), 3, CPU)

    whole, cut = loop(), loop()
    losses = [whole.run_epoch(epoch) for epoch in range(3)]
    assert losses[2] < losses[0]
    cut.run_epoch(0)
    cut.save(tmp_path / "resume.pt", epochs_done=1)
    again = loop()
    assert again.restore(tmp_path / "resume.pt")["epochs_done"] == 1
    assert [again.run_epoch(epoch) for epoch in (1, 2)] == losses[1:]
    assert all(torch.equal(value, whole.weights()[name]) for name, value in again.weights().items())


@pytest.mark.usefixtures("float16")
def test_a_step_that_overflowed_is_left_out_of_the_schedule(monkeypatch):
    served, _ = first_network(config(), tuple(LENGTHS), None)
    loop = Loop(config(), served, to_arrays(bars(64).samples, tuple(LENGTHS), SPEC), 3, CPU)
    real, calls = loop._entropy, []

    def overflowing(logits, targets):
        calls.append(1)
        loss = real(logits, targets)
        return loss + (loss - loss.detach()) * 1e38 if len(calls) == 2 else loss  # the gradient alone is infinite

    monkeypatch.setattr(loop, "_entropy", overflowing)
    before = loop.scaler.get_scale()
    loop.run_epoch(0)
    assert loop.schedule.last_epoch == 7  # of 8 batches
    assert loop.scaler.get_scale() == before / 2


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU that PyTorch can use on this machine")
def test_a_gpu_learns_and_repeats_itself(tmp_path):
    runs = [fit(config(epochs=25), bars(150), tmp_path / name, device="cuda") for name in ("a", "b")]
    assert runs[0].metrics().scores.accuracy >= 0.85
    left, right = (checkpoints.load(run.folder / CHECKPOINT_FILE)[0] for run in runs)
    assert all(torch.equal(left[name], right[name]) for name in left)
