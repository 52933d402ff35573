"""A verdict as training writes it is the one that the service shows: the same figures, by grade and answer."""

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, precision_score

from models.grades import GRADES
from models.judged import gate_of, judged_models
from models.retrainings import GATE_VERDICT, Retrainings, RetrainRequest
from tests.training.gate.test_run import QUICK, coloured, model  # noqa: F401 - model is a fixture
from training.gate import Verdict, run_gate


def test_both_models_grade_by_grade(model, tmp_path):  # noqa: F811
    data, few = coloured(), coloured(36, seed=4)
    verdict, evidence = run_gate(model("a", blur=0.1), model("b", blur=0.16), data, few, recent=few, **QUICK)
    known = Retrainings(tmp_path / "retrainings")
    state = known.create(RetrainRequest()).model_copy(update={"champion": 3})
    path = known.folder(state.id) / GATE_VERDICT
    path.parent.mkdir()
    path.write_text(verdict.model_dump_json())
    gate = gate_of(known, state)
    assert judged_models(known)[verdict.candidate.sha256] == (state.id, gate.verdict)
    assert (gate.images, gate.won, gate.lost, gate.champion_version) == (180, verdict.golden.won, verdict.golden.lost, 3)
    assert [reason.code for reason in gate.reasons] == [reason.code for reason in verdict.reasons]
    assert (gate.recent.images, gate.corrections.images) == (36, 36)
    truth = evidence.truth
    for shown, said, which in (
        (gate.candidate, evidence.candidate, "candidate"),
        (gate.champion, evidence.champion, "champion"),
    ):
        answered = said.argmax(1)
        np.testing.assert_array_equal(shown.confusion, confusion_matrix(truth, answered, labels=range(9)))
        precision = precision_score(truth, answered, labels=range(9), average=None, zero_division=np.nan)
        for place, grade in enumerate(GRADES):
            one = shown.per_grade[grade]
            assert one.support == (truth == place).sum()
            assert one.recall == pytest.approx((answered[truth == place] == place).mean())
            never = np.isnan(precision[place])  # nothing was graded so
            assert one.precision == (None if never else pytest.approx(precision[place]))
        assert shown.accuracy == pytest.approx((answered == truth).mean())
        for name, figure in (("ece", "ece"), ("cost_yen", "cost"), ("coverage", "coverage"), ("far_errors", "far_errors")):
            assert getattr(shown, name) == getattr(getattr(verdict.golden, figure), which)


def test_a_first_model_has_no_champion_beside_it(model):  # noqa: F811
    verdict, _ = run_gate(model("a"), None, coloured(), **QUICK)
    assert verdict.golden.confusion.champion is None
    assert np.sum(verdict.golden.confusion.candidate) == 180


def test_a_verdict_of_an_earlier_version_is_read(model):  # noqa: F811
    verdict, _ = run_gate(model("a"), model("b"), coloured(), **QUICK)
    earlier = verdict.model_dump(mode="json", exclude={"golden": {"confusion"}, "judged_at": True})
    read = Verdict.model_validate(earlier)
    assert (read.golden.confusion, read.judged_at) == (None, None)
