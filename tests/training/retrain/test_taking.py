"""The intake of a retraining: what is left out and said, what is kept, and the share that the golden set grows by."""

import csv
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import cv2
import pytest

from models.errors import DataError
from models.grades import GRADES
from models.labelled import MANIFEST, LabelledImage, read_manifest, write_manifest
from models.retrainings import INTAKE_PAGE, RetrainRequest
from tests.training.retrain.worlds import World
from training.golden import Golden
from training.kept import kept
from training.retrain import taking
from training.retrain.material import Taken
from training.retrain.progress import Reporter
from training.retrain.run import find_champion
from training.retrain.taking import take_in
from training.sources import LabelledSet, load


class Intake:
    """Those of retrainings in a world, one after another; without a champion unless asked for."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.golden = Golden(world.places.golden)

    def __call__(
        self, *sources: str | Path, folder: Path | None = None, champion: bool = False, **asked: object
    ) -> tuple[Taken, Path]:
        retrainings = self.world.places.retrainings
        state = retrainings.create(RetrainRequest()) if folder is None else retrainings.get(folder.name)
        folder = retrainings.folder(state.id)
        found = find_champion(self.world.places.repository) if champion else None
        request = RetrainRequest.model_validate(asked)
        taken = take_in(
            request,
            [str(source) for source in sources],
            folder,
            self.world.places.kept_batches,
            self.golden,
            (found.content, found.card) if found else None,
            Reporter(retrainings, state),
        )
        assert Taken.read(folder) == taken
        return taken, folder

    def batch(self, name: str) -> LabelledSet:
        return next(batch.data for batch in kept(self.world.places.kept_batches) if batch.folder.name == name)


@pytest.fixture
def intake(world: World) -> Intake:
    return Intake(world)


def some(world: World, name: str, out: Path, count: int) -> list[LabelledImage]:
    """The first `count` photographs of a source in a batch of its own; returns their rows."""
    rows = list(read_manifest(Path(world.source(name)), GRADES))[:count]
    (out / "images").mkdir(parents=True, exist_ok=True)
    for row in rows:
        shutil.copy(Path(world.source(name)) / row.path, out / row.path)
    write_manifest(out, rows)
    return rows


def pixels(data: LabelledSet) -> set[str]:
    return {sample.pixel_digest() for sample in data.samples}


def report(folder: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((folder / "intake.json").read_text())
    return found


def add_rows(out: Path, rows: Sequence[tuple[str, str]]) -> None:
    with (out / MANIFEST).open(newline="") as file:
        names = next(csv.reader(file))
    with (out / MANIFEST).open("a", newline="") as file:
        csv.DictWriter(file, names, restval="").writerows({"path": path, "grade": grade} for path, grade in rows)


def test_leaks_copies_and_refused_rows_are_reported_and_left_out(world, intake, tmp_path):
    out = tmp_path / "mixed"
    rows = some(world, "new", out, 36)
    strange = [("images/none.jpg", "M"), ("images/broken.jpg", "M"), ("images/strange.jpg", "XL")]
    (out / "images" / "broken.jpg").write_bytes(b"no photograph")
    shutil.copy(out / rows[0].path, out / "images" / "strange.jpg")
    added = []
    for name, source in (("golden", "judged"), ("before", "earlier")):
        row = next(iter(read_manifest(Path(world.source(source)), GRADES)))
        shutil.copy(Path(world.source(source)) / row.path, out / "images" / f"{name}.jpg")
        added.append((f"images/{name}.jpg", row.grade))
    again = cv2.imread(str(out / "images" / "golden.jpg"))
    cv2.imwrite(str(out / "images" / "encoded-anew.jpg"), again, [cv2.IMWRITE_JPEG_QUALITY, 90])
    add_rows(out, [*added, ("images/encoded-anew.jpg", added[0][1]), *strange])
    taken, folder = intake(out)
    told = report(folder)
    why = {left["name"]: left["why"] for left in told["left_out"]}
    assert why == {
        "images/golden.jpg": "leak",
        "images/encoded-anew.jpg": "leak",
        "images/before.jpg": "copy of an earlier photograph",
        "images/broken.jpg": "unreadable",
    }
    assert {(refused["name"], refused["why"]) for refused in told["refused"]} >= {
        ("images/strange.jpg", "unknown grade"),
        ("images/broken.jpg", "unreadable"),
    }
    learned = intake.batch(taken.new[-1])
    assert len(learned) == 36
    assert not pixels(learned) & (pixels(intake.golden.data()) | pixels(load(world.source("earlier"))))
    assert "images/encoded-anew.jpg" in (folder / INTAKE_PAGE).read_text()


def test_what_another_golden_set_holds_is_a_leak_too(world, intake, tmp_path):
    some(world, "new", tmp_path / "judge", 9)
    taken, folder = intake(world.source("new"), golden=str(tmp_path / "judge"), champion=True)
    assert [left["why"] for left in report(folder)["left_out"]] == ["leak"] * 9
    assert len(intake.batch(taken.new[0])) == 45 - 9


def test_why_no_label_is_suspected_is_said(world, intake):
    _, folder = intake(world.source("new"))
    assert "no champion yet" in report(folder)["unsuspected"]
    _, folder = intake(world.source("new"), champion=True)  # copies of what was kept a moment ago
    assert report(folder)["unsuspected"] == "every photograph is left out"


def test_the_champion_suspects_labels(world, intake, tmp_path):
    some(world, "new", tmp_path / "few", 18)
    _, folder = intake(tmp_path / "few", champion=True)
    told = report(folder)
    assert told["unsuspected"] == ""
    assert told["estimated_errors"] is not None


def test_whether_much_changed(world, intake, tmp_path):
    some(world, "new", tmp_path / "few", 18)
    assert not intake(tmp_path / "few", champion=True)[0].changed
    assert intake(world.source("new"), champion=True)[0].changed  # as many as a quarter of the earlier ones, with the few
    shutil.rmtree(world.places.kept_batches / intake(champion=True)[0].new[0])
    dark = tmp_path / "dark"
    for row in some(world, "new", dark, 18):
        image = cv2.imread(str(dark / row.path))
        cv2.imwrite(str(dark / row.path), image // 3)
    for name in intake(champion=True)[0].new:
        shutil.rmtree(world.places.kept_batches / name)
    assert intake(dark, champion=True)[0].changed


def test_nothing_new_is_an_error(world, intake):
    for sources in ((), (world.source("earlier"),), (world.source("judged"),)):
        with pytest.raises(DataError, match="nothing new to learn from"):
            intake(*sources, champion=True)


def test_the_batch_of_a_refused_one_is_learned_next_time(world, intake):
    first, _ = intake(world.source("new"), champion=True)
    assert len(first.new) == 1
    for sources in ((world.source("new"),), ()):
        again, _ = intake(*sources, champion=True)
        assert (again.new, again.earlier) == (first.new, first.earlier)


def test_what_is_replayed_is_not_new(world, intake, tmp_path):
    some(world, "new", tmp_path / "few", 18)
    for folder in world.places.kept_batches.glob("[0-9a-f]*"):
        shutil.rmtree(folder)
    taken, _ = intake(tmp_path / "few", champion=True, replay=[world.source("earlier")])
    assert [len(intake.batch(name)) for name in taken.new] == [18]
    assert [len(intake.batch(name)) for name in taken.earlier] == [81]
    assert not taken.changed


def test_golden_photographs_are_not_replayed(world, intake, tmp_path):
    merged = tmp_path / "merged"
    for grade in GRADES:
        (merged / grade).mkdir(parents=True)
    for source, count in (("judged", 9), ("earlier", 27)):
        for row in some(world, source, tmp_path / source, count):
            shutil.copy(tmp_path / source / row.path, merged / row.grade / f"{source}{Path(row.path).name}")
    taken, _ = intake(world.source("new"), replay=[str(merged)])
    replayed = [intake.batch(name) for name in taken.earlier]
    assert [len(data) for data in replayed] == [27]
    assert not pixels(intake.golden.data()) & set().union(*(pixels(data) for data in replayed))


class Killed(BaseException):
    pass


@pytest.mark.parametrize("begun", [True, False], ids=["grown", "begun"])
def test_the_golden_set_grows_by_a_share_of_the_new_fruit(world, intake, begun):
    if not begun:
        shutil.rmtree(intake.golden.folder)
    before = len(intake.golden.data()) if begun else 0
    taken, _ = intake(world.source("new"), champion=True, to_golden=0.2)
    grown, learned = len(intake.golden.data()) - before, intake.batch(taken.new[0])
    assert 0.15 < grown / 45 < 0.25
    assert len(learned) == 45 - grown
    assert not pixels(learned) & pixels(intake.golden.data())
    assert taken.notes == (f"The golden set grew by {grown} photographs.",)


@pytest.mark.parametrize(
    ("at", "begun"),
    [("kept aside", True), ("grown", False), ("kept", True), ("write", False)],
)
def test_killed_and_resumed_it_grows_once_and_the_same_is_taken(world, intake, tmp_path, monkeypatch, at, begun):
    some(world, "new", tmp_path / "few", 36)
    if not begun:
        shutil.rmtree(intake.golden.folder)
    untouched = Intake(world.copy(tmp_path / "untouched"))
    wanted, whole = untouched(tmp_path / "few", to_golden=0.2)

    def die(*_: object) -> None:
        raise Killed

    keep = taking.keep
    calls = []

    def counted(data: LabelledSet, root: Path, **marks: bool) -> object:
        calls.append(data)
        found = keep(data, root, **marks)
        if (at, len(calls)) in (("kept aside", 1), ("kept", 2)):
            raise Killed
        return found

    folder = world.places.retrainings.folder(world.places.retrainings.create(RetrainRequest()).id)
    with monkeypatch.context() as patch:
        patch.setattr(taking, "keep", counted)
        if at == "grown":
            grow = taking.grow_golden
            patch.setattr(taking, "grow_golden", lambda *given: (grow(*given), die()))
        elif at == "write":
            patch.setattr(Taken, "write", die)
        with pytest.raises(Killed):
            intake(tmp_path / "few", folder=folder, to_golden=0.2)
    taken, _ = intake(tmp_path / "few", folder=folder, to_golden=0.2)
    assert taken == wanted
    assert pixels(intake.golden.data()) == pixels(untouched.golden.data())
    assert report(folder) == report(whole)


def test_a_share_of_a_single_grade_is_refused_before_anything_is_kept(world, intake, tmp_path):
    out = tmp_path / "one"
    write_manifest(out, [row for row in some(world, "new", out, 45) if row.grade == "M"])
    with pytest.raises(DataError, match="at least two grades"):
        intake(out, champion=True, to_golden=0.2)
    assert len(kept(world.places.kept_batches)) == 1
