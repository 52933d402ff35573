"""Corrections as a labelled batch: what counts is in it once, nothing else, and nothing is lost without a word."""

import csv
import os
import signal
import subprocess
import sys
import textwrap
import time
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, insert, update

from models.grades import GRADES
from models.labelled import MANIFEST, LabelledImage, batch_sha256, read_manifest
from service.errors import PhotographUnavailable
from service.grading import rfc3339
from service.records import corrected
from service.records.aside import aside
from service.records.corrected import NOT_CUCUMBERS, CorrectionsNotExported, Window, export_corrected
from service.records.corrections import correct, undo
from service.records.disk import Disk
from service.records.photographs import PhotographStore
from service.records.rows import to_row
from service.records.tables import corrections, gradings
from tests.service.gradings import NOON, grading
from tests.service.pictures import picture
from tests.service.records.opened import opened_database, put_gradings


@pytest.fixture
def engine(any_database: str) -> Iterator[Engine]:
    with opened_database(any_database) as engine:
        yield engine


@pytest.fixture
def store(tmp_path: Path) -> Iterator[PhotographStore]:
    store = PhotographStore(tmp_path / "photographs")
    yield store
    store.close()


def graded(
    engine: Engine, store: PhotographStore, number: int, grade: str | None = "M", confidence: float = 0.75, **changes: Any
) -> str:
    """The id of a grading whose photograph, number `number`, is kept."""
    key = store.key(picture(number, "png"), "png")
    store.put(key, picture(number, "png"))
    made = grading(number, grade, confidence, photograph=key, **changes)
    put_gradings(engine, [made])
    return made.id


def read(out: Path) -> dict[str, LabelledImage]:
    """Rows by the grading that they are of."""
    return {row.facts["grading_id"]: row for row in read_manifest(out, GRADES)}


def left_behind(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.endswith(".partial")]


def test_a_correction_is_a_row_with_all_that_is_known(engine: Engine, store: PhotographStore, tmp_path: Path) -> None:
    one = graded(engine, store, 1, "BL", 0.3, lot="A-1", camera="top", line="1", captured_at=NOON)
    made = correct(engine, one, "L", "straight enough", by="hanako")
    report = export_corrected(engine, store, tmp_path / "out", Window())
    [row] = read_manifest(tmp_path / "out", GRADES)
    facts = {
        "grading_id": one,
        "graded": "BL",
        "confidence": "0.3",
        "model_name": "cucumber",
        "model_version": "3",
        "line": "1",
        "received_at": rfc3339(grading(1).received_at),
        "corrected_at": rfc3339(made.at),
    }
    key = store.key(picture(1, "png"), "png")
    assert row == LabelledImage(f"photographs/{key}", "L", "A-1", "top", rfc3339(NOON), "hanako", "correction", facts)
    assert (tmp_path / "out" / row.path).read_bytes() == picture(1, "png")
    assert report.sha256 == batch_sha256(tmp_path / "out")
    assert report.to_json() == {
        **dict.fromkeys(("not_cucumbers", "repeated", "contradicted", "not_kept", "damaged", "confirmed"), 0),
        "corrections": 1,
        "photographs": 1,
        "grades": dict.fromkeys(GRADES, 0) | {"L": 1},
        "sha256": report.sha256,
    }


def test_the_newest_that_was_not_undone_counts(engine: Engine, store: PhotographStore, tmp_path: Path) -> None:
    twice, back, never = (graded(engine, store, number) for number in range(3))
    for one, grade in ((twice, "L"), (twice, "S"), (back, "L"), (back, "not_a_cucumber"), (never, "C")):
        made = correct(engine, one, grade, None, by="hanako")
        if (one, grade) in ((back, "not_a_cucumber"), (never, "C")):
            undo(engine, made.id, by="taro")
    report = export_corrected(engine, store, tmp_path / "out")
    assert {one: row.grade for one, row in read(tmp_path / "out").items()} == {twice: "S", back: "L"}
    assert (report.corrections, report.not_cucumbers) == (2, 0)


def test_corrections_of_the_same_moment_are_told_apart(engine: Engine, store: PhotographStore, tmp_path: Path) -> None:
    one = graded(engine, store, 1)
    rows = [
        {"id": number, "grading_id": one, "grade": grade, "by": "x", "at": NOON} for number, grade in (("1", "L"), ("2", "S"))
    ]
    with engine.begin() as connection:
        connection.execute(insert(corrections), rows)
    assert export_corrected(engine, store, tmp_path / "out").grades == {"S": 1}


def test_confirmations_and_missed_deadlines_are_kept(engine: Engine, store: PhotographStore, tmp_path: Path) -> None:
    confirmed, missed = graded(engine, store, 1, "M"), graded(engine, store, 2, None)
    for one in (confirmed, missed):
        correct(engine, one, "M", None, by="hanako")
    report = export_corrected(engine, store, tmp_path / "out")
    found = read(tmp_path / "out")
    assert [(found[one].grade, found[one].facts["graded"], found[one].facts["confidence"]) for one in (confirmed, missed)] == [
        ("M", "M", "0.75"),
        ("M", "", ""),
    ]
    assert (report.photographs, report.confirmed) == (2, 1)


def test_what_is_no_cucumber_or_not_kept_is_told_apart(engine: Engine, store: PhotographStore, tmp_path: Path) -> None:
    ids = [graded(engine, store, number) for number in range(5)]
    for one, grade in zip(ids, ("L", "not_a_cucumber", "L", "L", "L"), strict=True):
        correct(engine, one, grade, None, by="hanako")
    with engine.begin() as connection:
        change = update(gradings)
        connection.execute(change.where(gradings.c.id == ids[2]).values(photograph_deleted_at=NOON))
        connection.execute(change.where(gradings.c.id == ids[3]).values(photograph=None))
    key = store.key(picture(4, "png"), "png")
    (store.folder.root / key[:2] / key).write_bytes(picture(4, "png")[:100])
    report = export_corrected(engine, store, tmp_path / "out")
    assert set(read(tmp_path / "out")) == {ids[0]}
    assert (report.photographs, report.not_cucumbers, report.not_kept, report.damaged) == (1, 1, 2, 1)
    assert report.corrections == 5
    with (tmp_path / "out" / NOT_CUCUMBERS).open(newline="") as file:
        [other] = csv.DictReader(file)
    assert (other["grade"], other["grading_id"]) == ("not_a_cucumber", ids[1])
    assert (tmp_path / "out" / other["path"]).read_bytes() == picture(1, "png")


def test_a_photograph_that_the_store_lost_is_counted(engine: Engine, store: PhotographStore, tmp_path: Path) -> None:
    for number in (1, 2):
        correct(engine, graded(engine, store, number), "L", None, by="hanako")
    key = store.key(picture(1, "png"), "png")
    (store.folder.root / key[:2] / key).unlink()
    report = export_corrected(engine, store, tmp_path / "out")
    assert (report.photographs, report.not_kept) == (1, 1)


def test_of_one_photograph_the_newest_word_counts(engine: Engine, store: PhotographStore, tmp_path: Path) -> None:
    same = [graded(engine, store, 7) for _ in range(3)]
    for one, grade in zip(same, ("not_a_cucumber", "S", "S"), strict=True):
        correct(engine, one, grade, None, by="hanako")
    report = export_corrected(engine, store, tmp_path / "out")
    assert {one: row.grade for one, row in read(tmp_path / "out").items()} == {same[2]: "S"}
    assert (report.corrections, report.photographs, report.repeated, report.contradicted) == (3, 1, 1, 1)


def test_a_window_of_time_has_its_beginning_and_not_its_end(engine: Engine, store: PhotographStore, tmp_path: Path) -> None:
    ids = [graded(engine, store, number) for number in range(3)]
    made = [correct(engine, one, "L", None, by="hanako") for one in ids]
    again = correct(engine, ids[0], "S", None, by="hanako")
    window = Window(made[1].at, made[2].at)
    export_corrected(engine, store, tmp_path / "middle", window)
    assert list(read(tmp_path / "middle")) == [ids[1]]
    export_corrected(engine, store, tmp_path / "rest", Window(since=made[2].at))
    assert {one: row.grade for one, row in read(tmp_path / "rest").items()} == {ids[2]: "L", ids[0]: "S"}
    with pytest.raises(CorrectionsNotExported, match="nobody has corrected a grading before"):
        export_corrected(engine, store, tmp_path / "first", Window(until=made[1].at))  # corrected again since
    assert again.at >= made[2].at


@pytest.mark.parametrize(
    "name", ["=cmd|' /C calc'!A0", "<script>alert(1)</script>", "../../etc/passwd", 'a "b",\r\nc', "線路 B", "-"]
)
def test_names_that_cameras_send_stay_text(engine: Engine, store: PhotographStore, tmp_path: Path, name: str) -> None:
    correct(engine, graded(engine, store, 1, lot=name, camera=name, line=name), "L", None, by=name)
    export_corrected(engine, store, tmp_path / "out")
    [row] = read_manifest(tmp_path / "out", GRADES)
    assert (row.lot, row.camera, row.facts["line"], row.labeller) == (name,) * 4
    files = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert files == {MANIFEST, NOT_CUCUMBERS, f"photographs/{store.key(picture(1, 'png'), 'png')}"}
    with (tmp_path / "out" / MANIFEST).open(newline="") as file:
        assert not [cell for line in csv.reader(file) for cell in line if cell.startswith(("=", "-", "@", "+"))]


def test_nothing_to_export_says_why_and_leaves_nothing(engine: Engine, store: PhotographStore, tmp_path: Path) -> None:
    one = graded(engine, store, 1)
    with pytest.raises(CorrectionsNotExported, match=r"nobody has corrected a grading\. Correct gradings on the dashboard"):
        export_corrected(engine, store, tmp_path / "out")
    correct(engine, one, "L", None, by="hanako")
    with engine.begin() as connection:
        connection.execute(update(gradings).values(photograph_deleted_at=NOON))
    with pytest.raises(CorrectionsNotExported, match="SENKA_KEEP") as caught:
        export_corrected(engine, store, tmp_path / "out")
    assert caught.value.facts["not_kept"] == 1
    assert not (tmp_path / "out").exists()
    assert not left_behind(tmp_path)


def test_a_folder_that_holds_something_is_left_alone(engine: Engine, store: PhotographStore, tmp_path: Path) -> None:
    correct(engine, graded(engine, store, 1), "L", None, by="hanako")
    for taken in (tmp_path / "folder", tmp_path / "file"):
        if taken.name == "folder":
            taken.mkdir()
        (taken / "mine.txt" if taken.is_dir() else taken).write_text("mine")
        with pytest.raises(CorrectionsNotExported, match="not an empty folder"):
            export_corrected(engine, store, taken)
    assert (tmp_path / "folder" / "mine.txt").read_text() == "mine"
    (tmp_path / "empty").mkdir()
    assert export_corrected(engine, store, tmp_path / "empty").photographs == 1


def test_a_store_or_disk_that_refuses_leaves_nothing(
    engine: Engine, store: PhotographStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in (1, 2):
        correct(engine, graded(engine, store, number, photograph_bytes=500), "L", None, by="hanako")

    class Away:
        asked = 0

        def get(self, key: str) -> tuple[bytes, str] | None:
            self.asked += 1
            if self.asked > 1:
                raise PhotographUnavailable("it is away")
            return store.get(key)

    with pytest.raises(PhotographUnavailable):
        export_corrected(engine, Away(), tmp_path / "out")
    monkeypatch.setattr(corrected, "measure_disk", lambda _: Disk(10_000, 2_000))
    with pytest.raises(CorrectionsNotExported, match=r"are 1,000 bytes, and .* has 2,000 free"):
        export_corrected(engine, store, tmp_path / "out", reserve_bytes=1_500)
    assert not (tmp_path / "out").exists()
    assert not left_behind(tmp_path)
    assert export_corrected(engine, store, tmp_path / "out", reserve_bytes=1_000).photographs == 2


KILLED = """
    import sys, time
    from pathlib import Path
    from service.records.corrected import export_corrected
    from service.records.database import open_database
    from service.records.photographs import PhotographStore

    class Stuck(PhotographStore):
        asked = 0

        def get(self, key):
            self.asked += 1
            if self.asked == 2:
                print("in the middle", flush=True)
                time.sleep(60)
            return super().get(key)

    export_corrected(open_database(sys.argv[1]), Stuck(Path(sys.argv[2])), Path(sys.argv[3]))
"""


def test_a_kill_in_the_middle_leaves_no_batch(tmp_path: Path, store: PhotographStore) -> None:
    url, out = f"sqlite:///{tmp_path / 'senka.db'}", tmp_path / "out"
    with opened_database(url) as engine:
        for number in range(3):
            correct(engine, graded(engine, store, number), "L", None, by="hanako")
        arguments = [sys.executable, "-c", textwrap.dedent(KILLED), url, str(tmp_path / "photographs"), str(out)]
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout
            assert process.stdout.readline() == "in the middle\n"
            process.kill()
        assert not out.exists()
        [half] = left_behind(tmp_path)
        long_ago = time.time() - 3600
        os.utime(tmp_path / half, (long_ago, long_ago))
        assert export_corrected(engine, store, out).photographs == 3
    assert not left_behind(tmp_path)


def test_many_corrections_need_little_memory(tmp_path: Path, store: PhotographStore) -> None:
    count = 6_000
    key = store.key(picture(1, "png"), "png")
    store.put(key, picture(1, "png"))
    with opened_database(f"sqlite:///{tmp_path / 'senka.db'}") as engine:
        made = [grading(number, photograph=key if number % 2 else None) for number in range(count)]
        told = [
            {"id": f"{n:036d}", "grading_id": one.id, "grade": "L", "by": "x", "at": NOON + timedelta(seconds=n)}
            for n, one in enumerate(made)
        ]
        with engine.begin() as connection:
            connection.execute(insert(gradings), [to_row(one) for one in made])
            connection.execute(insert(corrections), told)
        del made, told
        tracemalloc.start()
        try:
            report = export_corrected(engine, store, tmp_path / "out")
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert (report.corrections, report.repeated, report.not_kept) == (count, count // 2 - 1, count // 2)
    assert peak < 6 * 2**20


def test_progress_is_told(engine: Engine, store: PhotographStore, tmp_path: Path) -> None:
    for number in (1, 2):
        correct(engine, graded(engine, store, number), "L", None, by="hanako")
    told: list[tuple[int, int]] = []
    export_corrected(engine, store, tmp_path / "out", step=lambda done, total: told.append((done, total)))
    assert told == [(1, 2), (2, 2)]


class TestAside:
    def test_it_is_gone_with_what_was_not_renamed(self, tmp_path: Path) -> None:
        with aside(tmp_path, "out") as folder:
            (folder / "batch").mkdir()
            (folder / "rest").write_text("x")
            (folder / "batch").rename(tmp_path / "out")
        assert [path.name for path in tmp_path.iterdir()] == ["out"]

    def test_a_killed_process_s_folder_is_removed_by_the_next_and_one_in_use_is_not(self, tmp_path: Path) -> None:
        program = """
            import sys, time
            from pathlib import Path
            from service.records.aside import aside
            with aside(Path(sys.argv[1]), "out") as folder:
                (folder / "half.jpg").write_text("half")
                print(folder, flush=True)
                time.sleep(60)
        """
        arguments = [sys.executable, "-c", textwrap.dedent(program), str(tmp_path)]
        process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout
            folder = Path(process.stdout.readline().strip())
            long_ago = time.time() - 90_000
            os.utime(folder, (long_ago, long_ago))
            with aside(tmp_path, "out"):
                assert (folder / "half.jpg").exists()
        finally:
            process.send_signal(signal.SIGKILL)
            process.communicate()
        with aside(tmp_path, "another name"):
            assert folder.exists()
        with aside(tmp_path, "out"):
            assert not folder.exists()
        assert not left_behind(tmp_path)

    def test_one_that_somebody_has_just_made_is_left_alone(self, tmp_path: Path) -> None:
        with aside(tmp_path, "out") as folder:
            other = "00" if folder.name[-10:-8] != "00" else "11"
            young = folder.with_name(f"{folder.name[:-10]}{other}.partial")
            young.mkdir()
            with aside(tmp_path, "out"):
                assert young.exists()

    def test_others_files_with_a_similar_name_stay(self, tmp_path: Path) -> None:
        mine = tmp_path / ".out.mine.partial"
        mine.mkdir()
        os.utime(mine, (0, 0))
        with aside(tmp_path, "out"):
            assert mine.exists()


def test_a_window_says_itself() -> None:
    assert str(Window()) == ""
    window = Window(datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 25, tzinfo=UTC))
    assert str(window) == " since 2026-11-01T00:00:00.000Z before 2026-11-25T00:00:00.000Z"
    assert window.to_json() == {"since": "2026-11-01T00:00:00.000Z", "until": "2026-11-25T00:00:00.000Z"}
