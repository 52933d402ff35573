"""A Comparison and what was measured beside it -> the Verdict: pure rules, each with its reason."""

from collections.abc import Iterator, Sequence
from typing import Final

from training.gate import words
from training.gate.bounds import GateBounds, Require
from training.gate.facts import Change, Code, Comparison, GradeChange, Graded, Latency, Outcome, Reason, Verdict

Found = tuple[Code, str]

_ORDER_RECALL: Final = 0.5
"""Renamed answers must be right this often: names shuffled at random fit the noise a little, too."""

_GRAVEST_FIRST: Final = ("accuracy", "recall", "far_errors", "cost", "calibration", "coverage")


def judge(
    golden: Comparison | None,
    bounds: GateBounds | None = None,
    *,
    require: Require = "better",
    recent: Comparison | None = None,
    tried: int = 1,
    corrections: Comparison | None = None,
    latency: Latency | None = None,
    parity: float | None = None,
    cam_error: float | None = None,
    refusals: Sequence[Reason] = (),
    notes: Sequence[str] = (),
    candidate: Graded | None = None,
    champion: Graded | None = None,
) -> Verdict:
    """Refused where a bound is broken or something in `refusals` is; else better where the gain in accuracy is significant, by
    McNemar's test and by the paired bootstrap alike, or where there is no champion to be better than.

    `golden` may be None only with `refusals`. `recent` are images of today's fruit and light, drawn as they come and seen by
    neither model: a golden set of other days cannot show what was learned of them. A gain there counts too, in accuracy or, as
    they are few, in the log loss without a fall in accuracy, where the golden set does not pay for it; the candidate was the best
    of `tried` on them, which is asked more of.

    On corrections the candidate must not do worse; that it does better there makes it no better, since they are images on which
    the champion erred, and it may have trained on them.
    """
    bounds = bounds or GateBounds()
    if golden is None and not refusals:
        raise ValueError("without a comparison there must be a reason for it")
    reasons = list(refusals)
    said = list(notes)
    if golden:
        reasons += [Reason(code=code, text=text) for code, text in _refusals(golden, bounds)]
        said += _unjudged(golden, bounds)
        if recent and recent.fruit < bounds.min_recent_fruit:
            said.append(f"{recent.fruit} recent fruit prove no gain; {bounds.min_recent_fruit} are needed.")
    if recent:
        reasons += [Reason(code="recent", text=text) for text in _fell_surely(recent, "recent images")]
    if corrections:
        reasons += [Reason(code="corrections", text=text) for text in _fell_surely(corrections, "corrected images")]
    measured = (*_of_latency(latency, bounds), *_of_exactness(parity, cam_error, bounds))
    reasons += [Reason(code=code, text=text) for code, text in measured]
    outcome: Outcome = "refused"
    passed = False
    if golden and not reasons:
        outcome, *reasons = _gains(golden, recent, bounds, tried)
        passed = outcome == "better" or (require == "not_worse" and not _fell(golden) and not (recent and _worse(recent)))
    return Verdict(
        outcome=outcome,
        passed=passed,
        require=require,
        reasons=tuple(reasons),
        notes=tuple(said),
        candidate=candidate,
        champion=champion,
        golden=golden,
        recent=recent,
        corrections=corrections,
        latency=latency,
        parity=parity,
        cam_error=cam_error,
        bounds=bounds,
    )


def _gains(
    golden: Comparison, recent: Comparison | None, bounds: GateBounds, tried: int
) -> tuple[Outcome, Reason] | tuple[Outcome, Reason, Reason]:
    """Whether it is better on either set, and why."""
    outcome, reason = _gain(golden, 1 - bounds.certainty)
    if outcome == "better" or recent is None or recent.fruit < bounds.min_recent_fruit:
        return outcome, reason
    alpha = (1 - bounds.certainty) / (2 * tried)  # two looks at them, at accuracy and at log loss
    outcome, lately = _gain(recent, alpha)
    if outcome != "better" and (surer := _surer(recent, alpha)):
        outcome, lately = "better", surer
    if outcome == "better" and _fell(golden, bounds.max_golden_fall):
        text = f"{lately.text} But it falls by {words.points(golden.accuracy.worse or 0)} on {golden.data}"
        lately = Reason(code="not_better", text=f"{text}; {words.points(bounds.max_golden_fall)} are allowed.")
        return "not_better", lately, reason
    return outcome, Reason(code="better_lately" if outcome == "better" else "not_better", text=lately.text), reason


def _gain(golden: Comparison, alpha: float) -> tuple[Outcome, Reason]:
    """Whether the candidate, which broke no bound, is better. One-sided throughout: the question is whether it is better."""
    accuracy = golden.accuracy
    if golden.p_value is None or accuracy.champion is None or accuracy.worse is None or accuracy.high is None:
        text = f"There is no champion; {words.percent(accuracy.candidate)} of {golden.images} images of {golden.data} are right."
        return "better", Reason(code="first", text=text)
    figures = (
        f"accuracy {words.percent(accuracy.champion)} to {words.percent(accuracy.candidate)} on {golden.images} images of "
        f"{golden.data}; {golden.won} fruit won, {golden.lost} lost, which models of equal skill do with probability "
        f"{golden.p_value:.2g}"
    )
    if golden.p_value <= alpha and accuracy.high < 0:
        return "better", Reason(
            code="better",
            text=f"Better: {figures}; the gain is {words.points(-(accuracy.worse))}, at least {words.points(-accuracy.high)}.",
        )
    return "not_better", Reason(code="not_better", text=f"Not shown to be better: {figures}; {alpha:.2g} or less is asked for.")


def _surer(recent: Comparison, alpha: float) -> Reason | None:
    """A gain that so few images show first in how sure the answers are: right no more rarely, and of a smaller log loss.

    The log loss is a proper scoring rule (Gneiting and Raftery 2007): it rewards nothing but better probabilities.
    """
    loss, accuracy = recent.log_loss, recent.accuracy
    if loss.beyond is None or loss.beyond > alpha or accuracy.worse is None or accuracy.worse > 0:
        return None
    text = (
        f"Better: log loss {loss.champion:.3f} to {loss.candidate:.3f} on {recent.images} images of {recent.data}, a fall "
        f"in all but {words.percent(loss.beyond)} of the resamples; accuracy {words.percent(accuracy.champion or 0)} to "
        f"{words.percent(accuracy.candidate)}."
    )
    return Reason(code="better_lately", text=text)


def _worse(recent: Comparison) -> bool:
    """Whether both figures fell, as they are: among so few images one more error is nothing, if the answers are no worse."""
    loss = recent.log_loss.worse
    return _fell(recent) and loss is not None and loss > 0


def _fell(golden: Comparison, most: float | None = None) -> bool:
    """Whether accuracy fell by more than its bound, or `most`, if only by the figures as they are."""
    worse, bound = golden.accuracy.worse, golden.accuracy.bound if most is None else most
    return worse is not None and bound is not None and worse > bound


def _refusals(golden: Comparison, bounds: GateBounds) -> Iterator[Found]:
    if golden.images < bounds.min_images:
        yield "too_few_images", f"{golden.data} holds {golden.images} images; {bounds.min_images} are needed to decide anything."
    poor = [grade for grade in golden.grades if _fruit(golden, grade) < bounds.min_fruit_per_grade]
    if len(poor) > bounds.max_unjudged_grades:
        yield (
            "too_few_grades",
            (
                f"{golden.data} holds fewer than {bounds.min_fruit_per_grade} fruit of {' '.join(poor)}; at most "
                f"{bounds.max_unjudged_grades} grades may go unjudged."
            ),
        )
    order = golden.order
    if order.renamed_accuracy - order.accuracy >= bounds.min_order_gain and order.moved_recall >= _ORDER_RECALL:
        yield "class_order", words.order(order)
        return  # the other figures only follow from it
    yield from sorted([*_floors(golden, bounds), *_falls(golden, bounds)], key=lambda found: _GRAVEST_FIRST.index(found[0]))


def _floors(golden: Comparison, bounds: GateBounds) -> Iterator[Found]:
    accuracy, ece = golden.accuracy.candidate, golden.ece.candidate
    if accuracy < bounds.min_accuracy:
        commonest = max(change.images for change in golden.recall.values()) / golden.images
        yield (
            "accuracy",
            (
                f"{words.percent(accuracy)} are right, the floor is {words.percent(bounds.min_accuracy)}; one and the "
                f"same answer to all would be right for up to {words.percent(commonest)}."
            ),
        )
    for grade, change in golden.recall.items():
        low = change.candidate < bounds.min_recall and change.fruit >= bounds.min_fruit_per_grade
        if low and (change.champion is None or change.candidate < change.champion):
            yield (
                "recall",
                (
                    f"Of {change.fruit} {grade}, {words.percent(change.candidate)} are recognised; the floor is "
                    f"{words.percent(bounds.min_recall)}."
                ),
            )
    if golden.far_errors and golden.far_errors.candidate > bounds.max_far_errors:
        yield (
            "far_errors",
            (
                f"{words.percent(golden.far_errors.candidate)} of the images are graded far from the truth; the limit is "
                f"{words.percent(bounds.max_far_errors)}."
            ),
        )
    if ece > max(bounds.max_ece, golden.ece_by_chance):
        yield "calibration", f"The calibration error is {ece:.3f}, the limit {bounds.max_ece:g}."
    off, before = _off(golden.temperature_ratio), _off(golden.champion_temperature_ratio or 1.0)
    # A champion that is as far off, on a golden set from another season perhaps, must not keep every candidate out.
    if off > max(bounds.max_temperature_ratio, 1.25 * before):
        yield (
            "calibration",
            (
                f"The candidate is {words.temperature(golden.temperature_ratio)}; {bounds.max_temperature_ratio:g} either way "
                f"is allowed. Its calibration error is {ece:.3f}. Calibrate it again."
            ),
        )


def _off(ratio: float) -> float:
    return max(ratio, 1 / ratio)


def _falls(golden: Comparison, bounds: GateBounds) -> Iterator[Found]:
    if _exceeds(golden.accuracy, bounds.certainty):
        yield "accuracy", words.fall("Accuracy", golden.accuracy)
    for grade, change in golden.recall.items():
        if _recall_broken(change, len(golden.recall), bounds):
            yield "recall", words.fall(f"Recall of {grade} ({change.fruit} fruit)", change)
    if golden.far_errors and _exceeds(golden.far_errors, bounds.certainty):
        yield "far_errors", words.rise("The share of far errors", golden.far_errors)
    if golden.cost and _exceeds(golden.cost, bounds.certainty):
        yield "cost", words.rise("The cost of a fruit", golden.cost, "{:.2f}", " yen")
    if _exceeds(golden.ece, bounds.certainty):
        yield "calibration", words.rise("The calibration error", golden.ece)
    if _exceeds(golden.coverage, bounds.certainty):
        what = f"The share accepted at {bounds.target_accuracy:.0%} accuracy"
        yield "coverage", words.fall(what, golden.coverage)


def _exceeds(change: Change, certainty: float) -> bool:
    """Whether a figure is worse than its bound allows: as it is, and in enough of the draws."""
    if change.worse is None or change.bound is None or change.beyond is None:
        return False
    return change.worse > change.bound and change.beyond >= certainty


def _recall_broken(change: GradeChange, grades: int, bounds: GateBounds) -> bool:
    """A fall that is certain, each of so many grades having a chance to look bad, or one so large that less certainty will do."""
    if change.fruit < bounds.min_fruit_per_grade or change.worse is None:
        return False
    if change.worse > bounds.far_recall_fall and _exceeds(change, bounds.far_certainty):
        return True
    return _exceeds(change, 1 - (1 - bounds.certainty) / grades)


def _fell_surely(found: Comparison, what: str) -> Iterator[str]:
    # A bound of 0 would hang on chance alone; that of the golden set's accuracy is meant.
    if found.accuracy.low is not None and found.accuracy.bound is not None and found.accuracy.low > found.accuracy.bound:
        yield words.fall(f"On {found.images} {what} accuracy", found.accuracy)


def _of_latency(latency: Latency | None, bounds: GateBounds) -> Iterator[Found]:
    if latency is None:
        return
    if latency.candidate_ms > bounds.max_latency_ms:
        yield "latency", words.too_slow(latency, bounds.max_latency_ms)
    champion = latency.champion_ms
    if champion and latency.candidate_ms > max(bounds.latency_free_ms, bounds.max_latency_ratio * champion):
        yield "latency", words.slower(latency, bounds.max_latency_ratio)


def _of_exactness(parity: float | None, cam_error: float | None, bounds: GateBounds) -> Iterator[Found]:
    if parity is not None and not parity <= bounds.max_parity:
        yield "parity", f"The file's logits differ from its checkpoint's by {parity:.2g}; the limit is {bounds.max_parity:g}."
    if cam_error is not None and not cam_error <= bounds.max_cam_error:
        yield (
            "cam",
            (
                f"The map `cam` does not add up to the logits: {cam_error:.2g} of the largest logit is left over; the limit is "
                f"{bounds.max_cam_error:g}."
            ),
        )


def _unjudged(golden: Comparison, bounds: GateBounds) -> Iterator[str]:
    poor = {grade: _fruit(golden, grade) for grade in golden.grades if _fruit(golden, grade) < bounds.min_fruit_per_grade}
    if poor:
        listed = ", ".join(f"{grade} ({fruit} fruit)" for grade, fruit in poor.items())
        yield f"Too few fruit to judge the recall of {listed}."


def _fruit(golden: Comparison, grade: str) -> int:
    change = golden.recall.get(grade)
    return change.fruit if change else 0
