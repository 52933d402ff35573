"""Each reason to refuse, each way to pass, and the sets on which nothing can be said."""

import numpy as np
import pytest
from scipy.special import softmax

from models.grades import GRADES
from tests.training.gate.made_up import K, answers, pair, truths
from training.gate import Change, GateBounds, Latency, Reason, Verdict, compare, judge

TRUTH = truths(1000)


def codes(verdict: Verdict) -> list[str]:
    assert (verdict.outcome == "refused") or len(verdict.reasons) == 1
    return [reason.code for reason in verdict.reasons]


def judged(candidate, champion, truth=TRUTH, bounds=None, groups=None, **more) -> Verdict:
    quick = (bounds or GateBounds()).model_copy(update={"resamples": 500})
    return judge(compare(candidate, champion, truth, GRADES, bounds=quick, groups=groups), quick, **more)


@pytest.fixture(scope="module")
def champion():
    return answers(0.85, TRUTH, 1)


def test_a_much_better_candidate_passes_and_says_by_how_much(champion):
    verdict = judged(answers(0.95, TRUTH, 2), champion)
    assert (verdict.outcome, verdict.passed) == ("better", True)
    golden = verdict.golden
    assert golden.p_value < 0.001
    assert f"{golden.won} fruit won, {golden.lost} lost" in verdict.reasons[0].text
    assert golden.accuracy.low < golden.accuracy.worse < golden.accuracy.high < 0


def test_the_champion_itself_is_not_better_and_passes_only_where_that_is_enough(champion):
    verdict = judged(champion, champion)
    assert (verdict.outcome, verdict.passed) == ("not_better", False)
    assert (verdict.golden.won, verdict.golden.lost, verdict.golden.p_value) == (0, 0, 1.0)
    assert verdict.golden.accuracy.worse == verdict.golden.accuracy.low == 0
    assert judged(champion, champion, require="not_worse").passed


def test_not_worse_does_not_mean_worse_without_proof(champion):
    worse = champion.copy()
    wrong = np.flatnonzero(champion.argmax(1) == TRUTH)[:12]  # 1.2 points, too few to be certain that it is more than 1
    worse[wrong] = np.roll(worse[wrong], 1, axis=1)
    verdict = judged(worse, champion, require="not_worse")
    assert (verdict.outcome, verdict.passed) == ("not_better", False)


RECENT = truths(60)


def lately(candidate, champion, recent_candidate, recent_champion, bounds=None, **more) -> Verdict:
    quick = (bounds or GateBounds()).model_copy(update={"resamples": 500})
    recent = compare(recent_candidate, recent_champion, RECENT, GRADES, bounds=quick, data="recent")
    return judge(compare(candidate, champion, TRUTH, GRADES, bounds=quick, data="golden"), quick, recent=recent, **more)


def test_a_gain_on_recent_images_is_enough_where_the_golden_set_does_not_pay_for_it(champion):
    good, bad = answers(0.95, RECENT, 2), answers(0.6, RECENT, 3)
    verdict = lately(champion, champion, good, bad)
    assert (verdict.outcome, verdict.passed) == ("better", True)
    assert [reason.code for reason in verdict.reasons] == ["better_lately", "not_better"]
    assert "of recent" in verdict.reasons[0].text
    worse = champion.copy()
    right, wrong = np.flatnonzero(champion.argmax(1) == TRUTH), np.flatnonzero(champion.argmax(1) != TRUTH)
    worse[right[:65]] = np.roll(worse[right[:65]], 1, axis=1)
    worse[wrong[:40]] = np.eye(K)[TRUTH[wrong[:40]]]  # 2.5 points less in all: more than 2, and not certainly more than 1
    only_accuracy = GateBounds(max_coverage_fall=1, max_ece_rise=1, max_ece=1, max_recall_fall=1, max_temperature_ratio=99)
    paid = lately(worse, champion, good, bad, only_accuracy)
    assert (paid.outcome, paid.passed) == ("not_better", False)
    assert "2.5 points on golden; 2.0 points are allowed" in paid.reasons[0].text


def close_answers(sure: float, wrong: int, after: int = 0) -> np.ndarray:
    """As sure of the truth as told, but for `wrong` images after the first `after`: there another grade is a little likelier."""
    found = np.full((len(RECENT), K), (1 - sure) / (K - 1))
    rows = np.arange(len(RECENT))
    found[rows, RECENT] = sure
    missed = rows[after : after + wrong]
    found[missed] = 0.15 / (K - 2)
    found[missed, RECENT[missed]], found[missed, (RECENT[missed] + 1) % K] = 0.40, 0.45
    return found


@pytest.mark.parametrize(
    ("won", "lost", "tried", "outcome"),
    [(9, 2, 1, "not_better"), (10, 2, 1, "better"), (10, 2, 2, "not_better")],  # by chance 0.033, 0.019
)
def test_the_best_of_several_must_show_more(champion, won, lost, tried, outcome):
    ours, theirs = close_answers(0.85, lost, after=won), close_answers(0.9, won)
    assert lately(champion, champion, ours, theirs, tried=tried).outcome == outcome


def test_answers_that_are_right_as_often_and_surer_are_better(champion):
    verdict = lately(champion, champion, close_answers(0.9, 5), close_answers(0.7, 5))
    assert (verdict.outcome, verdict.reasons[0].code) == ("better", "better_lately")
    assert "log loss" in verdict.reasons[0].text
    assert verdict.recent.log_loss.worse == pytest.approx((np.log(0.7) - np.log(0.9)) * 55 / 60)
    assert lately(champion, champion, close_answers(0.7, 5), close_answers(0.9, 5)).outcome == "not_better"
    rarer = lately(champion, champion, close_answers(0.95, 6), close_answers(0.5, 5))  # surer, and right once less
    assert rarer.outcome == "not_better"


def test_one_more_recent_error_is_not_worse_where_the_answers_are_surer(champion):
    asked = {"require": "not_worse"}
    assert lately(champion, champion, close_answers(0.95, 6), close_answers(0.5, 5), **asked).passed
    assert not lately(champion, champion, close_answers(0.5, 6), close_answers(0.95, 5), **asked).passed


def test_a_few_recent_fruit_prove_nothing(champion):
    def few(of: np.ndarray) -> np.ndarray:
        return of[:19]

    quick = GateBounds(resamples=500)
    recent = compare(few(close_answers(0.9, 0)), few(close_answers(0.9, 19)), few(RECENT), GRADES, bounds=quick, data="recent")
    verdict = judge(compare(champion, champion, TRUTH, GRADES, bounds=quick), quick, recent=recent)
    assert (verdict.outcome, verdict.passed) == ("not_better", False)
    assert "19 recent fruit prove no gain; 20 are needed." in verdict.notes


def test_a_sure_fall_on_recent_images_refuses(champion):
    verdict = lately(champion, champion, answers(0.5, RECENT, 2), answers(0.95, RECENT, 3))
    assert verdict.outcome == "refused"
    assert codes(verdict) == ["recent"]


def test_shuffled_labels(champion):
    verdict = judged(answers(0.95, np.random.default_rng(0).permutation(TRUTH), 2), champion)
    assert codes(verdict)[0] == "accuracy"
    assert "class_order" not in codes(verdict)  # renaming fits the noise a little; that is no other order
    assert f"{100 * verdict.golden.accuracy.candidate:.1f} % are right" in verdict.reasons[0].text


def test_one_grade_collapsed_under_a_better_average(champion):
    candidate = answers(0.97, TRUTH, 2)
    candidate[np.isin(TRUTH, 4), 4] = 0
    candidate /= candidate.sum(axis=1, keepdims=True)
    verdict = judged(candidate, champion)
    assert verdict.golden.accuracy.candidate > verdict.golden.accuracy.champion
    assert "recall" in codes(verdict)
    recalls = [reason.text for reason in verdict.reasons if reason.code == "recall"]
    assert all("2S" in text for text in recalls)
    assert any(text.startswith("Recall of 2S (111 fruit) falls from") for text in recalls)


def test_a_small_fall_of_a_grade_is_refused_once_it_is_certain():
    for images, expected in ((900, ["not_better"]), (9000, ["recall"])):
        truth = truths(images)
        good = answers(0.9, truth, 1)
        fallen = good.copy()
        of_m = np.flatnonzero((truth == 2) & (good.argmax(1) == 2))[: images // 100]  # 9 points of M
        fallen[of_m] = fallen[of_m][:, [0, 2, 1, 3, 4, 5, 6, 7, 8]]  # called L, its neighbour
        assert codes(judged(fallen, good, truth)) == expected


@pytest.mark.parametrize("off", [0.3, 3.0])
def test_a_temperature_far_off(champion, off):
    candidate = softmax(np.log(answers(0.88, TRUTH, 2)) / off, axis=1)
    verdict = judged(candidate, champion)
    assert set(codes(verdict)) == {"calibration"}
    word = "too sure of itself" if off < 1 else "too unsure"
    assert any(word in reason.text for reason in verdict.reasons)


def test_a_champion_as_uncalibrated_keeps_nobody_out():
    ours, theirs = (softmax(np.log(part) / 0.45, axis=1) for part in pair(TRUTH, 0.85, 0.95, 3))
    assert judged(ours, theirs).outcome == "better"


def test_another_class_order_is_named_and_is_the_one_reason(champion):
    good = answers(0.95, TRUTH, 2)
    order = [1, 2, 3, 4, 5, 6, 7, 8, 0]  # every answer is called by the name of the next grade
    verdict = judged(good[:, order], champion)
    assert codes(verdict) == ["class_order"]
    found = verdict.golden.order
    assert found.means == {GRADES[j]: GRADES[order[j]] for j in range(K)}
    assert found.renamed_accuracy == pytest.approx((good.argmax(1) == TRUTH).mean())
    assert "its 2L is a L" in verdict.reasons[0].text


def test_two_swapped_grades_are_another_order_too(champion):
    verdict = judged(answers(0.95, TRUTH, 2)[:, [0, 1, 2, 3, 4, 5, 7, 6, 8]], champion)
    assert codes(verdict) == ["class_order"]
    assert verdict.golden.order.means == {"BM": "BS", "BS": "BM"}


@pytest.mark.parametrize("accuracy", [0.5, 0.85])
def test_honest_errors_are_no_other_order(accuracy, champion):
    assert "class_order" not in codes(judged(answers(accuracy, TRUTH, 9), champion))


def test_far_errors_and_cost(champion):
    wrong = champion.argmax(1) != TRUTH
    far = champion.copy()
    far[wrong] = np.eye(K)[np.where(TRUTH[wrong] == 8, 2, 8)] * 0.6 + 0.4 / K  # as many errors, each the worst one
    verdict = judged(far, champion, bounds=GateBounds(max_ece_rise=1, max_temperature_ratio=100))
    assert verdict.golden.accuracy.worse == pytest.approx(0)
    assert {"far_errors", "cost"} <= set(codes(verdict))
    assert any("yen" in reason.text for reason in verdict.reasons)


def test_coverage(champion):
    unsure = answers(0.86, TRUTH, 2)
    hits = unsure.argmax(1) == TRUTH
    unsure[~hits] = np.eye(K)[unsure[~hits].argmax(1)]  # surest where it is wrong
    bounds = GateBounds(max_ece_rise=1, max_ece=1, max_temperature_ratio=100)
    assert "coverage" in codes(judged(unsure, champion, bounds=bounds))


@pytest.mark.parametrize(
    ("candidate_ms", "champion_ms", "refused"),
    [(24.0, 20.0, False), (26.0, 20.0, True), (24.0, 10.0, True), (4.0, 0.2, False), (24.0, None, False), (26.0, None, True)],
)
def test_latency(champion, candidate_ms, champion_ms, refused):
    latency = Latency(candidate_ms=candidate_ms, champion_ms=champion_ms, runs=9)
    verdict = judged(answers(0.95, TRUTH, 2), champion, latency=latency)
    assert codes(verdict) == (["latency"] if refused else ["better"])
    assert not refused or f"{candidate_ms:.2f} ms" in verdict.reasons[0].text


def test_parity_and_map(champion):
    good = answers(0.95, TRUTH, 2)
    assert codes(judged(good, champion, parity=2e-4, cam_error=2e-3)) == ["parity", "cam"]
    assert codes(judged(good, champion, parity=float("nan"))) == ["parity"]
    assert codes(judged(good, champion, parity=1e-6, cam_error=1e-5)) == ["better"]


def test_a_first_model_needs_the_floors_alone():
    verdict = judged(answers(0.8, TRUTH, 1), None)
    assert (verdict.outcome, verdict.passed, codes(verdict)) == ("better", True, ["first"])
    assert verdict.golden.p_value is None
    assert verdict.golden.accuracy.champion is None
    assert "accuracy" in codes(judged(answers(0.4, TRUTH, 1), None))
    blind = answers(0.9, TRUTH, 1)
    blind[:, 3] = 0
    assert codes(judged(blind / blind.sum(1, keepdims=True), None))[0] == "recall"


def test_floors_hold_against_a_champion_that_is_below_them_too():
    assert "accuracy" in codes(judged(answers(0.45, TRUTH, 1), answers(0.3, TRUTH, 2)))


@pytest.mark.parametrize("images", [1, 9, 89])
def test_a_tiny_set_decides_nothing(images):
    truth = truths(images)
    perfect = np.full((images, K), 0.01) + 0.91 * np.eye(K)[truth]
    verdict = judged(perfect, perfect[:, ::-1], truth)
    assert "too_few_images" in codes(verdict)
    assert not verdict.passed


def test_a_few_unlucky_fruit_of_a_rare_grade_refuse_nobody():
    truth = np.concatenate([truths(1000)[truths(1000) != 8], np.full(9, 8)])
    theirs = answers(0.85, truth, 1)
    ours = answers(0.95, truth, 2)
    ours[-9:] = np.roll(np.eye(K)[truth[-9:]], 1, axis=1) * 0.8 + 0.2 / K
    verdict = judged(ours, theirs, truth)
    assert verdict.golden.recall["C"].candidate == 0
    assert codes(verdict) == ["better"]
    assert verdict.notes == ("Too few fruit to judge the recall of C (9 fruit).",)
    bounds = GateBounds(min_fruit_per_grade=9)
    assert "recall" in codes(judged(ours, theirs, truth, bounds))


def test_ninety_images_of_nine_fruit_are_nine_fruit():
    truth = np.repeat(np.arange(K), 10)
    perfect = np.full((90, K), 0.01) + 0.91 * np.eye(K)[truth]
    assert codes(judged(perfect, None, truth, groups=[GRADES[k] for k in truth])) == ["too_few_grades"]
    assert judged(perfect, None, truth, GateBounds(max_temperature_ratio=9)).passed


def test_a_set_of_one_grade_is_not_enough():
    truth = np.full(300, 2)
    always = np.full((300, K), 0.01) + 0.91 * np.eye(K)[truth]
    verdict = judged(always, None, truth)
    assert verdict.golden.accuracy.candidate == 1
    assert "too_few_grades" in codes(verdict)
    assert list(verdict.golden.recall) == ["M"]


def test_ties_are_neither_won_nor_lost():
    truth = truths(180)
    flat = np.full((180, K), 1 / K)
    verdict = judged(flat, flat, truth, GateBounds(min_accuracy=0, max_far_errors=1, min_recall=0))
    assert codes(verdict) == ["not_better"]
    assert verdict.golden.coverage.candidate == 0
    assert verdict.golden.order.means == {}


def test_corrections_may_refuse_and_never_praise(champion):
    truth = truths(300)
    good, bad = answers(0.95, truth, 5), answers(0.5, truth, 6)
    fell, rose = compare(bad, good, truth, GRADES), compare(good, bad, truth, GRADES)
    verdict = judged(answers(0.95, TRUTH, 2), champion, corrections=fell)
    assert codes(verdict) == ["corrections"]
    assert "On 300 corrected images accuracy falls from" in verdict.reasons[0].text
    assert judged(champion, champion, corrections=rose).outcome == "not_better"


def test_what_cannot_be_compared_is_refused_with_the_given_reason():
    verdict = judge(None, refusals=[Reason(code="grade_set", text="other grades")])
    assert (verdict.outcome, verdict.passed, verdict.golden) == ("refused", False, None)
    with pytest.raises(ValueError, match="must be a reason"):
        judge(None)


def test_digits_have_no_far_errors_and_no_price():
    truth = np.arange(200) % 2
    ours = np.where(truth[:, None] == np.arange(2), 0.9, 0.1)
    found = compare(ours, ours, truth, ("0", "1"))
    assert found.far_errors is None
    assert found.cost is None
    assert judge(found, GateBounds(max_temperature_ratio=9)).outcome == "not_better"


def test_a_verdict_survives_being_written(champion):
    verdict = judged(answers(0.95, TRUTH, 2), champion)
    assert Verdict.model_validate_json(verdict.model_dump_json()) == verdict


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"champion": np.full((9, 8), 1 / 8)}, "champion have shape"),
        ({"candidate": np.full((9, 9), np.nan)}, "not finite"),
        ({"groups": ["a"]}, "1 groups for 9 images"),
        ({"truth": np.empty(0, int), "candidate": np.empty((0, 9))}, "no image"),
    ],
)
def test_wrong_shapes_are_named(change, words):
    given = {"candidate": np.full((9, 9), 1 / 9), "champion": None, "truth": np.arange(9), "groups": None, **change}
    with pytest.raises(ValueError, match=words):
        compare(given["candidate"], given["champion"], given["truth"], GRADES, groups=given["groups"])


def test_a_change_says_which_way_is_worse():
    truth = truths(300)
    found = compare(answers(0.6, truth, 1), answers(0.9, truth, 2), truth, GRADES)
    falls: list[Change] = [found.accuracy, found.coverage, *found.recall.values(), found.cost, found.far_errors]
    assert all(change.worse > 0 for change in falls)
    assert found.cost.worse == pytest.approx(found.cost.candidate - found.cost.champion)
    assert found.accuracy.worse == pytest.approx(found.accuracy.champion - found.accuracy.candidate)
