"""A backup and back: the same rows, photographs and models, on either database and across; and never a broken one."""

import fcntl
import io
import json
import stat
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, insert, inspect, select, table, text

from models.repository import ModelRepository
from service.records import restore as module
from service.records import tables
from service.records.backup import BackupError, Contents, Manifest, write_backup
from service.records.database import migrate, open_database
from service.records.disk import Disk
from service.records.photographs import PhotographStore, open_store
from service.records.restore import Restored, check, restore
from service.records.rows import to_row
from service.settings import Settings
from tests.databases import DATABASES, database_url
from tests.service.gradings import grading
from tests.service.models import make_model
from tests.service.records.filled import PHOTOGRAPHS, count, everything, fill, record


@dataclass
class Place:
    """One installation."""

    settings: Settings
    engine: Engine
    store: PhotographStore

    def backup(self, file: Path, photographs: bool = True, models: bool = True) -> Manifest:
        kept = self.store if photographs else None
        folders = (self.settings.models, self.settings.batches) if models else (None, None)
        return write_backup(file, Contents(self.engine, kept, *folders))

    def restore(self, file: Path, force: bool = False) -> Restored:
        self.engine.dispose()
        return restore(file, self.settings, self.store, force=force)


Make = Callable[..., Place]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """`make("postgresql")`: a new installation, its schema up to date unless `fresh`."""
    with ExitStack() as stack:

        def made(kind: str, *, fresh: bool = False) -> Place:
            home = tmp_path / f"home{len(list(tmp_path.iterdir()))}"
            home.mkdir()
            url = stack.enter_context(database_url(kind, home))
            settings = Settings(home=home, database_url=url)
            place = Place(settings, open_database(url), open_store(settings))
            stack.callback(place.store.close)
            stack.callback(place.engine.dispose)
            if not fresh:
                migrate(place.engine)
            return place

        yield made


@pytest.fixture
def filled(make: Make, tmp_path: Path) -> Place:
    """A SQLite installation with something of everything."""
    place = make("sqlite")
    fill(place.engine, place.store)
    place.settings.repository.publish(make_model(tmp_path / "first.onnx"), "first", promote=True)
    put_batch(place.settings)
    return place


def put_batch(settings: Settings, text: str = "path,grade\n") -> None:
    """A labelled batch that was taken in, and one that is coming in."""
    for name in ("0193", ".incoming-1"):
        (settings.batches / name / "images").mkdir(parents=True)
        (settings.batches / name / "manifest.csv").write_text(text)
        (settings.batches / name / "images" / "a.jpg").write_bytes(b"a photograph")


@pytest.mark.parametrize("source", DATABASES)
@pytest.mark.parametrize("target", DATABASES)
def test_all_comes_back_on_either_database(make: Make, tmp_path: Path, source: str, target: str) -> None:
    old = make(source)
    fill(old.engine, old.store)
    old.settings.repository.publish(make_model(tmp_path / "first.onnx"), "first", promote=True)
    put_batch(old.settings)
    manifest = old.backup(tmp_path / "senka.tar")
    assert (manifest.photographs.count, manifest.photographs.missing) == (PHOTOGRAPHS, 0)
    assert manifest.tables["gradings"].rows == 101
    assert set(manifest.tables) == set(tables.metadata.tables) - {"sessions", "login_failures", "review_claims"}
    assert all(facts.rows for name, facts in manifest.tables.items() if name not in ("confidence_tallies", "tally_marks"))
    new = make(target, fresh=True)
    assert new.restore(tmp_path / "senka.tar").aside == []
    assert everything(new.engine) == everything(old.engine)
    for row in everything(old.engine)["gradings"]:
        assert not row["photograph"] or new.store.get(row["photograph"]) == old.store.get(row["photograph"])
    assert new.settings.repository.get("champion").sha256 == old.settings.repository.get("champion").sha256
    there = {path.relative_to(new.settings.batches).as_posix() for path in new.settings.batches.rglob("*") if path.is_file()}
    assert there == {"0193/manifest.csv", "0193/images/a.jpg"}
    assert (new.settings.batches / "0193" / "manifest.csv").read_text() == "path,grade\n"
    # and goes on: numbers are not given out twice
    with new.engine.begin() as connection:
        record(connection, 500)
    assert everything(new.engine)["gradings"][-1]["seq"] > everything(old.engine)["gradings"][-1]["seq"]
    assert stat.S_IMODE((tmp_path / "senka.tar").stat().st_mode) == 0o600


def test_photographs_and_models_may_stay_out(filled: Place, make: Make, tmp_path: Path) -> None:
    manifest = filled.backup(tmp_path / "small.tar", photographs=False, models=False)
    assert (manifest.photographs.included, manifest.photographs.count) == (False, 0)
    assert (manifest.models, manifest.batches) == ({}, {})
    new = make("sqlite", fresh=True)
    new.restore(tmp_path / "small.tar")
    assert everything(new.engine) == everything(filled.engine)
    assert not new.settings.models.exists()
    assert not new.settings.batches.exists()
    assert not new.settings.photographs.exists()


def test_a_photograph_that_is_gone_is_counted_and_no_reason_to_fail(filled: Place, tmp_path: Path) -> None:
    next(filled.settings.photographs.rglob("*.jpg")).unlink()
    manifest = filled.backup(tmp_path / "senka.tar")
    assert (manifest.photographs.count, manifest.photographs.missing) == (PHOTOGRAPHS - 1, 1)
    check(tmp_path / "senka.tar")


@pytest.mark.parametrize("kind", DATABASES)
def test_a_backup_during_writing_is_of_one_moment(make: Make, tmp_path: Path, kind: str) -> None:
    place = make(kind)
    fill(place.engine, place.store)
    stop = threading.Event()
    wrote: list[int] = []

    def write() -> None:
        while not stop.is_set():
            with place.engine.begin() as connection:
                record(connection, *range(1000, 1005))
            wrote.append(1)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(3):
            before = len(wrote)
            while len(wrote) < before + 3:
                pass
            place.backup(tmp_path / f"{number}.tar")
    finally:
        stop.set()
        writer.join()
    totals = []
    for number in range(3):
        new = make("sqlite", fresh=True)
        new.restore(tmp_path / f"{number}.tar")
        rows = everything(new.engine)
        assert sum(row["count"] for row in rows["tallies"]) == len(rows["gradings"])
        totals.append(len(rows["gradings"]))
    assert totals == sorted(set(totals))
    assert totals[0] > 101


def test_an_older_backup_is_brought_up_to_date(make: Make, tmp_path: Path) -> None:
    old = make("sqlite", fresh=True)
    migrate(old.engine, "0001")
    columns = [column["name"] for column in _columns(old.engine)]
    with old.engine.begin() as connection:
        rows = [{name: value for name, value in to_row(grading(n)).items() if name in columns} for n in range(5)]
        connection.execute(insert(tables.gradings), rows)
    assert old.backup(tmp_path / "old.tar").revision == "0001"
    new = make("sqlite", fresh=True)
    new.restore(tmp_path / "old.tar")
    found = everything(new.engine)
    assert len(found["gradings"]) == 5
    assert sum(row["count"] for row in found["tallies"]) == 5


def test_a_backup_from_before_the_farm_counts_by_model_once_it_is_restored(make: Make, tmp_path: Path) -> None:
    old = make("sqlite", fresh=True)
    migrate(old.engine, "0003")
    with old.engine.begin() as connection:
        connection.execute(insert(tables.gradings), [to_row(grading(n)) for n in range(5)])
        connection.execute(
            text(
                "INSERT INTO tallies SELECT '2026-11-23 12:00:00.000000', '', '', '', grade, lane, COUNT(*), SUM(confidence), "
                "MIN(received_at), MAX(received_at) FROM gradings GROUP BY grade, lane"
            )
        )
    made = old.backup(tmp_path / "old.tar")
    assert (made.revision, made.tables["tallies"].rows) == ("0003", 1)
    new = make("sqlite", fresh=True)
    new.restore(tmp_path / "old.tar")
    (row,) = everything(new.engine)["tallies"]
    assert (row["model_version"], row["count"], row["grade"]) == (3, 5, "M")


def _columns(engine: Engine) -> list[dict[str, str]]:
    return list(inspect(engine).get_columns("gradings"))  # type: ignore[arg-type]


def test_every_cut_of_a_backup_is_refused(filled: Place, make: Make, tmp_path: Path) -> None:
    filled.backup(tmp_path / "whole.tar")
    whole = (tmp_path / "whole.tar").read_bytes()
    new = make("sqlite", fresh=True)
    ends = [0, 1, 511, 512, 513, 10_000, len(whole) // 2, len(whole) // 2 + 512, len(whole) - 12_000, len(whole) - 10_240]
    for end in ends:
        (tmp_path / "cut.tar").write_bytes(whole[:end])
        with pytest.raises(BackupError) as refusal:
            new.restore(tmp_path / "cut.tar")
        assert "\n" not in str(refusal.value)
    assert not new.settings.photographs.exists()
    assert not (new.settings.home / "senka.db").exists() or count_of_tables(new.engine) == 0


def count_of_tables(engine: Engine) -> int:
    return len(inspect(engine).get_table_names())


def test_a_changed_byte_anywhere_is_refused(filled: Place, make: Make, tmp_path: Path) -> None:
    filled.backup(tmp_path / "whole.tar")
    whole = bytearray((tmp_path / "whole.tar").read_bytes())
    new = make("sqlite", fresh=True)
    with tarfile.open(tmp_path / "whole.tar") as tar:
        contents = [member.offset_data + member.size // 2 for member in tar.getmembers()]
    assert len(contents) > PHOTOGRAPHS + 20
    for place in contents:
        whole[place] ^= 1
        (tmp_path / "changed.tar").write_bytes(whole)
        whole[place] ^= 1
        with pytest.raises(BackupError) as refusal:
            check(tmp_path / "changed.tar")
        assert "\n" not in str(refusal.value)
    (tmp_path / "changed.tar").write_bytes(whole)
    assert new.restore(tmp_path / "changed.tar").manifest.photographs.count == PHOTOGRAPHS


def member(name: str, data: bytes = b"x", kind: bytes = tarfile.REGTYPE, link: str = "") -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname = (len(data) if kind == tarfile.REGTYPE else 0), kind, link
    return info, data


@pytest.mark.parametrize(
    "hostile",
    [
        member("../escape"),
        member("models/../../escape"),
        member("/etc/escape"),
        member("models//etc/escape"),
        member("models/./escape"),
        member("escape"),
        member("photographs/escape.jpg"),
        member("photographs/" + "0" * 64 + ".jpg", b"another content"),
        member("tables/gradings.jsonl.gz", b"twice"),
        member("models/link", kind=tarfile.SYMTYPE, link="/etc/passwd"),
        member("models/link", kind=tarfile.LNKTYPE, link="manifest.json"),
        member("models/folder", kind=tarfile.DIRTYPE),
        member("models/device", kind=tarfile.CHRTYPE),
        member("models/pipe", kind=tarfile.FIFOTYPE),
        member("models/unlisted", b"x"),
        member("batches/unlisted", b"x"),
        member("batches/../../escape"),
        member("tables/unlisted.jsonl.gz", b"x"),
    ],
    ids=lambda one: f"{one[0].name[:30]}-{one[0].type!r}",
)
def test_a_member_that_no_backup_has_is_refused_before_anything_is_written(
    filled: Place, make: Make, tmp_path: Path, hostile: tuple[tarfile.TarInfo, bytes]
) -> None:
    filled.backup(tmp_path / "senka.tar")
    with tarfile.open(tmp_path / "senka.tar", "a") as tar:
        tar.addfile(hostile[0], io.BytesIO(hostile[1]))
    new = make("sqlite", fresh=True)
    with pytest.raises(BackupError) as refusal:
        new.restore(tmp_path / "senka.tar")
    assert "\n" not in str(refusal.value)
    assert [path.name for path in new.settings.home.iterdir() if "senka.db" not in path.name] == []
    assert not list(tmp_path.rglob("escape*"))


@pytest.mark.parametrize(
    ("changes", "says"),
    [({"format": 2}, "format 2"), ({"revision": "9999"}, "another version"), ({"extra": 1}, "not one of ours")],
)
def test_a_backup_of_another_senka_is_refused(
    filled: Place, make: Make, tmp_path: Path, changes: dict[str, object], says: str
) -> None:
    filled.backup(tmp_path / "senka.tar")
    rewrite(tmp_path / "senka.tar", tmp_path / "other.tar", changes)
    new = make("sqlite", fresh=True)
    with pytest.raises(Exception, match=says):
        new.restore(tmp_path / "other.tar")
    assert not new.settings.photographs.exists()


def rewrite(source: Path, target: Path, changes: dict[str, object]) -> None:
    """The same backup with another manifest, its checksum right."""
    with tarfile.open(source) as old, tarfile.open(target, "w") as new:
        for info in old.getmembers():
            data = old.extractfile(info).read()  # type: ignore[union-attr]
            if info.name == "manifest.json":
                data = manifest = json.dumps(json.loads(data) | changes).encode()
            elif info.name == "manifest.sha256":
                data = sha256(manifest).hexdigest().encode()
            info.size = len(data)
            new.addfile(info, io.BytesIO(data))


@pytest.mark.parametrize("kind", DATABASES)
def test_what_is_there_stays_and_with_force_gets_another_name(make: Make, filled: Place, tmp_path: Path, kind: str) -> None:
    filled.backup(tmp_path / "senka.tar")
    place = make(kind)
    with place.engine.begin() as connection:
        record(connection, 7)
    place.settings.repository.publish(make_model(tmp_path / "other.onnx", seed=5), "other", promote=True)
    other = place.settings.repository.get("champion").sha256
    place.store.put(place.store.key(b"other", "jpeg"), b"other")
    put_batch(place.settings, "another one's")
    (place.settings.home / "journal").mkdir(exist_ok=True)
    (place.settings.home / "journal" / "1.journal").write_bytes(b"of the old database")
    with pytest.raises(BackupError, match="--force"):
        place.restore(tmp_path / "senka.tar")
    assert count(place.engine, tables.gradings) == 1
    done = place.restore(tmp_path / "senka.tar", force=True)
    assert len(done.aside) == 5
    assert everything(place.engine) == everything(filled.engine)
    aside = {Path(name).name.partition(".before")[0]: Path(name) for name in done.aside if "/" in name}
    assert ModelRepository(aside["models"]).get("champion").sha256 == other
    assert list(aside["photographs"].rglob("*.jpg"))
    assert (aside["batches"] / "0193" / "manifest.csv").read_text() == "another one's"
    assert (aside["journal"] / "1.journal").read_bytes() == b"of the old database"
    if kind == "sqlite":
        old = open_database(f"sqlite:///{aside['senka.db']}")
        assert count(old, tables.gradings) == 1
        old.dispose()
    else:
        schema = next(name for name in done.aside if name.startswith("schema ")).removeprefix("schema ")
        with place.engine.connect() as connection:
            assert connection.execute(select(func.count()).select_from(table("gradings", schema=schema))).scalar() == 1
            with pytest.raises(Exception, match="append-only"):
                connection.execute(text("DELETE FROM audit"))


def test_a_damaged_database_is_moved_aside_with_force(make: Make, filled: Place, tmp_path: Path) -> None:
    filled.backup(tmp_path / "senka.tar")
    place = make("sqlite", fresh=True)
    (place.settings.home / "senka.db").write_bytes(b"no database at all, not any more" * 100)
    with pytest.raises(BackupError, match="--force"):
        place.restore(tmp_path / "senka.tar")
    place.restore(tmp_path / "senka.tar", force=True)
    assert everything(place.engine) == everything(filled.engine)


def test_a_running_service_is_not_restored_under(make: Make, filled: Place, tmp_path: Path) -> None:
    filled.backup(tmp_path / "senka.tar")
    place = make("sqlite", fresh=True)
    with (place.settings.home / "maintenance.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(BackupError, match="stop it first"):
            place.restore(tmp_path / "senka.tar")
    place.restore(tmp_path / "senka.tar")


def test_a_disk_that_is_too_small_is_said_before_anything_is_written(
    make: Make, filled: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled.backup(tmp_path / "senka.tar")
    place = make("sqlite", fresh=True)
    monkeypatch.setattr(module, "measure_disk", lambda _: Disk(10**9, 100))
    with pytest.raises(BackupError, match="has 100 free"):
        place.restore(tmp_path / "senka.tar")
    assert list(place.settings.home.iterdir()) == []


def test_a_backup_never_overwrites_a_file_and_leaves_nothing_half_done(filled: Place, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    (folder / "senka.tar").write_bytes(b"the only backup")
    with pytest.raises(BackupError, match="never overwrites"):
        filled.backup(folder / "senka.tar")
    assert (folder / "senka.tar").read_bytes() == b"the only backup"

    def get(key: str) -> None:
        raise OSError(5, "Input/output error", key)

    broken = type("Broken", (), {"get": staticmethod(get)})()
    with pytest.raises(OSError, match="Input/output"):
        write_backup(folder / "second.tar", Contents(filled.engine, broken, None, None))
    assert [path.name for path in folder.iterdir()] == ["senka.tar"]


def test_an_empty_installation_has_nothing_to_back_up(make: Make, tmp_path: Path) -> None:
    place = make("sqlite", fresh=True)
    with pytest.raises(BackupError, match="nothing to back up"):
        place.backup(tmp_path / "senka.tar")
    assert not (tmp_path / "senka.tar").exists()
