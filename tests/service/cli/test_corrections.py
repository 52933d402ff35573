"""`senka corrections export`, and `records:` as a source of training's commands."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
import typer

from models.errors import DataError, UnknownSource
from models.grades import GRADES
from models.labelled import batch_sha256, read_manifest
from service.cli.corrections import window_of
from service.cli.records_source import FOLDER, exported
from service.records.corrections import correct, undo
from service.records.photographs import PhotographStore
from tests.commands import home, ok, senka  # noqa: F401 - home is a fixture
from tests.service.gradings import grading
from tests.service.pictures import picture
from tests.service.records.opened import opened_database, put_gradings
from training.sources import load

pytestmark = pytest.mark.usefixtures("home")
OF_GRADE = 4


@pytest.fixture
def corrected(home: Path) -> Path:  # noqa: F811
    """SENKA_HOME, where every grade was corrected OF_GRADE times, and something else and one that was undone too."""
    return fill(home, f"sqlite:///{home / 'senka.db'}")


@pytest.fixture
def corrected_anywhere(home: Path, any_database: str, monkeypatch: pytest.MonkeyPatch) -> Path:  # noqa: F811
    """The same, once with each kind of database."""
    monkeypatch.setenv("SENKA_DATABASE_URL", any_database)
    return fill(home, any_database)


def fill(home: Path, url: str) -> Path:  # noqa: F811
    store = PhotographStore(home / "photographs")
    wanted = [*GRADES * OF_GRADE, "not_a_cucumber", "undone"]
    with opened_database(url) as engine:
        for number, grade in enumerate(wanted):
            key = store.key(picture(number, size=(32, 24)), "jpeg")
            store.put(key, picture(number, size=(32, 24)))
            one = grading(number, photograph=key, lot=f"lot {number % 3}")
            put_gradings(engine, [one])
            made = correct(engine, one.id, "L" if grade == "undone" else grade, None, by="hanako")
            if grade == "undone":
                undo(engine, made.id, by="hanako")
    store.close()
    return home


def test_what_was_corrected_is_exported(corrected_anywhere: Path, tmp_path: Path) -> None:
    made = json.loads(ok("corrections", "export", "--out", "out", "--json").stdout)
    assert made["folder"] == "out"
    assert made["grades"] == dict.fromkeys(GRADES, OF_GRADE)
    assert (made["photographs"], made["not_cucumbers"], made["confirmed"]) == (9 * OF_GRADE, 1, OF_GRADE)
    assert (made["since"], made["until"]) == (None, None)
    assert made["sha256"] == batch_sha256(tmp_path / "out")
    found = load(tmp_path / "out")
    assert found.counts() == made["grades"]
    assert {sample.lot for sample in found.samples} == {"lot 0", "lot 1", "lot 2"}
    again = senka("corrections", "export", "--out", "out")
    assert again.exit_code == 1
    assert "not an empty folder. Name another" in again.stderr
    said = ok("corrections", "export", "--out", "words").stdout
    assert "36 photographs (2L 4, L 4, M 4" in said
    assert "1 no cucumbers, in a list of their own" in said


def test_a_day_is_the_whole_of_it(corrected: Path) -> None:
    today = datetime.now(UTC).date().isoformat()
    made = json.loads(ok("corrections", "export", "--out", "out", "--since", today, "--until", today, "--json").stdout)
    assert made["photographs"] == 9 * OF_GRADE
    assert made["since"].startswith(f"{today}T00:00:00")
    nothing = senka("corrections", "export", "--out", "none", "--until", "2020-01-01")
    assert nothing.exit_code == 1
    assert "nobody has corrected a grading before 2020-01-02T00:00:00.000Z" in nothing.stderr
    assert nothing.stderr.count("\n") == 1


def test_nothing_on_record_makes_no_records(home: Path) -> None:  # noqa: F811
    nothing = senka("corrections", "export", "--out", "out")
    assert nothing.exit_code == 1
    assert "POST /v1/corrections" in nothing.stderr
    assert not home.exists()
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("since", "until", "says"),
    [
        ("yesterday", None, "'yesterday' is neither a day such as 2026-11-24 nor"),
        ("2026-13-01", None, "neither a day"),
        ("2026-11-01T10:00:00", None, "neither a day"),
        ("20261101", None, "neither a day"),
        (None, "9999-12-31", "neither a day"),
        ("2026-11-02", "2026-11-01", "2026-11-02 is not before 2026-11-01"),
    ],
)
def test_no_window_of_time(since: str | None, until: str | None, says: str) -> None:
    with pytest.raises(typer.BadParameter, match=says):
        window_of(since, until)


def test_windows_of_time() -> None:
    window = window_of("2026-11-01T09:00:00+09:00", "2026-11-24")
    assert (window.since, window.until) == (datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 25, tzinfo=UTC))
    assert window_of("2026-11-24", "2026-11-24").since == datetime(2026, 11, 24, tzinfo=UTC)


class TestSource:
    def test_a_model_is_trained_on_what_was_corrected(self, corrected_anywhere: Path) -> None:
        arguments = ("--arch", "lenet", "--out", "run", "--epochs", "1", "--batch-size", "8", "--json")
        done = ok("train", "--data", "records:", *arguments)
        assert "senka: records: 36 photographs" in done.stderr
        assert json.loads(done.stdout)["epochs"] == 1
        assert list((corrected_anywhere / FOLDER).iterdir()) == []

    def test_it_stands_beside_other_sources_and_goes_with_an_error_too(
        self, corrected: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen: list[str] = []

        def fails_after_reading(data: list[str], _: str) -> None:
            seen.extend(data)
            assert load(data[1]).counts() == dict.fromkeys(GRADES, OF_GRADE)
            raise DataError("the first is no source")

        monkeypatch.setattr("training.sources.load_all", fails_after_reading)
        done = senka("train", "--data", "samples", "--data", "records:..2999-01-01", "--out", "run")
        assert (done.exit_code, "the first is no source" in done.stderr) == (1, True)
        assert (seen[0], Path(seen[1]).name) == ("samples", "records")
        assert not Path(seen[1]).exists()

    def test_the_same_corrections_are_the_same_data(self, corrected: Path) -> None:
        found = []
        for _ in range(2):
            with exported("records:") as folder:
                labelled = load(folder)
                found.append((labelled.name, labelled.sha256, batch_sha256(folder)))
        assert found[0] == found[1]

    def test_the_export_lives_as_long_as_the_command(self, corrected: Path) -> None:
        with exported("records:2020-01-01..") as folder:
            assert len(list(read_manifest(folder, GRADES))) == 9 * OF_GRADE
            assert folder.is_relative_to(corrected / FOLDER)
        assert not folder.exists()

    @pytest.mark.parametrize(
        ("sources", "exit_code", "says"),
        [
            (["records:2026-11-01"], 2, "is no span of time"),
            (["records:monday..friday"], 2, "is neither a day"),
            (["records:", "records:2026-11-01.."], 2, "once"),
            (["records:..2020-01-01"], 1, "nobody has corrected a grading before"),
        ],
    )
    @pytest.mark.usefixtures("corrected")
    def test_what_cannot_be_exported(self, sources: list[str], exit_code: int, says: str) -> None:
        given = [part for source in sources for part in ("--data", source)]
        done = senka("train", *given, "--out", "run")
        assert done.exit_code == exit_code
        assert says in " ".join(done.stderr.replace("│", " ").split())
        assert not Path("run").exists()

    def test_no_cucumber_alone_is_nothing_to_train_on(self, home: Path) -> None:  # noqa: F811
        store = PhotographStore(home / "photographs")
        with opened_database(f"sqlite:///{home / 'senka.db'}") as engine:
            one = grading(1, photograph=store.key(picture(1), "jpeg"))
            store.put(str(one.photograph), picture(1))
            put_gradings(engine, [one])
            correct(engine, one.id, "not_a_cucumber", None, by="hanako")
        store.close()
        assert json.loads(ok("corrections", "export", "--out", "out", "--json").stdout)["not_cucumbers"] == 1
        done = senka("evaluate", "--data", "records:", "--model", "x.onnx")
        assert done.exit_code == 1
        assert "are said to be no cucumbers" in done.stderr

    def test_without_the_command_it_is_no_source(self) -> None:
        for source in ("records:", "records:2026-11-01..2026-11-24"):
            with pytest.raises(UnknownSource, match="`senka` exports the corrections first"):
                load(source)
