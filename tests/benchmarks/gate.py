"""Whether the gate lets in what it should and nothing else: python -m tests.benchmarks.gate [--cache DIR]

On 1,000 rendered fruit, five bad candidates must be refused, each for its own reason. Then two studies of 20 golden sets each: a
candidate 5 points better must be called better in at least 18 of them, one that equals the champion in at most 2. One study has
made-up answers, the other those of really trained networks: sets are drawn with replacement from 2,000 rendered fruit; which
network answers for the candidate is drawn by lot for each fruit, so that it is exactly as good, or 5 points better, by
construction. Exit 1 where any of it fails. Renders and models are kept in the cache; without it, some two minutes of one core.
"""

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

from models.card import CARD_KEY, ModelCard, read_card
from models.grades import GRADES
from models.graph import LOGITS
from models.preprocess import PreprocessSpec
from tests.training.gate.made_up import pair, truths
from training.config import default_config
from training.evaluate import answers
from training.export import export
from training.fit import fit
from training.gate import GateBounds, NamedModel, Verdict, compare, judge, run_gate
from training.sources import LabelledSet, Sample
from training.synth import RIG, render

POOL, GOLDEN, TRAIN, SEEDS = 2000, 1000, 1350, 20
SPEC = PreprocessSpec(width=16, height=16)
BETTER = 0.05


def rendered(cache: Path, count: int, seed: int) -> LabelledSet:
    """`count` fruit of all grades, 32x32 pixels, the first ones the same for every count; drawn once."""
    path = cache / f"fruit-{seed}-{count}.npz"
    if not path.exists():
        drawn = [render(GRADES[i % 9], (32, 32), np.random.default_rng([seed, i]), RIG).pixels for i in range(count)]
        np.savez_compressed(path, pixels=np.stack(drawn))
    with np.load(path, allow_pickle=False) as kept:
        pixels = kept["pixels"]
    return LabelledSet(path.stem, tuple(Sample(f"fruit{i:05d}", GRADES[i % 9], pixels=one) for i, one in enumerate(pixels)))


def trained(cache: Path, name: str, data: LabelledSet, epochs: int, seed: int) -> bytes:
    """A LeNet, exported; trained once."""
    path = cache / f"{name}.onnx"
    if not path.exists():
        began = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            run = fit(default_config("lenet", SPEC, epochs=epochs, seed=seed, split_seed=0), data, Path(folder) / "run")
            took = time.perf_counter() - began
            export(run, path)
        print(f"trained {name}: {epochs} epochs in {took:.0f} s", file=sys.stderr, flush=True)
    return path.read_bytes()


def relabelled(data: LabelledSet, grades: list[str]) -> LabelledSet:
    changed = [replace(sample, grade=grade) for sample, grade in zip(data.samples, grades, strict=True)]
    return LabelledSet(f"{data.name} relabelled", tuple(changed))


def with_changes(model: bytes, **changes: object) -> bytes:
    """The same network under another card."""
    proto = onnx.load_model_from_string(model)
    cards = [entry for entry in proto.metadata_props if entry.key == CARD_KEY]
    card = ModelCard.model_validate({**json.loads(cards[0].value), **changes})
    helper.set_model_props(proto, {CARD_KEY: card.model_dump_json()})
    return proto.SerializeToString()


def slowed(model: bytes, units: int = 2500, layers: int = 24) -> bytes:
    """The same logits after work that adds 0 to them."""
    proto = onnx.load_model_from_string(model)
    graph, grades = proto.graph, len(GRADES)
    for node in graph.node:
        for index, output in enumerate(node.output):
            if output == LOGITS:
                node.output[index] = "quick"
        for index, given in enumerate(node.input):
            if given == LOGITS:
                node.input[index] = "quick"
    shapes = {"slow_in": (grades, units), "slow": (units, units), "slow_out": (units, grades)}
    graph.initializer.extend(numpy_helper.from_array(np.zeros(shape, np.float32), name) for name, shape in shapes.items())
    weights = ["slow_in", *["slow"] * layers, "slow_out"]
    values = ["quick", *(f"slow{i}" for i in range(len(weights)))]
    for i, weight in enumerate(weights):
        graph.node.append(helper.make_node("MatMul", [values[i], weight], [values[i + 1]]))
    graph.node.append(helper.make_node("Add", ["quick", values[-1]], [LOGITS]))
    return proto.SerializeToString()


def bad_candidates(cache: Path, good: bytes, training: LabelledSet) -> dict[str, tuple[bytes, str]]:
    """Name -> model, and the reason that must be given."""
    rng = np.random.default_rng(0)
    labels = [sample.grade for sample in training.samples]
    shuffled = relabelled(training, rng.permutation(labels).tolist())
    one_lost = relabelled(training, ["BM" if grade == "BS" and rng.random() < 0.9 else grade for grade in labels])
    card = read_card(cache / "better.onnx")
    temperature = {**card.calibration.model_dump(), "temperature": card.calibration.temperature / 4}
    return {
        "shuffled labels": (trained(cache, "shuffled", shuffled, 4, 3), "accuracy"),
        "one grade lost": (trained(cache, "one-lost", one_lost, 14, 4), "recall"),
        "overconfident": (with_changes(good, calibration=temperature), "calibration"),
        "other class order": (with_changes(good, grades=(*card.grades[3:], *card.grades[:3])), "class_order"),
        "too slow": (slowed(good), "latency"),
    }


def told(name: str, verdict: Verdict) -> None:
    codes = ", ".join(dict.fromkeys(reason.code for reason in verdict.reasons))
    accuracy = f", {verdict.golden.accuracy.candidate:.1%} right" if verdict.golden else ""
    print(f"{name}: {verdict.outcome} ({codes}){accuracy}")
    for reason in verdict.reasons:
        print(f"    {reason.text}")


def study(name: str, verdicts: list[Verdict], least: int, most: int) -> bool:
    """Print how often a candidate was called better; whether that lies within the limits."""
    found = Counter(verdict.outcome for verdict in verdicts)
    gains = [-verdict.golden.accuracy.worse for verdict in verdicts if verdict.golden]
    codes = Counter(reason.code for verdict in verdicts if verdict.outcome == "refused" for reason in verdict.reasons)
    differing = np.mean([(v.golden.won + v.golden.lost) / v.golden.images for v in verdicts if v.golden])
    print(
        f"{name}: better in {found['better']} of {len(verdicts)} (not better {found['not_better']}, refused {found['refused']}"
        f"{' for ' + ', '.join(codes) if codes else ''}); gain {100 * np.mean(gains):.1f} points (from {100 * min(gains):.1f} to "
        f"{100 * max(gains):.1f}), {differing:.0%} of the fruit won or lost",
        flush=True,
    )
    return least <= found["better"] <= most


def drawn_by_lot(champion: np.ndarray, others: list[np.ndarray], truth: np.ndarray, gain: float, rng: np.random.Generator):
    """Candidate's and champion's answers to a golden set drawn from the pool, the candidate `gain` better in expectation.

    With gain 0 the twins change places by lot; otherwise the candidate is the better network or the twin, as often as it takes.
    """
    twin, better = others
    picked = rng.integers(len(truth), size=GOLDEN)
    right = [(one.argmax(1) == truth).mean() for one in (champion, twin, better)]
    share = 0.5 if not gain else (right[0] + gain - right[1]) / (right[2] - right[1])
    lot = (rng.random(GOLDEN) < share)[:, None]
    if not gain:
        return np.where(lot, champion[picked], twin[picked]), np.where(lot, twin[picked], champion[picked]), truth[picked]
    return np.where(lot, better[picked], twin[picked]), champion[picked], truth[picked]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "senka-gate-benchmark")
    cache = arguments.parse_args().cache
    cache.mkdir(parents=True, exist_ok=True)
    bounds, limit = GateBounds(), 2
    made_up = {
        gain: [judge(compare(*pair(truths(GOLDEN), 0.8, 0.8 + gain, seed), truths(GOLDEN), GRADES)) for seed in range(SEEDS)]
        for gain in (BETTER, 0.0)
    }
    fine = [
        study("made-up answers, 5 points better", made_up[BETTER], SEEDS - limit, SEEDS),
        study("made-up answers, equal", made_up[0.0], 0, limit),
    ]
    pool, training = rendered(cache, POOL, 1), rendered(cache, TRAIN, 2)
    golden = LabelledSet("golden", pool.samples[:GOLDEN])
    champion, twin = trained(cache, "champion", training, 10, 0), trained(cache, "twin", training, 10, 1)
    better = trained(cache, "better", training, 14, 2)
    for name, model in {"twin of the champion": twin, "longer trained": better}.items():
        told(name, run_gate(NamedModel(name, model), NamedModel("champion", champion), golden, bounds=bounds)[0])
    for name, (model, expected) in bad_candidates(cache, better, training).items():
        verdict, _ = run_gate(NamedModel(name, model), NamedModel("champion", champion), golden, bounds=bounds)
        told(name, verdict)
        fine.append(verdict.outcome == "refused" and expected in {reason.code for reason in verdict.reasons})
    seen = [answers(model, pool) for model in (champion, twin, better)]
    first, *others = (one.probabilities[:, [one.card.grades.index(grade) for grade in GRADES]] for one in seen)
    truth = np.array([GRADES.index(sample.grade) for sample in pool.samples])
    print("accuracy on the pool:", *(f"{(one.argmax(1) == truth).mean():.3f}" for one in (first, *others)))
    for name, gain, least, most in (("5 points better", BETTER, SEEDS - limit, SEEDS), ("equal", 0.0, 0, limit)):
        sets = [drawn_by_lot(first, others, truth, gain, np.random.default_rng([seed, 5])) for seed in range(SEEDS)]
        fine.append(study(f"trained networks, {name}", [judge(compare(*one, GRADES)) for one in sets], least, most))
    print("as it should be" if all(fine) else f"NOT as it should be: {fine}")
    sys.exit(not all(fine))


if __name__ == "__main__":
    main()
