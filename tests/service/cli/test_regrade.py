"""`senka regrade`: the past under another model or other rules, from both databases; nothing on record changes."""

import csv
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import update

from models.grades import GRADES
from models.imaging import ImageLimits
from models.repository import ModelRepository
from service import regrading
from service.decision import decide
from service.grading import Grading
from service.inference.session import LoadedModel
from service.records.corrections import correct
from service.records.filters import Filters
from service.records.photographs import PhotographStore
from service.records.profiles import version_of
from service.records.tables import gradings
from service.regrading import Changed, Lanes, RegradingImpossible, regrade
from tests.commands import home, ok, senka  # noqa: F401 - home is a fixture
from tests.databases import any_database  # noqa: F401
from tests.service.gradings import NOON, grading
from tests.service.models import make_model
from tests.service.pictures import picture
from tests.service.records.filled import everything
from tests.service.records.opened import opened_database, put_gradings

pytestmark = pytest.mark.usefixtures("home")

COUNT = 30
SINCE = ("--since", "2026-11-23")


def graded(model: LoadedModel, number: int, manual_below: float, profile: int, **changes: Any) -> Grading:
    pixels = model.card.preprocess.from_bytes(picture(number), ImageLimits())
    decision = decide(model.probabilities([pixels])[0], manual_below)
    facts = {name: getattr(decision, name) for name in ("grade", "confidence", "runner_up", "probabilities", "lane", "reasons")}
    made = grading(number, line=str(1 + number % 2), lot="=A", profile_version=profile, **changes)
    return replace(made, **facts)


@pytest.fixture
def past(home: Path, any_database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:  # noqa: F811
    """COUNT gradings by model 1 under profile 1, all corrected to what model 2 says; profile 2 is stricter."""
    monkeypatch.setenv("SENKA_DATABASE_URL", any_database)
    monkeypatch.setenv("SENKA_PROVIDERS", "cpu")
    repository = ModelRepository(home / "models")
    repository.publish(make_model(Path("1.onnx"), seed=1), promote=True)
    repository.publish(make_model(Path("2.onnx"), seed=2))
    first, second = (LoadedModel.load(repository.load(version), version) for version in (repository.get(1), repository.get(2)))
    store = PhotographStore(home / "photographs")
    with opened_database(any_database) as engine:
        made = []
        for number in range(COUNT):
            key = store.key(picture(number), "jpeg")
            store.put(key, picture(number))
            made.append(graded(first, number, 0.3, 1, photograph=key))
        strict = float(np.median([one.confidence for one in made]))
        assert (version_of(engine, {"manual_below": 0.3}), version_of(engine, {"manual_below": strict})) == (1, 2)
        put_gradings(engine, made)
        for number, one in enumerate(made):
            correct(engine, one.id, str(graded(second, number, 0.3, 1).grade), None, by="hanako")
        yield engine, made, second
    store.close()


def report(*arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(ok("regrade", *SINCE, *arguments, "--json").stdout)
    return found


def test_the_same_model_and_rules_change_nothing(past: Any) -> None:
    for arguments in (("--profile", "1"), ("--model", "1"), ("--model", "champion", "--profile", "1"), ("--model", "1.onnx")):
        found = report(*arguments)
        assert (found["found"], found["graded"], found["complete"]) == (COUNT, COUNT, True)
        assert (found["grades_changed"], found["lanes_changed"]) == (0, 0), arguments
        assert found["manual_share"]["before"] == found["manual_share"]["after"]


def test_other_rules_change_lanes_alone_and_need_no_photograph(past: Any, home: Path) -> None:  # noqa: F811
    _, made, _ = past
    for file in home.rglob("photographs/**/*.jpg"):
        file.unlink()
    found = report("--profile", "2")
    strict = float(np.median([one.confidence for one in made]))
    manual = sum(one.confidence < strict for one in made)
    before = sum(one.confidence < 0.3 for one in made)
    assert 0 < manual < COUNT
    assert found["manual_share"] == {"before": before / COUNT, "after": manual / COUNT}
    assert (found["grades_changed"], found["lanes_changed"]) == (0, manual - before)
    assert (found["model"], found["profile"]) == (None, 2)


def test_another_model_is_told_by_table_shares_and_accuracy(past: Any, tmp_path: Path) -> None:
    engine, made, second = past
    before = everything(engine)
    found = report("--model", "challenger", "--report", "out")
    assert everything(engine) == before
    again = [graded(second, number, 0.3, 1) for number in range(COUNT)]
    for old in GRADES:
        for new in GRADES:
            pairs = zip(made, again, strict=True)
            assert found["table"][old][new] == sum((a.grade, b.grade) == (old, new) for a, b in pairs)
    assert found["grades_changed"] == sum(a.grade != b.grade for a, b in zip(made, again, strict=True)) > 0
    assert found["share_by_grade"]["M"]["after"] == sum(one.grade == "M" for one in again) / COUNT
    agreed = sum(a.grade == b.grade for a, b in zip(made, again, strict=True)) / COUNT
    assert found["accuracy"] == {"before": pytest.approx(agreed), "after": 1.0}
    assert (found["corrected"], found["model"]["version"]) == (COUNT, 2)
    assert json.loads((tmp_path / "out" / "regrade.json").read_text()) == found
    with (tmp_path / "out" / "changed.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    expected = [(a, b) for a, b in zip(made, again, strict=True) if (a.grade, a.lane) != (b.grade, b.lane)]
    assert [row["id"] for row in rows] == [a.id for a, _ in expected]
    old, new = expected[0]
    assert rows[0]["received_at"].startswith("2026-11-23T12:00:")
    assert (rows[0]["line"], rows[0]["lot"]) == (old.origin.line, "'=A")  # a spreadsheet must not run what a camera sent
    assert (rows[0]["old_grade"], rows[0]["old_lane"], float(rows[0]["old_confidence"])) == (old.grade, old.lane, old.confidence)
    assert (rows[0]["new_grade"], rows[0]["new_lane"], rows[0]["corrected_grade"]) == (new.grade, new.lane, new.grade)
    assert float(rows[0]["new_confidence"]) == pytest.approx(new.confidence, abs=1e-5)
    said = (tmp_path / "out" / "report.txt").read_text()
    assert f"{COUNT} of {COUNT} gradings were graded again." in said
    assert f"Of {COUNT} that people graded, right before: {agreed:.2%}, after: 100.00%." in said


def test_what_cannot_be_looked_at_again_is_counted_by_reason(past: Any, home: Path) -> None:  # noqa: F811
    engine, made, _ = past
    put_gradings(engine, [grading(50, grade=None, line="1", lot="A")])
    with engine.begin() as connection:
        connection.execute(update(gradings).where(gradings.c.id == made[0].id).values(photograph_deleted_at=NOON))
        connection.execute(update(gradings).where(gradings.c.id == made[1].id).values(photograph=None))
    (lost,) = home.rglob(made[2].photograph)
    lost.unlink()
    (broken,) = home.rglob(made[3].photograph)
    broken.write_bytes(broken.read_bytes()[:200])
    found = report("--model", "1")
    assert found["skipped"] == {"no_grade": 1, "photograph_not_kept": 3, "photograph_unreadable": 1}
    assert (found["found"], found["graded"], found["grades_changed"]) == (COUNT + 1, COUNT - 4, 0)
    said = ok("regrade", *SINCE, "--model", "1").stdout
    assert "3 have no photograph any more." in said
    assert report("--profile", "1")["skipped"] == {"no_grade": 1}


def test_spans_lines_lots_and_limits(past: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(regrading, "PAGE", 4)
    assert report("--profile", "2", "--line", "1")["graded"] == COUNT // 2
    assert report("--profile", "2", "--limit", "7")["graded"] == 7
    assert report("--profile", "2", "--lot", "=A", "--until", "2026-11-23")["graded"] == COUNT
    found = json.loads(ok("regrade", "--since", "2026-11-23T12:00:10Z", "--profile", "2", "--json").stdout)
    assert (found["graded"], found["since"]) == (COUNT - 10, "2026-11-23T12:00:10.000Z")


def test_pages_leave_nothing_out_where_many_came_at_once(past: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    engine, _, _ = past
    put_gradings(engine, [grading(100, profile_version=1) for _ in range(25)])  # all of one moment
    monkeypatch.setattr(regrading, "PAGE", 4)
    seen: list[tuple[int, int]] = []
    made = regrade(engine, Filters(), Lanes(engine, 1, {"manual_below": 0.3}), step=lambda *at: seen.append(at))
    assert (made.graded, made.done) == (COUNT + 25, COUNT + 25)
    assert seen[-1] == (COUNT + 25, COUNT + 25)


def test_without_a_profile_each_grading_s_own_decides(past: Any) -> None:
    engine, made, _ = past
    with engine.begin() as connection:
        connection.execute(update(gradings).where(gradings.c.id == made[0].id).values(profile_version=2))
        connection.execute(update(gradings).where(gradings.c.id == made[1].id).values(profile_version=None))
    lanes = Lanes(engine, None, {"manual_below": 1.0})
    close = np.full(9, 0.05, np.float32)
    close[2] = 0.301
    assert [lanes.decide(close, own).lane for own in (1, 2, None)] == ["M", "manual", "manual"]
    changed: list[Changed] = []
    regrade(engine, Filters(), lanes, changed=changed.append)
    assert {one.id for one in changed} <= {made[0].id, made[1].id}


def test_an_interruption_reports_what_was_done(past: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    note = regrading.Regraded.note

    def stops_at_the_sixth(self: regrading.Regraded, *given: Any) -> Any:
        if self.graded == 5:
            raise KeyboardInterrupt
        return note(self, *given)

    monkeypatch.setattr(regrading.Regraded, "note", stops_at_the_sixth)
    done = senka("regrade", *SINCE, "--profile", "2", "--report", "out", "--json")
    assert done.exit_code == 1
    assert "stopped" in done.stderr
    found = json.loads((tmp_path / "out" / "regrade.json").read_text())
    assert (found["graded"], found["complete"], found["found"]) == (5, False, COUNT)


def test_what_cannot_be_asked(past: Any) -> None:
    Path("full").mkdir()
    Path("full/file").touch()
    for arguments, exit_code, says in (
        ((*SINCE,), 2, "Name a --model, a --profile, or both"),
        ((*SINCE, "--profile", "9"), 1, "There is no profile 9; on record: 1, 2"),
        ((*SINCE, "--model", "9"), 1, "It has: 1, 2, champion"),
        ((*SINCE, "--model", "none.onnx"), 1, "none.onnx"),
        (("--since", "2026-11-25", "--profile", "1"), 1, "There is no grading in the span"),
        (("--since", "2026-11-23", "--line", "9", "--profile", "1"), 1, "There is no grading in the span"),
        (("--since", "monday", "--profile", "1"), 2, "neither a day"),
        (("--since", "2026-11-25", "--until", "2026-11-23", "--profile", "1"), 2, "is not before 2026-11-23"),
        ((*SINCE, "--profile", "1", "--report", "full"), 2, "not an empty folder"),
    ):
        done = senka("regrade", *arguments)
        assert done.exit_code == exit_code, done.output
        assert says in " ".join(done.stderr.replace("│", " ").split()), done.stderr


def test_rules_of_another_version_are_not_guessed_at(past: Any) -> None:
    engine, _, _ = past
    number = version_of(engine, {"manual_below": 0.5, "length_mm": {"L": 200}})
    with pytest.raises(RegradingImpossible, match="differs from the rules that this version of Senka knows by: length_mm"):
        Lanes(engine, number, {"manual_below": 0.5})
    assert Lanes(engine, 1, {"manual_below": 0.5})


def test_nothing_on_record_makes_no_records(home: Path) -> None:  # noqa: F811
    done = senka("regrade", *SINCE, "--profile", "1")
    assert (done.exit_code, "nothing was ever graded here" in done.stderr) == (1, True)
    assert not home.exists()
