"""What the gate said, as it is shown: whole, of earlier versions, and of files that somebody damaged."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from models.grades import GRADES
from models.judged import GateFigures, gate_of, judged_models
from models.retrainings import Retrainings, RetrainRequest
from tests.models.verdicts import RIGHT, comparison, counts, judged, verdict

OLD, NEW = "20261101T000000Z-000001", "20261124T021100Z-000002"
MODEL = "a" * 64


@pytest.fixture
def known(tmp_path: Path) -> Retrainings:
    return Retrainings(tmp_path / "retrainings")


def test_before_any_verdict_there_is_none(known):
    assert judged_models(known) == {}
    state = known.create(RetrainRequest(), NEW)
    assert judged_models(known) == {}
    assert gate_of(known, state) is None


def test_the_figures_of_both_models(known):
    more = {"recent": comparison(champion=False), "corrections": None}
    state, _ = judged(known, NEW, verdict(MODEL, **more))
    gate = gate_of(known, state)
    assert (gate.retraining_id, gate.verdict, gate.passed, gate.champion_version) == (NEW, "better", True, 1)
    assert [(reason.code, reason.text) for reason in gate.reasons] == [("better", "It is better.")]
    assert gate.notes == ["Too few fruit to judge the recall of C (3 fruit)."]
    assert gate.judged_at == datetime(2026, 11, 24, 2, 11, tzinfo=UTC)
    assert (gate.images, gate.fruit, gate.grades, gate.won, gate.lost) == (90, 45, list(GRADES), 12, 3)
    assert gate.target_accuracy == 0.9
    ours, theirs = gate.candidate, gate.champion
    assert (ours.accuracy, ours.ece, ours.cost_yen, ours.coverage, ours.far_errors) == (0.8, 0.03, 1.5, 0.7, None)
    assert (theirs.accuracy, theirs.ece, theirs.cost_yen, theirs.coverage) == (0.7, 0.04, 2.0, 0.6)
    assert (ours.confusion, theirs.confusion) == (counts(RIGHT), counts(RIGHT - 1))
    for figures, right in ((ours, RIGHT), (theirs, RIGHT - 1)):
        assert list(figures.per_grade) == list(GRADES)
        for one in figures.per_grade.values():
            assert (one.recall, one.precision, one.support) == (right / 10, right / 10, 10)
    assert isinstance(gate.recent.candidate, GateFigures)
    assert (gate.recent.champion, gate.corrections) == (None, None)


@pytest.mark.parametrize(
    ("outcome", "passed", "word"),
    [
        ("better", True, "better"),
        ("not_better", True, "not_worse"),
        ("not_better", False, "not_better"),
        ("refused", False, "refused"),
    ],
)
def test_the_word_for_it(known, outcome, passed, word):
    state, _ = judged(known, NEW, verdict(MODEL, outcome, passed))
    assert gate_of(known, state).verdict == word
    assert judged_models(known) == {MODEL: (NEW, word)}


def test_models_that_could_not_be_compared(known):
    state, _ = judged(known, NEW, verdict(MODEL, "refused", False, golden=None), champion=None)
    gate = gate_of(known, state)
    assert (gate.images, gate.champion, gate.candidate, gate.champion_version) == (0, None, None, None)


def test_of_an_earlier_version_that_kept_less(known):
    said = verdict(MODEL, golden=comparison(confusion=False))
    del said["judged_at"]
    state, path = judged(known, NEW, said)
    os.utime(path, (1_795_000_000, 1_795_000_000))
    gate = gate_of(known, state)
    assert gate.judged_at == datetime.fromtimestamp(1_795_000_000, UTC)
    assert gate.candidate.confusion is None
    assert (gate.candidate.per_grade["M"].recall, gate.candidate.per_grade["M"].precision) == (0.8, None)


def test_the_newest_retraining_that_made_a_model_counts(known):
    judged(known, NEW, verdict(MODEL))
    judged(known, OLD, verdict(MODEL, "refused", False))
    assert judged_models(known) == {MODEL: (NEW, "better")}


def test_a_verdict_that_is_written_anew_is_read_anew(known):
    _, path = judged(known, NEW, verdict(MODEL))
    assert judged_models(known) == {MODEL: (NEW, "better")}
    path.write_text(json.dumps(verdict("b" * 64, "not_better", False)))
    assert judged_models(known) == {"b" * 64: (NEW, "not_better")}


@pytest.mark.parametrize("content", ["", "{", "[]", '{"outcome": "splendid"}', '{"outcome": "better", "passed": true}'])
def test_a_damaged_one_is_told_in_the_log_once_and_hides_no_other(known, caplog, content):
    judged(known, OLD, verdict(MODEL))
    state, path = judged(known, NEW, verdict(MODEL))
    path.write_text(content)
    for _ in range(3):
        assert judged_models(known) == {MODEL: (OLD, "better")}
        assert gate_of(known, state) is None
    assert caplog.text.count("what the gate said is not shown") == 1
    assert str(path) in caplog.text
