"""Each thing that can be wrong is found, named in one line, and comes with what to do; a sound installation has no failure."""

import json
import os
import socket
import sqlite3
import ssl
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from service.doctor import Finding, Level, examine, files, serving
from service.doctor.database import door
from service.records.database import migrate, open_database
from service.records.folder import GRACE_S
from service.records.photographs import PhotographStore
from service.security.keys import Keys
from service.settings import Settings
from tests.commands import home, senka  # noqa: F401 - home is a fixture
from tests.databases import DATABASES, database_url
from tests.service.models import make_model
from tests.service.records.filled import fill, record

SECRET = "hunter2"


@pytest.fixture(params=DATABASES)
def sound(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Settings]:
    """An installation in which all is well."""
    place = tmp_path / "home"
    place.mkdir(mode=0o700)
    with database_url(request.param, place) as url:
        settings = Settings(home=place, database_url=url, port=free_port(), providers="cpu")
        engine, store = open_database(url), PhotographStore(settings.photographs)
        migrate(engine)
        fill(engine, store)
        engine.dispose()
        store.close()
        settings.repository.publish(make_model(tmp_path / "first.onnx"), promote=True)
        yield settings


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wrong(settings: Settings) -> dict[str, Finding]:
    """What is not ok, by check; every one of them says what to do."""
    found = [finding for finding in examine(settings) if finding.level is not Level.OK]
    assert all(finding.mend and "\n" not in finding.says for finding in found)
    return {finding.check: finding for finding in found}


def test_a_sound_installation_has_nothing_wrong_and_is_not_changed(sound: Settings) -> None:
    before = sorted(str(path) for path in sound.home.rglob("*") if not path.name.startswith("senka.db"))
    found = list(examine(sound))
    assert [finding for finding in found if finding.level is Level.FAILURE] == []
    assert {finding.check for finding in found} >= {
        *("home", "permissions", "disk", "file_system", "journal", "model", "tls", "port", "packages", "database"),
        *("integrity", "commits", "tallies", "clock", "door", "photographs", "missing", "orphans"),
    }
    assert set(wrong(sound)) <= {"disk"}  # a busy machine may be short of it
    assert sorted(str(path) for path in sound.home.rglob("*") if not path.name.startswith("senka.db")) == before


def spoil_tallies(settings: Settings) -> None:
    execute(settings, "UPDATE tallies SET count = count + 1")


def lose_photographs(settings: Settings) -> None:
    for path in settings.photographs.rglob("*.jpg"):
        path.unlink()


def damage_photographs(settings: Settings) -> None:
    for path in settings.photographs.rglob("*.jpg"):
        path.write_bytes(b"something else")


def leave_orphans(settings: Settings) -> None:
    path = settings.photographs / "ab" / ("ab" * 32 + ".jpg")
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"x")
    old = time.time() - GRACE_S - 60
    os.utime(path, (old, old))


def come_from_the_future(settings: Settings) -> None:
    engine = open_database(settings.records_url)
    with engine.begin() as connection:
        record(connection, 1, received_at=datetime.now(UTC) + timedelta(days=400))
    engine.dispose()


def damage_the_model(settings: Settings) -> None:
    settings.repository.get("champion").path.write_bytes(b"no model any more")


def lose_the_model(settings: Settings) -> None:
    (settings.models / "cucumber" / "aliases.json").unlink()


def leave_a_journal(settings: Settings) -> None:
    (settings.home / "journal").mkdir()
    (settings.home / "journal" / "1234.journal").write_bytes(b"a grading")


def leave_refused_gradings(settings: Settings) -> None:
    (settings.home / "journal").mkdir()
    (settings.home / "journal" / "refused").write_bytes(b"a grading")


def newer_schema(settings: Settings) -> None:
    execute(settings, "UPDATE alembic_version SET version_num = '9999'")


def older_schema(settings: Settings) -> None:
    execute(settings, "UPDATE alembic_version SET version_num = '0001'")


def execute(settings: Settings, statement: str) -> None:
    engine = open_database(settings.records_url)
    with engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()


@pytest.mark.parametrize(
    ("spoil", "check", "level"),
    [
        (spoil_tallies, "tallies", "failure"),
        (lose_photographs, "photographs", "failure"),
        (lose_photographs, "missing", "failure"),
        (damage_photographs, "photographs", "failure"),
        (leave_orphans, "orphans", "warning"),
        (come_from_the_future, "clock", "failure"),
        (damage_the_model, "model", "failure"),
        (lose_the_model, "model", "warning"),
        (leave_a_journal, "journal", "warning"),
        (leave_refused_gradings, "journal", "warning"),
        (newer_schema, "database", "failure"),
        (older_schema, "database", "failure"),
    ],
)
def test_what_is_wrong_is_found(sound: Settings, spoil: Callable[[Settings], None], check: str, level: str) -> None:
    assert check not in wrong(sound)
    spoil(sound)
    assert wrong(sound)[check].level == level


def test_a_damaged_sqlite_file_is_found(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    engine = open_database(settings.records_url)
    migrate(engine)
    with engine.begin() as connection:
        record(connection, *range(2000))
    engine.dispose()
    file = tmp_path / "senka.db"
    with sqlite3.connect(file) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        [(page,)] = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'ix_gradings_lot'").fetchall()
        [(size,)] = connection.execute("PRAGMA page_size").fetchall()
    connection.close()
    data = bytearray(file.read_bytes())
    data[(page - 1) * size : page * size] = os.urandom(size)
    file.write_bytes(data)
    assert wrong(settings)["integrity"].level is Level.FAILURE


def test_a_file_that_is_no_database_is_found(tmp_path: Path) -> None:
    (tmp_path / "senka.db").write_bytes(b"a letter, not a database" * 100)
    assert "not a database" in wrong(Settings(home=tmp_path))["database"].says


def test_a_database_that_is_away_is_found_without_its_password(tmp_path: Path) -> None:
    url = f"postgresql://senka:{SECRET}@127.0.0.1:{free_port()}/senka"
    found = list(examine(Settings(home=tmp_path, database_url=url)))
    assert any(finding.check == "database" and finding.level is Level.FAILURE for finding in found)
    assert SECRET not in str(found)


def test_an_empty_home_is_no_failure_and_stays_empty(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "new", port=free_port())
    assert {name: finding.level for name, finding in wrong(settings).items() if name != "disk"} == {
        "home": Level.WARNING,
        "model": Level.WARNING,
        "database": Level.WARNING,
    }
    assert not settings.home.exists()


def test_files_that_others_can_read_are_found(tmp_path: Path) -> None:
    place = tmp_path / "home"
    place.mkdir()
    (place / "senka.db").write_bytes(b"")
    (place / "senka.db").chmod(0o644)
    for folder in (place, *place.parents):
        if folder == Path("/tmp") or folder == Path("/"):
            break
        folder.chmod(0o755)
    [found] = files.permissions(Settings(home=place))
    assert (found.level, str(place / "senka.db") in found.says) == (Level.WARNING, True)
    place.chmod(0o700)  # a closed folder closes what is in it
    [found] = files.permissions(Settings(home=place))
    assert found.level is Level.OK


def test_sqlite_on_a_network_file_system_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(
        f"/dev/sda / ext4 rw 0 0\nserver:/share {tmp_path} nfs4 rw 0 0\ntmpfs {tmp_path}/ram\\040disk tmpfs rw 0 0\n"
    )
    assert files.kind_of(tmp_path / "home", mounts) == "nfs4"
    assert files.kind_of(tmp_path / "ram disk" / "home", mounts) == "tmpfs"
    assert files.kind_of(Path("/elsewhere"), mounts) == "ext4"
    assert files.kind_of(tmp_path, tmp_path / "nothing") is None
    monkeypatch.setattr(files, "kind_of", lambda *_: "nfs4")
    [found] = files.file_system(Settings(home=tmp_path))
    assert found.level is Level.FAILURE
    [found] = files.file_system(Settings(home=tmp_path, database_url="postgresql://db/senka"))
    assert found.level is Level.OK


def test_a_disk_below_the_watermark_is_a_warning(tmp_path: Path) -> None:
    whole = os.statvfs(tmp_path).f_blocks * os.statvfs(tmp_path).f_frsize
    found = list(files.disk(Settings(home=tmp_path, disk_reserve_bytes=0)))
    assert {finding.level for finding in found} == {Level.OK}
    found = list(files.disk(Settings(home=tmp_path, disk_reserve_bytes=whole)))
    free = os.statvfs(tmp_path).f_bavail * os.statvfs(tmp_path).f_frsize
    assert {finding.level for finding in found} == {Level.WARNING if free < whole // 4 else Level.OK}


@pytest.mark.parametrize(
    ("facts", "people", "level"),
    [
        ({"host": "0.0.0.0", "auth": "off"}, True, Level.FAILURE),
        ({"host": "0.0.0.0"}, False, Level.FAILURE),
        ({"host": "0.0.0.0"}, True, Level.WARNING),  # plain http
        ({"host": "0.0.0.0", "trusted_proxies": ("10.0.0.1",)}, True, Level.OK),
        ({"host": "127.0.0.1"}, False, Level.OK),
        ({"host": "127.0.0.1", "auth": "off"}, False, Level.OK),
    ],
)
def test_an_open_door_is_found(tmp_path: Path, facts: dict[str, object], people: bool, level: Level) -> None:
    settings = Settings(home=tmp_path, **facts)
    engine = open_database(settings.records_url)
    migrate(engine)
    if people:
        Keys(engine).add("line 1", by="boss")
    [found] = door(settings, engine)
    engine.dispose()
    assert found.level is level


def test_a_port_that_is_taken_is_told_from_one_that_is_free(tmp_path: Path) -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        settings = Settings(home=tmp_path, port=busy.getsockname()[1])
        [found] = serving.port(settings)
        assert found.level is Level.FAILURE  # bound, but nobody answers
        busy.listen()
        [found] = serving.port(settings)
        assert (found.level, "answers" in found.says) == (Level.OK, True)
    [found] = serving.port(settings)
    assert "is free" in found.says
    [found] = serving.port(Settings(home=tmp_path, host="no.such.host.invalid"))
    assert found.level is Level.FAILURE


@pytest.mark.parametrize(("days", "level"), [(-3, Level.FAILURE), (5, Level.WARNING), (90, Level.OK)])
def test_a_certificate_that_ends_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, days: int, level: Level) -> None:
    monkeypatch.setattr(serving, "certificate", lambda _: (tmp_path / "chain.pem", tmp_path / "key.pem"))
    monkeypatch.setattr(serving, "expires_s", lambda _: time.time() + days * 86_400)
    [found] = serving.tls(Settings(home=tmp_path))
    assert found.level is level


def test_the_end_of_a_certificate_is_read_from_its_file(tmp_path: Path) -> None:
    roots = ssl.get_default_verify_paths().cafile or "/etc/ssl/certs/ca-certificates.crt"
    if not Path(roots).is_file():
        pytest.skip("this machine has no certificates to read")
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    first = Path(roots).read_text().partition(begin)[2].partition(end)[0]
    (tmp_path / "chain.pem").write_text(f"{begin}{first}{end}\n")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(tmp_path / "chain.pem")
    [facts] = context.get_ca_certs()
    assert serving.expires_s(tmp_path / "chain.pem") == ssl.cert_time_to_seconds(str(facts["notAfter"]))
    (tmp_path / "chain.pem").write_text("no certificate")
    with pytest.raises(ssl.SSLError):
        serving.expires_s(tmp_path / "chain.pem")


def test_half_of_a_certificate_is_a_failure(tmp_path: Path) -> None:
    [found] = serving.tls(Settings(home=tmp_path, tls_certificate=tmp_path / "chain.pem"))
    assert found.level is Level.FAILURE


def test_packages_that_settings_call_for_are_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "_version", lambda name: None if name in ("psycopg", "s3fs") else "1")
    settings = Settings(home=tmp_path, database_url="postgresql://db/senka", image_store="s3://bucket/senka")
    found = [finding for finding in serving.packages(settings) if finding.level is Level.FAILURE]
    assert ["psycopg" in found[0].says, "s3fs" in found[1].says] == [True, True]


def test_the_command_exits_1_on_a_failure_and_0_without(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    monkeypatch.setenv("SENKA_PORT", str(free_port()))
    done = senka("doctor", "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["failures"] == 0
    assert {finding["level"] for finding in told["findings"]} <= {"ok", "warning"}
    home.mkdir()
    (home / "senka.db").write_bytes(b"a letter, not a database" * 100)
    done = senka("doctor")
    assert done.exit_code == 1
    assert "FAILURE database" in done.stdout
    assert "        -> " in done.stdout
