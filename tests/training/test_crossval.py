"""Cross-validation with trainers that need no network: what they are shown, and what is made of their answers."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from models.card import Calibration
from models.errors import DataError, InvalidSetting
from tests.training.small import bars
from training.cost import CostModel
from training.crossval import CrossvalResult, crossvalidate
from training.sources import LabelledSet, Sample

GRADES = ("2L", "M", "2S")


@dataclass
class Told:
    """Answers what a table says, by the sample's name; the sureness of every answer is the same."""

    table: dict[str, str]
    grades: tuple[str, ...]
    seen: list[str]
    calibration: Calibration = field(default_factory=lambda: Calibration(temperature=2.0))
    asked: list[str] = field(default_factory=list)

    def logits(self, samples):
        self.asked += [sample.name for sample in samples]
        logits = np.zeros((len(samples), len(self.grades)), np.float32)
        for row, sample in zip(logits, samples, strict=True):
            row[self.grades.index(self.table[sample.name])] = 3.0
        return logits


@dataclass
class Spy:
    """A trainer that notes what it is given."""

    table: dict[str, str]
    name: str = "spy"
    calls: list = field(default_factory=list)
    models: list = field(default_factory=list)

    def fit(self, data, seed, grades, folder):
        self.calls.append((data, seed, grades, folder))
        self.models.append(Told(self.table, grades, [sample.name for sample in data.samples]))
        return self.models[-1]


def truthful(data):
    return {sample.name: sample.grade for sample in data.samples}


def test_a_trainer_never_sees_what_its_model_is_asked():
    data = bars(60)
    spy = Spy(truthful(data))
    crossvalidate(spy, data, folds=4, seeds=(3, 8), resamples=2)
    everything = {sample.name for sample in data.samples}
    assert len(spy.models) == 8
    for model in spy.models:
        assert set(model.seen).isdisjoint(model.asked)
        assert set(model.seen) | set(model.asked) == everything
    for start in (0, 4):
        asked = [name for model in spy.models[start : start + 4] for name in model.asked]
        assert sorted(asked) == sorted(everything)
    assert [seed for _, seed, _, _ in spy.calls] == [3] * 4 + [8] * 4
    assert {grades for _, _, grades, _ in spy.calls} == {GRADES}
    assert len({folder for _, _, _, folder in spy.calls}) == 8
    # nor does anything else it was handed reach them
    for (part, _, _, _), model in zip(spy.calls, spy.models, strict=True):
        assert {sample.name for sample in part.samples} == set(model.seen)
        assert sum(part.counts().values()) == 45


def test_views_of_a_fruit_are_never_on_both_sides():
    samples = [Sample(f"{s.name}/{v}", s.grade, pixels=s.pixels, group=s.name) for s in bars(36).samples for v in "ab"]
    data = LabelledSet("views", tuple(samples))
    spy = Spy(truthful(data))
    crossvalidate(spy, data, folds=3, resamples=2)
    for model in spy.models:
        assert {name.split("/")[0] for name in model.seen}.isdisjoint(name.split("/")[0] for name in model.asked)


def test_the_figures_are_those_of_the_answers():
    data = bars(60)
    table = truthful(data)
    for name in ("bar0", "bar3"):  # true 2L
        table[name] = "M"
    found = crossvalidate(Spy(table), data, folds=3, seeds=(1, 2), costs=CostModel(claim_yen=1), resamples=50)
    result = found.result
    assert result.model == "spy"
    assert result.images == 60
    assert result.accuracy == pytest.approx(58 / 60)
    assert result.confusion == [[36, 4, 0], [0, 40, 0], [0, 0, 40]]  # two seeds
    assert [seed.confusion[0] for seed in result.by_seed] == [[18, 2, 0]] * 2
    assert [np.mean(row) for row in result.fold_accuracies] == pytest.approx([58 / 60] * 2)
    assert result.cost.mean_yen == pytest.approx(2 * (4 + 1) / 60)
    assert (result.folds, result.seeds) == (3, (1, 2))
    assert np.shape(result.seconds) == (2, 3)
    assert found.out_of_fold.fold.min() == 0
    # logit 3 against 0 and 0 at temperature 2: e^1.5 / (e^1.5 + 2); before calibration e^3 / (e^3 + 2)
    assert result.ece == pytest.approx(58 / 60 - np.exp(1.5) / (np.exp(1.5) + 2))
    assert result.selective.threshold == pytest.approx(np.exp(1.5) / (np.exp(1.5) + 2))
    assert result.selective.coverage == 1.0
    assert found.out_of_fold.uncalibrated.max() == pytest.approx(np.exp(3) / (np.exp(3) + 2))
    assert CrossvalResult.model_validate_json(result.model_dump_json()) == result


def test_each_answer_is_calibrated_by_its_own_model():
    data = bars(30)

    class Colder(Spy):
        def fit(self, *arguments):
            model = super().fit(*arguments)
            model.calibration = Calibration(temperature=float(len(self.models)))
            return model

    found = crossvalidate(Colder(truthful(data)), data, folds=3, resamples=2).out_of_fold
    assert found.temperature.tolist() == [[1.0, 2.0, 3.0]]
    for fold in range(3):
        sure = found.probabilities[0][found.fold[0] == fold].max(axis=1)
        expected = np.exp(3 / (fold + 1))
        assert sure == pytest.approx(np.full(10, expected / (expected + 2)))


def test_the_answers_can_be_kept_without_pickles(tmp_path):
    data = bars(30)
    found = crossvalidate(Spy(truthful(data)), data, folds=3, seeds=(4, 5), resamples=2).out_of_fold
    found.save(tmp_path / "oof.npz")
    with np.load(tmp_path / "oof.npz", allow_pickle=False) as kept:
        assert kept["names"].tolist() == sorted(s.name for s in data.samples)
        assert kept["grades"].tolist() == list(GRADES)
        assert kept["seeds"].tolist() == [4, 5]
        assert kept["logits"].shape == kept["probabilities"].shape == (2, 30, 3)
        by_name = truthful(data)
        assert [kept["grades"][i] for i in kept["truth"]] == [by_name[name] for name in kept["names"]]
        assert (kept["probabilities"].argmax(axis=-1) == kept["truth"]).all()


def test_progress_is_told_by_fold_and_folders_go_unless_kept(tmp_path):
    data, told = bars(30), []
    spy = Spy(truthful(data))

    class Writer(Spy):
        def fit(self, data, seed, grades, folder):
            folder.mkdir(parents=True)
            return super().fit(data, seed, grades, folder)

    spy = Writer(truthful(data))
    crossvalidate(spy, data, 3, advance=lambda: told.append(1), resamples=2)
    assert len(told) == 3
    assert not any(folder.exists() for _, _, _, folder in spy.calls)
    spy = Writer(truthful(data))
    crossvalidate(spy, data, 3, folder=tmp_path / "kept", resamples=2)
    assert sorted(path.name for path in (tmp_path / "kept").iterdir()) == ["seed0-fold1", "seed0-fold2", "seed0-fold3"]


def test_nothing_is_trained_on_data_that_cannot_be_split():
    spy = Spy({})
    with pytest.raises(DataError, match="too few for 30 folds"):
        crossvalidate(spy, bars(60), folds=30)
    with pytest.raises(DataError, match="not distinct"):
        crossvalidate(spy, bars(60), seeds=(1, 1))
    assert spy.calls == []


def test_logits_of_another_shape_are_a_bug_and_say_so():
    class Short(Spy):
        def fit(self, *arguments):
            model = super().fit(*arguments)
            model.logits = lambda samples: np.zeros((len(samples), 2), np.float32)
            return model

    with pytest.raises(ValueError, match=r"spy: logits of shape \(10, 2\)"):
        crossvalidate(Short({}), bars(30), folds=3)


def test_a_grade_without_a_price_is_found_before_the_work():
    spy = Spy(truthful(bars(60)))
    with pytest.raises(InvalidSetting, match="no price for M 2S"):
        crossvalidate(spy, bars(60), folds=4, costs=CostModel(price_yen={"2L": 12.0}))
    assert not spy.calls
