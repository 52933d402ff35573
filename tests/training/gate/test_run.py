"""The gate on model files: what it reads from them, what it refuses before it compares, and the page it writes."""

import re
from dataclasses import replace

import numpy as np
import pytest

from models.card import Calibration, TrainingData
from models.errors import DataError
from models.grades import GRADES
from tests.models.onnx_files import make_card, write_model
from training.gate import GateBounds, NamedModel, run_gate
from training.gate.report import MOST_PICTURES, write_gate_report
from training.gate.served import latency, unexplained
from training.sources import LabelledSet, Sample

COLOURS = np.random.default_rng(3).permutation([(r, g, b) for r in (60, 128, 196) for g in (60, 128, 196) for b in (90, 166)])[:9]
"""Of each grade: what these models tell fruit apart by."""
QUICK = {"bounds": GateBounds(resamples=300), "latency_runs": 10}


def coloured(count: int = 180, noise: float = 10.0, seed: int = 0) -> LabelledSet:
    rng = np.random.default_rng(seed)
    samples = []
    for index in range(count):
        colour = np.clip(COLOURS[index % 9] + rng.normal(scale=noise, size=3), 0, 255)
        pixels = np.broadcast_to(colour.astype(np.uint8), (8, 8, 3)).copy()
        samples.append(Sample(f"fruit <{index}>", GRADES[index % 9], pixels=pixels))
    return LabelledSet("coloured", tuple(samples))


@pytest.fixture
def model(tmp_path):
    """Nearest colour, as logits linear in the mean colour; `lost` names grades that it takes for the next one."""

    def make(name: str, order=GRADES, shown=None, blur: float = 0.0, temperature: float = 1.0, **card) -> NamedModel:
        centres = (COLOURS[[GRADES.index(grade) for grade in order]] / 255).astype(np.float32)
        centres = centres + np.random.default_rng(1).normal(scale=blur or 1e-9, size=centres.shape).astype(np.float32)
        weights, bias = 2 * centres.T * 200, -(centres**2).sum(axis=1) * 200
        calibration = Calibration(temperature=temperature, images=9)
        made = make_card(shown or order, seed=len(name), calibration=calibration, **card).model_dump_json()
        write_model(tmp_path / f"{name}.onnx", weights.astype(np.float32), bias.astype(np.float32), made)
        return NamedModel(name, (tmp_path / f"{name}.onnx").read_bytes())

    return make


def test_cards_of_different_order_are_compared_grade_by_grade(model):
    verdict, evidence = run_gate(model("a", order=GRADES[::-1]), model("b"), coloured(), **QUICK)
    assert (verdict.outcome, verdict.golden.won, verdict.golden.lost) == ("not_better", 0, 0)
    np.testing.assert_allclose(evidence.candidate, evidence.champion, atol=1e-5)
    assert verdict.golden.accuracy.candidate > 0.9


def test_a_card_that_lists_the_grades_wrongly_is_told_so(model):
    verdict, _ = run_gate(model("a", shown=(*GRADES[1:], GRADES[0])), model("b"), coloured(), **QUICK)
    assert [reason.code for reason in verdict.reasons] == ["class_order"]


def test_other_grades_are_refused_before_anything_is_compared(model):
    fewer = model("a", order=GRADES[:8])
    verdict, evidence = run_gate(fewer, model("b"), coloured(), **QUICK)
    assert [reason.code for reason in verdict.reasons] == ["grade_set"]
    assert (verdict.golden, evidence, verdict.candidate.name) == (None, None, "a")
    with pytest.raises(DataError, match="labelled C"):
        run_gate(fewer, None, coloured(), **QUICK)


def test_no_images_are_an_error(model):
    with pytest.raises(DataError, match="no images"):
        run_gate(model("a"), None, LabelledSet("none", ()), **QUICK)


def test_a_candidate_that_learned_the_golden_set_by_heart_is_refused(model):
    golden = coloured()
    learned = (TrainingData(name="x", sha256=golden.sha256, images=180, counts=golden.counts()),)
    verdict, _ = run_gate(model("a", data=learned), model("b", blur=0.12), golden, **QUICK)
    assert [reason.code for reason in verdict.reasons] == ["leak"]
    verdict, _ = run_gate(model("c"), model("d", blur=0.12, data=learned), golden, **QUICK)
    assert verdict.outcome == "better"
    assert "The champion was trained on" in verdict.notes[0]


def test_answers_that_are_no_numbers_are_refused(model, tmp_path):
    card = make_card().model_dump_json()
    write_model(tmp_path / "nan.onnx", np.full((3, 9), np.nan, np.float32), np.zeros(9, np.float32), card)
    verdict, evidence = run_gate(NamedModel("nan", (tmp_path / "nan.onnx").read_bytes()), model("b"), coloured(), **QUICK)
    assert [reason.code for reason in verdict.reasons] == ["not_finite"]
    assert "180 of 180" in verdict.reasons[0].text
    assert evidence is None


def test_corrections_are_a_comparison_of_their_own(model):
    corrected = coloured(60, seed=5)
    verdict, _ = run_gate(model("a", blur=0.2), model("b"), coloured(), corrected, **QUICK)
    assert verdict.outcome == "refused"
    assert "corrections" in [reason.code for reason in verdict.reasons]
    assert (verdict.corrections.images, verdict.golden.images) == (60, 180)


def test_a_first_model_is_timed_alone(model):
    verdict, evidence = run_gate(model("a", temperature=1.0), None, coloured(), **QUICK)
    assert verdict.champion is None
    assert (verdict.latency.champion_ms, verdict.latency.runs) == (None, 10)
    assert 0 < verdict.latency.candidate_ms < 1000
    assert evidence.champion is None


def test_the_page_shows_what_gets_better_and_what_gets_worse(model, tmp_path):
    verdict, evidence = run_gate(model("<a>", blur=0.1), model("b", blur=0.16), coloured(), **QUICK)
    path = tmp_path / "gate.html"
    write_gate_report(path, verdict, evidence)
    text = path.read_text()
    right = [(one.argmax(1) == evidence.truth) for one in (evidence.candidate, evidence.champion)]
    better, worse = int((right[0] & ~right[1]).sum()), int((right[1] & ~right[0]).sum())
    assert better + worse > 0
    assert text.count("<figure>") == min(better, MOST_PICTURES) + min(worse, MOST_PICTURES)
    assert "What gets better" in text or not better
    assert not re.search(r"""(src|href)\s*=\s*["'](?!data:|#)|url\(|@import|<link|<script""", text)
    assert "fruit &lt;" in text
    assert "fruit <" not in text
    assert "&lt;a&gt;" in text
    assert verdict.reasons[0].text.replace("'", "&#39;") in text
    assert len(text) < 300_000


def test_a_page_without_evidence_has_the_reason(model, tmp_path):
    verdict, evidence = run_gate(model("a", order=GRADES[:8]), model("b"), coloured(), **QUICK)
    write_gate_report(tmp_path / "gate.html", verdict, evidence)
    text = (tmp_path / "gate.html").read_text()
    assert "they must be the same" in text
    assert "<table" not in text


def test_equal_files_take_about_as_long(model):
    content, photographs = model("a").content, np.zeros((3, 8, 8, 3), np.uint8)
    found = latency((content, photographs), (content, photographs), runs=40)
    assert 0.2 < found.candidate_ms / found.champion_ms < 5


def parts(images: int = 80, seed: int = 0):
    """Logits of a pooled head, and of a head with a hidden layer; their maps summed or averaged; the hidden units."""
    rng = np.random.default_rng(seed)
    maps = rng.normal(size=(images, 9, 12))
    hidden = rng.normal(size=(images, 16))
    return maps, hidden, rng.normal(size=9), rng.normal(size=(16, 9))


def test_a_map_that_adds_up_by_its_mean():
    maps, hidden, bias, _ = parts()
    logits, means, sums = maps.mean(2) + bias, maps.mean(2), maps.sum(2)
    assert unexplained(logits, means, sums, hidden) < 1e-9
    assert unexplained(logits, means, sums) < 1e-9
    assert unexplained(logits, np.roll(means, 1, axis=1), sums) > 0.1  # the maps of other grades
    assert unexplained(logits[:5], means[:5], sums[:5]) is None


def test_a_map_that_adds_up_by_its_sum():
    maps, hidden, bias, paths = parts()
    means, sums = maps.mean(2), maps.sum(2)
    logits = sums + (hidden > 0) @ paths + bias
    assert unexplained(logits, means, sums, hidden) < 1e-9
    assert unexplained(logits, means, np.roll(sums, 1, axis=1), hidden) > 0.1
    few = slice(0, 12)  # fewer than there are units: any remainder could be fitted
    assert unexplained(logits[few], means[few], sums[few], hidden[few]) is None


def test_the_fruit_of_a_set_are_its_groups(model):
    data = coloured()
    grouped = replace(data, samples=tuple(replace(s, group=f"{i // 18}{s.grade}") for i, s in enumerate(data.samples)))
    verdict, _ = run_gate(model("a"), model("b"), grouped, **QUICK)
    assert verdict.golden.fruit == 90
    assert verdict.golden.recall["M"].fruit == 10
