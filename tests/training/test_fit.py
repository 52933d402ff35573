"""Training: learns, repeats itself, survives being killed, and says what is wrong with its data."""

import numpy as np
import pytest
import torch

from models.errors import DataError, RunError
from tests.training.small import bars, config
from training import checkpoints
from training import loop as loop_module
from training.fit import Progress, fit
from training.run import CHECKPOINT_FILE, PARITY_FILE, REPORT_FILE, Run, RunFacts
from training.sources import LabelledSet, Sample


class Killed(Exception):
    """Stands for a power cut."""


def weights(run: Run) -> dict[str, torch.Tensor]:
    return checkpoints.load(run.folder / CHECKPOINT_FILE)[0]


def assert_same(a: Run, b: Run) -> None:
    left, right = weights(a), weights(b)
    assert left.keys() == right.keys()
    for name in left:
        assert torch.equal(left[name], right[name]), name


def test_learns_what_can_be_learnt(tmp_path):
    run = fit(config(epochs=25), bars(150), tmp_path / "run")
    assert run.metrics().scores.accuracy >= 0.9


def test_writes_a_complete_run_folder(tmp_path):
    run = fit(config(epochs=1), bars(), tmp_path / "run")
    scores = run.metrics().scores
    assert scores.images == round(0.15 * 60)
    assert sum(map(sum, scores.confusion)) == scores.images
    errors = scores.images - sum(scores.confusion[i][i] for i in range(len(scores.grades)))
    page = (run.folder / REPORT_FILE).read_text()
    assert page.count("<figure>") == errors
    assert f"{errors} errors" in page
    assert np.load(run.folder / PARITY_FILE).shape == (scores.images, 16, 16, 3)
    assert list((run.folder / "tensorboard").glob("events.*"))


def test_the_same_seed_gives_the_same_weights_and_another_does_not(tmp_path):
    first = fit(config(), bars(), tmp_path / "a")
    assert_same(first, fit(config(), bars(), tmp_path / "b"))
    other = weights(fit(config(seed=1), bars(), tmp_path / "c"))
    assert any(not torch.equal(other[name], value) for name, value in weights(first).items())


@pytest.mark.parametrize("survived", [0, 1, 3])
def test_killed_and_resumed_ends_with_the_weights_of_an_uninterrupted_run(tmp_path, survived):
    whole = fit(config(), bars(), tmp_path / "whole")

    def cut(progress: Progress) -> None:
        if progress.epoch == survived:
            raise Killed

    if survived:
        with pytest.raises(Killed):
            fit(config(), bars(), tmp_path / "cut", watch=cut, save_every_s=0)
    else:  # before the first epoch was over
        Run.create(tmp_path / "cut", RunFacts.describe(config(), bars()), resume=False)
    assert_same(whole, fit(config(), bars(), tmp_path / "cut", resume=True))


def test_killed_inside_an_epoch_repeats_that_epoch(tmp_path, monkeypatch):
    whole = fit(config(), bars(), tmp_path / "whole")
    real, calls = loop_module.augment, []

    def cut(*arguments):
        calls.append(1)
        if len(calls) == 10:  # in the middle of the second epoch of seven batches
            raise Killed
        return real(*arguments)

    monkeypatch.setattr(loop_module, "augment", cut)
    with pytest.raises(Killed):
        fit(config(), bars(), tmp_path / "cut", save_every_s=0)
    monkeypatch.setattr(loop_module, "augment", real)
    assert_same(whole, fit(config(), bars(), tmp_path / "cut", resume=True))


def test_resume_refuses_other_settings_and_other_data(tmp_path):
    fit(config(epochs=1), bars(), tmp_path / "run")
    with pytest.raises(RunError, match=r"learning_rate 0.002 \(now 0.1\)"):
        fit(config(epochs=1, learning_rate=0.1), bars(), tmp_path / "run", resume=True)
    with pytest.raises(RunError, match="data"):
        fit(config(epochs=1), bars(seed=5), tmp_path / "run", resume=True)


def test_never_writes_over_another_run(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(RunError, match="not empty"):
        fit(config(), bars(), tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


def test_the_order_of_the_images_decides_nothing(tmp_path):
    first = fit(config(epochs=2), bars(), tmp_path / "a")
    turned = LabelledSet("bars", bars().samples[::-1])
    assert_same(first, fit(config(epochs=2), turned, tmp_path / "b"))


def test_a_regrouped_set_is_another_set(tmp_path):
    fit(config(epochs=1), bars(), tmp_path / "run")
    regrouped = LabelledSet("bars", tuple(Sample(s.name, s.grade, pixels=s.pixels, group="one") for s in bars().samples))
    assert regrouped.sha256 != bars().sha256


def test_a_batch_of_one_never_happens(tmp_path):
    run = fit(config(epochs=1, batch_size=25), bars(), tmp_path / "run")  # 51 images: 2 x 25 and one over
    assert run.metrics().scores.images == 9


def test_too_few_images_and_one_grade_are_named(tmp_path):
    with pytest.raises(DataError, match="do not fill a batch of 64"):
        fit(config(batch_size=64), bars(), tmp_path / "a")
    assert not (tmp_path / "a").exists()  # so that the same command works once it is mended
    lonely = LabelledSet("one", tuple(s for s in bars().samples if s.grade == "M"))
    with pytest.raises(DataError, match="at least two grades"):
        fit(config(), lonely, tmp_path / "b")


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path):
    with pytest.raises(DataError, match="--learning-rate"):
        fit(config(learning_rate=1e30, schedule="constant"), bars(), tmp_path / "run")


def test_images_of_one_fruit_stay_on_one_side():
    from training.splits import hold_out

    samples = [Sample(s.name, s.grade, pixels=s.pixels, group=f"fruit{i // 6}") for i, s in enumerate(bars(120).samples)]
    kept, out = hold_out(LabelledSet("views", tuple(samples)), 0.2, seed=3)
    assert len(kept) + len(out) == 120
    assert out
    assert {s.group for s in kept}.isdisjoint(s.group for s in out)


def test_every_grade_is_held_out_in_proportion():
    from training.splits import hold_out

    kept, out = hold_out(bars(120), 0.15, seed=3)
    for grade in ("2L", "M", "2S"):
        assert sum(s.grade == grade for s in out) == 6
        assert sum(s.grade == grade for s in kept) == 34
