"""Figures in the words of a verdict."""

from training.gate.facts import Change, ClassOrder, Latency


def percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def points(share: float) -> str:
    """A difference of shares, in points of a hundred."""
    return f"{100 * share:.1f} points"


def fall(what: str, change: Change) -> str:
    """A share that got smaller than it may, with how sure that is."""
    return (
        f"{what} falls from {percent(change.champion or 0)} to {percent(change.candidate)}, by {points(change.worse or 0)}; "
        f"{points(change.bound or 0)} are allowed, and the fall is larger than that {_sure(change)}."
    )


def rise(what: str, change: Change, form: str = "{:.3f}", unit: str = "") -> str:
    """A figure that got larger than it may."""
    champion, candidate, worse, bound = (
        form.format(value or 0) + unit for value in (change.champion, change.candidate, change.worse, change.bound)
    )
    return (
        f"{what} rises from {champion} to {candidate}, by {worse}; {bound} more are allowed, and the rise is larger than that "
        f"{_sure(change)}."
    )


def _sure(change: Change) -> str:
    return f"in {percent(change.beyond or 0)} of the resamples"


def order(found: ClassOrder) -> str:
    listed = ", ".join(f"its {answer} is a {grade}" for answer, grade in found.means.items())
    return (
        f"The candidate's answers contradict the class order of its card: {listed}. As it stands, {percent(found.accuracy)} "
        f"are right, renamed so {percent(found.renamed_accuracy)}. Export it again with the order of grades it was trained with."
    )


def temperature(ratio: float) -> str:
    """What a temperature that does not fit does to the answers."""
    return f"too sure of itself by a temperature of {ratio:.2f}" if ratio > 1 else f"too unsure by a temperature of {ratio:.2f}"


def too_slow(latency: Latency, limit_ms: float) -> str:
    return f"A photograph takes {latency.candidate_ms:.2f} ms on one thread; the budget is {limit_ms:g} ms."


def slower(latency: Latency, most: float) -> str:
    champion = latency.champion_ms or 0
    return (
        f"A photograph takes {latency.candidate_ms:.2f} ms on one thread, {latency.candidate_ms / champion:.1f} times the "
        f"champion's {champion:.2f} ms; {most:g} times is allowed."
    )
