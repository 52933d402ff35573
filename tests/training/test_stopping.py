"""Early stopping: when it stops, and what it goes back to."""

import torch

from tests.training.small import bars, config
from training import checkpoints
from training import fit as fit_module
from training.fit import fit
from training.run import CHECKPOINT_FILE
from training.stopping import EarlyStopping


def see(stopping: EarlyStopping, figures: list[tuple[float, float]]) -> None:
    for epoch, (accuracy, loss) in enumerate(figures, 1):
        stopping.see(epoch, accuracy, loss, lambda epoch=epoch: {"epoch": torch.tensor(epoch)})


def test_it_waits_as_long_as_told_and_keeps_the_best():
    stopping = EarlyStopping(2)
    see(stopping, [(0.5, 1.0), (0.7, 0.9), (0.6, 0.1)])
    assert not stopping.done
    see(stopping, [(0.6, 0.1)])
    assert stopping.done
    assert stopping.best_epoch == 2
    assert stopping.weights == {"epoch": torch.tensor(2)}


def test_the_loss_decides_between_equal_accuracies():
    stopping = EarlyStopping(3)
    see(stopping, [(0.5, 1.0), (0.5, 0.8), (0.5, 0.9)])
    assert (stopping.best_epoch, stopping.waited) == (2, 1)


def test_without_patience_nothing_is_kept():
    stopping = EarlyStopping(None)
    see(stopping, [(0.5, 1.0)] * 50)
    assert not stopping.done
    assert stopping.weights is None


def test_its_state_goes_on_where_it_was():
    stopping, other = EarlyStopping(2), EarlyStopping(2)
    see(stopping, [(0.5, 1.0), (0.4, 1.0)])
    other.load_state_dict(stopping.state_dict())
    other.see(3, 0.4, 1.0, dict)
    assert other.done
    assert other.best_epoch == 1


def test_a_run_stops_and_returns_to_its_best_epoch(tmp_path, monkeypatch):
    figures = iter([(0.3, 1.0), (0.9, 0.5), (0.4, 0.9), (0.4, 0.9), (1.0, 0.1)])
    monkeypatch.setattr(fit_module, "_figures", lambda *_: next(figures))
    run = fit(config(epochs=5, patience=2, schedule="constant"), bars(), tmp_path / "run")
    assert (run.metrics().epochs, run.metrics().best_epoch) == (4, 2)
    monkeypatch.undo()
    two = fit(config(epochs=2, schedule="constant"), bars(), tmp_path / "two")  # ends with the average of epoch 2
    left, right = (checkpoints.load(r.folder / CHECKPOINT_FILE)[0] for r in (run, two))
    assert all(torch.equal(left[name], right[name]) for name in right)
    assert run.metrics().scores.confusion == two.metrics().scores.confusion
