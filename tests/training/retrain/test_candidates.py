"""Which trainings are tried, which of them goes to the gate, and what a resumed retraining does not do again."""

import logging
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.card import Calibration, ModelCard, read_card
from models.errors import DataError
from tests.training.recipes import QUICK
from tests.training.retrain.worlds import World
from training import fit as fit_module
from training.evaluate import Answers
from training.golden import Golden
from training.kept import keep, kept
from training.recipe import RECIPES
from training.retrain import candidates
from training.retrain.candidates import Candidate, Champion, loss, notes_of, train_candidate
from training.retrain.material import Material, Taken, assemble
from training.retrain.progress import Reporter
from training.retrain.run import find_champion
from training.run import CONFIG_FILE, Run
from training.sources import LabelledSet, Sample, load


class Trained:
    """`train_candidate` in a world, with the new photographs kept."""

    def __init__(self, world: World) -> None:
        self.world = world
        retrainings = world.places.retrainings
        self.state = retrainings.create(world.asked())
        self.folder = retrainings.folder(self.state.id)
        known = [batch.folder.name for batch in kept(world.places.kept_batches)]
        self.new = keep(load(world.source("new")), world.places.kept_batches).folder.name
        self.earlier = tuple(known)

    def material(self) -> Material:
        taken = Taken(new=(self.new,), earlier=self.earlier, changed=False)
        return assemble(taken, self.world.places.kept_batches, Golden(self.world.places.golden).data(), self.world.asked())

    def __call__(self, changed: bool = False, material: Material | None = None, **asked: object) -> Candidate:
        return train_candidate(
            self.world.asked(**asked),
            material or self.material(),
            Taken(new=(self.new,), earlier=self.earlier, changed=changed),
            self.folder,
            "cucumber",
            find_champion(self.world.places.repository),
            Reporter(self.world.places.retrainings, self.state),
        )


@pytest.fixture
def trained(world: World) -> Trained:
    return Trained(world)


@pytest.fixture
def fits(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Folder and epochs of every `fit`, a from-scratch one being of a single epoch."""
    begun: list[tuple[str, int]] = []
    real, settings = fit_module.fit, candidates.default_config

    def fit(config, data, out, **more):  # type: ignore[no-untyped-def]
        begun.append((out.name, config.epochs))
        return real(config, data, out, **more)

    monkeypatch.setattr(candidates, "fit", fit)
    monkeypatch.setattr(candidates, "default_config", lambda *given, **more: settings(*given, **{"epochs": 1, **more}))
    return begun


@pytest.fixture
def losses(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """What each training loses; nothing is trained."""
    told = {"fine-tuned": 1.0, "from-scratch": 1.0}

    def trained(place: int) -> Callable[..., Run]:
        def run(*given: object) -> Run:
            return Run(given[place], None)  # type: ignore[arg-type]

        return run

    def export(run: Run, out: Path, name: str) -> tuple[None, float]:
        out.write_bytes(out.stem.encode())
        return None, 0.25 if out.stem == "fine-tuned" else 0.5

    monkeypatch.setattr(candidates, "_fine_tuned", trained(2))
    monkeypatch.setattr(candidates, "_from_scratch", trained(2))
    monkeypatch.setattr(candidates, "export", export)
    monkeypatch.setattr(candidates, "loss", lambda model, _: told[model.decode()])
    return told


@pytest.mark.parametrize(("fine", "scratch", "better"), [(0.4, 0.5, "fine-tuned"), (0.5, 0.4, "from scratch")])
def test_the_better_of_two_goes_to_the_gate(trained, losses, fine, scratch, better):
    losses |= {"fine-tuned": fine, "from-scratch": scratch}
    found = trained(changed=True, scratch="auto")
    assert (found.kind, found.losses) == (better, {"fine-tuned": fine, "from scratch": scratch})
    assert found.model == f"{better.replace(' ', '-')}.onnx"
    assert found.parity == (0.25 if better == "fine-tuned" else 0.5)
    assert Candidate.read(trained.folder) == found
    assert f"The {better} one went to the gate" in " ".join(notes_of(found, None))


@pytest.mark.parametrize(
    ("changed", "asked", "kinds"),
    [
        (False, {"scratch": "auto"}, ["fine-tuned"]),
        (False, {"scratch": "always"}, ["from scratch"]),
        (True, {"scratch": "never"}, ["fine-tuned"]),
        (False, {"scratch": "auto", "arch": "lenet"}, ["fine-tuned"]),
        (False, {"scratch": "auto", "arch": "resnet34"}, ["fine-tuned", "from scratch"]),
        (False, {"scratch": "auto", "recipe": "fruit"}, ["fine-tuned", "from scratch"]),
    ],
)
def test_what_is_tried(trained, losses, changed, asked, kinds):
    assert list(trained(changed=changed, **asked).losses) == kinds


def test_without_weights_or_a_champion_it_begins_afresh(trained, losses, world):
    next(world.places.models.rglob("checkpoint.pt")).unlink()
    found = trained()
    assert list(found.losses) == ["from scratch"]
    assert "without its weights" in " ".join(notes_of(found, find_champion(world.places.repository)))
    shutil.rmtree(world.places.models)
    (trained.folder / "candidate.json").unlink()
    assert list(trained().losses) == ["from scratch"]


def test_a_missing_grade_is_named_with_the_way_out(trained, world, losses):
    known = trained.material()
    without_c = replace(known.new, samples=tuple(s for s in known.new.samples if s.grade != "C"))
    alone = replace(known, new=without_c, earlier=None)
    with pytest.raises(DataError, match=r"no photographs of C to learn from.*champion was trained on: --replay SOURCE"):
        trained(material=alone)
    shutil.rmtree(world.places.models)
    with pytest.raises(
        DataError, match=r"no photographs of C to learn from.*label some"
    ):  # not after hours, when it is published
        trained(material=alone)


def test_recent_and_earlier_photographs_count_alike(monkeypatch):
    samples = tuple(Sample(f"s{i}", "L", pixels=np.full((8, 8, 3), i, np.uint8)) for i in range(4))
    nothing = LabelledSet("new", samples)
    material = Material(nothing, None, LabelledSet("recent", samples[:1]), None, nothing, ())
    chances = np.array([0.5, 0.1, 0.1, 0.1])
    logits = np.log(np.stack([chances, 1 - chances], axis=1))
    read = ModelCard.model_construct(grades=("L", "M"), calibration=Calibration(temperature=1.0))
    monkeypatch.setattr(candidates, "answers", lambda *_: Answers(read, logits, np.zeros(4, np.int64), np.empty(0, np.uint8)))
    assert loss(b"", material) == pytest.approx((-np.log(0.5) - np.log(0.1)) / 2)


def test_what_was_trained_is_not_trained_again(trained, fits, monkeypatch):
    first = trained(changed=True, scratch="auto")
    assert fits == [("fine-tuned", 2), ("from-scratch", 1)]
    model = (trained.folder / first.model).read_bytes()
    assert trained(changed=True, scratch="auto") == first
    assert (trained.folder / first.model).read_bytes() == model
    assert len(fits) == 2
    # Killed while it exported: the runs are there, the candidate is not.
    (trained.folder / "candidate.json").unlink()
    assert trained(changed=True, scratch="auto").losses == first.losses
    assert len(fits) == 2
    card = read_card(trained.folder / first.model)
    assert {data.sha256 for data in card.data} == {b.data.sha256 for b in kept(trained.world.places.kept_batches)}


def test_killed_before_a_training_wrote_what_it_is(trained, fits):
    half = trained.folder / "fine-tuned"
    half.mkdir()
    (half / f".{CONFIG_FILE}.123").write_bytes(b"{")
    assert trained().kind == "fine-tuned"
    assert not (half / f".{CONFIG_FILE}.123").exists()


def test_what_became_golden_meanwhile_is_not_known_to_the_model(trained, fits, caplog):
    before = trained()
    golden, learned = Golden(trained.world.places.golden), trained.material().new.samples[:2]
    golden.add(LabelledSet("more", learned))
    with caplog.at_level(logging.INFO):
        after = trained()
    assert after.material != before.material
    assert "begins anew" in caplog.text
    assert len(fits) == 2
    assert Run.open(trained.folder / "fine-tuned").facts.data.images == len(trained.material().everything())


def test_after_another_became_the_champion_the_training_begins_from_that(trained, fits):
    trained()
    (trained.folder / "candidate.json").unlink()
    other = trained.world.promote_another()
    trained()
    assert Run.open(trained.folder / "fine-tuned").facts.start.name == f"cucumber version {other}"
    assert len(fits) == 2


def test_an_rbf_champion_follows_its_recipe_anew(trained, world, monkeypatch):
    monkeypatch.setitem(RECIPES, "fruit", {**RECIPES["fruit"], **QUICK})
    first = trained(recipe="fruit", scratch="always")
    run = trained.folder / first.run
    version = world.places.repository.publish(trained.folder / first.model, promote=True, checkpoint=run / "checkpoint.pt")
    champion = find_champion(world.places.repository)
    assert isinstance(champion, Champion)
    assert champion.version == version
    assert champion.start is None
    (trained.folder / "candidate.json").unlink()
    shutil.rmtree(run)
    again = trained(scratch="auto")
    assert again.kind == "from scratch"
    assert read_card(trained.folder / again.model).recipe == "fruit"
    assert "cannot be fine-tuned" in " ".join(notes_of(again, champion))
