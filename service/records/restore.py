"""A backup read back: everything is checked before anything is written, and nothing that is there already is deleted."""

import contextlib
import fcntl
import gzip
import os
import re
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import IO, Any, Final

import orjson
from pydantic import ValidationError
from sqlalchemy import Connection, Engine, Table, TableClause, column, delete, func, insert, inspect, make_url, select, text
from sqlalchemy import table as table_clause
from sqlalchemy.exc import DBAPIError

from models.durable import sync_folder, write_durably
from service.records.backup import (
    FORMAT,
    MANIFEST,
    MANIFEST_SUM,
    ROWS_AT_ONCE,
    BackupError,
    Manifest,
    Photographs,
    Step,
)
from service.records.database import lift_deadline, migrate, open_database
from service.records.disk import measure_disk
from service.records.tables import UtcDateTime, metadata
from service.settings import Settings

_MEMBER: Final = re.compile(
    r"manifest\.json|manifest\.sha256|tables/[a-z_]{1,64}\.jsonl\.gz|photographs/[0-9a-f]{64}\.(?:jpg|png|webp|bmp)"
    r"|(?:models|batches)/[^\0]{1,500}"
)
_FOLDERS: Final = ("models/", "batches/")
MAX_MANIFEST_BYTES: Final = 16 * 2**20
MAX_PHOTOGRAPH_BYTES: Final = 2**30
MAX_LINE_BYTES: Final = 16 * 2**20
MAX_RATIO: Final = 500
"""A table that is said to unpack to more times its size was made to fill a disk."""
_DERIVED: Final = frozenset({"tallies", "confidence_tallies", "tally_marks"})
"""Counted from gradings: a schema without any of those may have rows here that mean nothing yet."""
_COUNTED: Final = ("gradings", "audit", "login_failures")
"""Tables whose rows have numbers that PostgreSQL gives out."""


@dataclass(slots=True)
class Checked:
    """A backup that is whole, and about what its files and its rows will take on disk."""

    manifest: Manifest
    files_bytes: int
    rows_bytes: int


@dataclass(slots=True)
class Restored:
    """What was restored, and where things are that stood there before."""

    manifest: Manifest
    aside: list[str] = field(default_factory=list)


def check(path: Path, step: Step = lambda *_: None) -> Checked:
    """Read a backup from end to end and compare every checksum. Raises BackupError, OSError."""
    sums: dict[str, str] = {}
    names, count, size, folder_bytes = sha256(), 0, 0, 0
    manifest: bytes | None = None
    total = path.stat().st_size
    with _opened(path) as tar:
        for member in _members(tar):
            if member.name in sums:
                raise BackupError(f"{path}: {member.name} is in it twice.")
            if member.name == MANIFEST:
                manifest = _whole(tar, member, MAX_MANIFEST_BYTES)
                sums[member.name] = sha256(manifest).hexdigest()
            elif member.name == MANIFEST_SUM:
                sums[member.name] = _whole(tar, member, 64).decode("ascii", "replace")
            else:
                found = _digest(tar, member)
                if not member.name.startswith("photographs/"):
                    sums[member.name] = found
                    folder_bytes += member.size if member.name.startswith(_FOLDERS) else 0
                else:
                    key = member.name.removeprefix("photographs/")
                    if found != key.partition(".")[0]:
                        raise BackupError(f"{path} is damaged: {member.name} is not what its name says.")
                    names.update(f"{key}\n".encode())
                    count += 1
                    size += member.size
            step("checking", member.offset_data + member.size, total)
    if manifest is None or sums.get(MANIFEST_SUM) != sums[MANIFEST]:
        raise BackupError(f"{path} is damaged or cut short: its manifest is missing or not as it was written.")
    read = _manifest(path, manifest)
    expected = {f"tables/{name}.jsonl.gz": facts.sha256 for name, facts in read.tables.items()}
    expected |= {f"models/{name}": digest for name, digest in read.models.items()}
    expected |= {f"batches/{name}": digest for name, digest in read.batches.items()}
    found_sums = {name: digest for name, digest in sums.items() if name not in (MANIFEST, MANIFEST_SUM)}
    if wrong := sorted(name for name in expected.keys() | found_sums.keys() if expected.get(name) != found_sums.get(name)):
        raise BackupError(f"{path} is damaged: {wrong[0]} is not what the manifest says.")
    photographs = read.photographs
    if (count, size, names.hexdigest()) != (photographs.count, photographs.bytes, photographs.names_sha256):
        raise BackupError(f"{path} is damaged: it has {count} photographs, and the manifest says {photographs.count}, or others.")
    if unknown := sorted(read.tables.keys() - metadata.tables.keys()):
        raise BackupError(f"{path} was made by another version of Senka: this one has no table {unknown[0]!r}.")
    # Rows take less in a database than as JSON, their indices and the log of the one transaction about as much again
    return Checked(read, size + folder_bytes, 2 * sum(facts.bytes for facts in read.tables.values()))


def restore(path: Path, settings: Settings, store: Photographs, *, force: bool = False, step: Step = lambda *_: None) -> Restored:
    """Put a backup back. Photographs first and records last, in one transaction: what is on record is there.

    Refuses a database with rows, a journal, a model repository or labelled batches that are there already; with `force` those
    are renamed and stay. Raises BackupError before anything is written when the backup is not whole, the service runs, or the
    disk is too small; DatabaseUnavailable.
    """
    checked = check(path, step)
    manifest = checked.manifest
    _require_room(settings, checked)
    settings.home.mkdir(parents=True, exist_ok=True)
    with _nobody_serves(settings.home):
        aside = _make_room(settings, manifest, force)
        engine = open_database(settings.records_url)
        try:
            # As it was then, and brought up to date after: an older backup fits a newer Senka
            migrate(engine, manifest.revision)
            _files(path, {"models": settings.models, "batches": settings.batches}, store, manifest, step)
            _load(path, engine, manifest, step)
            migrate(engine)
        finally:
            engine.dispose()
    return Restored(manifest, aside)


def _require_room(settings: Settings, checked: Checked) -> None:
    """Each folder by itself: together on one disk they may still not fit. Then the restore fails half-way, deleting nothing."""
    here = make_url(settings.records_url).get_backend_name() == "sqlite"
    for folder, needed in ((settings.photographs, checked.files_bytes), (settings.home, checked.rows_bytes if here else 0)):
        free = measure_disk(folder).free
        if free < needed:
            raise BackupError(f"{folder} needs {needed:,} bytes, and its disk has {free:,} free. Free some, or move SENKA_HOME.")


def _files(path: Path, folders: dict[str, Path], store: Photographs, manifest: Manifest, step: Step) -> None:
    incoming = {kind: folder.with_name(f".{folder.name}.{os.getpid()}.restoring") for kind, folder in folders.items()}
    done = 0
    with _opened(path) as tar:
        for member in _members(tar):
            kind, _, name = member.name.partition("/")
            if kind == "photographs":
                store.put(name, _whole(tar, member, MAX_PHOTOGRAPH_BYTES))
                done += 1
                step("photographs", done, manifest.photographs.count)
            elif kind in incoming:
                target = incoming[kind] / name
                target.parent.mkdir(parents=True, exist_ok=True)
                write_durably(target, _whole(tar, member, member.size))
                sync_folder(target.parent)
    for kind, folder in folders.items():
        if incoming[kind].exists():
            if folder.is_dir():
                folder.rmdir()  # empty, or _make_room would have refused it
            incoming[kind].rename(folder)
            sync_folder(folder.parent)


def _load(path: Path, engine: Engine, manifest: Manifest, step: Step) -> None:
    with _opened(path) as tar:
        members = {member.name: member for member in _members(tar) if member.name.startswith("tables/")}
        with engine.begin() as connection:
            if engine.dialect.name == "postgresql":
                lift_deadline(connection)
                connection.execute(text("SET LOCAL statement_timeout = 0"))
            for table in metadata.sorted_tables:
                if table.name in _DERIVED and inspect(connection).has_table(table.name):
                    connection.execute(delete(table))
                if table.name in manifest.tables:
                    member = members[f"tables/{table.name}.jsonl.gz"]
                    _load_table(connection, table, _content(tar, member), member.size, manifest, step)
            if engine.dialect.name == "postgresql":
                _set_sequences(connection)


def _load_table(connection: Connection, table: Table, packed: IO[bytes], size: int, manifest: Manifest, step: Step) -> None:
    facts = manifest.tables[table.name]
    if facts.bytes > MAX_RATIO * size + 2**20:
        raise BackupError(
            f"The table {table.name} is said to be {facts.bytes:,} bytes in {size:,}: no backup of ours packs so well."
        )
    moments = [column.name for column in table.columns if isinstance(column.type, UtcDateTime)]
    rows: list[dict[str, Any]] = []
    count = read = 0
    with gzip.GzipFile(fileobj=packed) as lines:
        while line := lines.readline(MAX_LINE_BYTES):
            read += len(line)
            if read > facts.bytes:
                break
            row = orjson.loads(line)
            for name in moments:
                if row.get(name) is not None:
                    row[name] = datetime.fromisoformat(row[name])
            rows.append(row)
            count += 1
            if len(rows) == ROWS_AT_ONCE:
                connection.execute(insert(_as_of(table, rows[0])), rows)
                rows = []
                step(table.name, count, facts.rows)
    if rows:
        connection.execute(insert(_as_of(table, rows[0])), rows)
    step(table.name, count, facts.rows)
    if (count, read) != (facts.rows, facts.bytes):
        raise BackupError(f"{table.name} has {count} rows, and the manifest says {facts.rows}. Nothing was put on record.")


def _as_of(table: Table, row: dict[str, Any]) -> TableClause:
    """The table with the columns that a row of it had when the backup was made: later ones are for the migrations to fill."""
    return table_clause(table.name, *(column(name, one.type) for name, one in table.columns.items() if name in row))


def _set_sequences(connection: Connection) -> None:
    there = set(inspect(connection).get_table_names())
    for name in _COUNTED:
        if name in there:
            highest = connection.execute(select(func.max(metadata.tables[name].c.seq))).scalar()
            sequence = func.pg_get_serial_sequence(name, "seq")
            connection.execute(select(func.setval(sequence, highest or 1, highest is not None)))


def _make_room(settings: Settings, manifest: Manifest, force: bool) -> list[str]:
    """Raise BackupError where something would be overwritten, or with `force` rename it; return the new names."""
    taken: list[str] = []
    if _has_rows(settings.records_url):
        taken.append("the database")
    journal = settings.home / "journal"
    if journal.is_dir() and any(file.stat().st_size for file in journal.iterdir() if file.is_file()):
        taken.append(str(journal))
    for names, folder in ((manifest.models, settings.models), (manifest.batches, settings.batches)):
        if names and folder.is_dir() and any(folder.iterdir()):
            taken.append(str(folder))
    if not taken:
        return []
    if not force:
        raise BackupError(f"{' and '.join(taken)} would be overwritten. With --force what is there is renamed and kept.")
    mark = f"before-restore-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    aside = [_rename(folder, mark) for folder in (journal, settings.models, settings.batches) if str(folder) in taken]
    if "the database" in taken:
        aside += _database_aside(settings.records_url, mark)
        # What the old records name stays with them. Photographs in an object store do too: they are named by their content
        if settings.photographs.is_dir() and isinstance(settings.image_store, Path | None) and manifest.photographs.included:
            aside.append(_rename(settings.photographs, mark))
    return aside


def _has_rows(url: str) -> bool:
    engine = open_database(url)
    try:
        with engine.connect() as connection:
            there = set(inspect(connection).get_table_names())
            names = [name for name in metadata.tables if name in there and name not in _DERIVED]
            return any(connection.execute(select(text("1")).select_from(metadata.tables[n]).limit(1)).first() for n in names)
    except DBAPIError:
        if engine.dialect.name == "sqlite":  # damaged, which may be why there is a restore: not ours to overwrite
            return True
        raise
    finally:
        engine.dispose()


def _database_aside(url: str, mark: str) -> list[str]:
    engine = open_database(url)
    try:
        if engine.dialect.name == "postgresql":
            return [_schema_aside(engine, mark.lower().replace("-", "_"))]
    finally:
        engine.dispose()
    file = Path(str(engine.url.database))
    for suffix in ("", "-wal", "-shm"):  # SQLite finds its log by the name of the database
        with contextlib.suppress(FileNotFoundError):
            Path(f"{file}{suffix}").rename(f"{file}.{mark}{suffix}")
    return [f"{file}.{mark}"]


def _schema_aside(engine: Engine, schema: str) -> str:
    """PostgreSQL: the tables move into a schema of their own, with their indices and triggers."""
    with engine.begin() as connection:
        connection.execute(text(f"CREATE SCHEMA {schema}"))
        for name in [*inspect(connection).get_table_names()]:
            if name in metadata.tables or name == "alembic_version":
                connection.execute(text(f'ALTER TABLE "{name}" SET SCHEMA {schema}'))
        functions = text(
            "SELECT proname FROM pg_proc WHERE pronamespace = current_schema()::regnamespace AND proname LIKE 'senka\\_%'"
        )
        for name in connection.execute(functions).scalars().all():
            connection.execute(text(f'ALTER FUNCTION "{name}" SET SCHEMA {schema}'))
    return f"schema {schema}"


def _rename(path: Path, mark: str) -> str:
    """Where it is now: beside its old place, or, for a folder that is a file system of its own, inside it."""
    aside = path.with_name(f"{path.name}.{mark}")
    try:
        path.rename(aside)
    except OSError:
        if not path.is_dir():
            raise
        aside = path / f".{mark}"
        aside.mkdir()
        for child in [child for child in path.iterdir() if child != aside]:
            child.rename(aside / child.name)
    return str(aside)


@contextmanager
def _nobody_serves(home: Path) -> Iterator[None]:
    """Hold the lock that one process of a running service holds. Raises BackupError."""
    with (home / "maintenance.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BackupError(f"The service is running on {home}: stop it first.") from error
        yield


@contextmanager
def _opened(path: Path) -> Iterator[tarfile.TarFile]:
    """Raises BackupError for a file that is no tar, or ends in the middle."""
    try:
        with tarfile.open(path, "r:") as tar:
            yield tar
    except (tarfile.TarError, EOFError, gzip.BadGzipFile) as error:
        raise BackupError(f"{path} is damaged, cut short, or no backup of Senka ({error}).") from error


def _members(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """The members in their order: plain files under the names of a backup and nothing else. Raises BackupError."""
    while (member := tar.next()) is not None:
        tar.members = []  # type: ignore[attr-defined]  # it would remember a million photographs
        if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or member.issparse():
            raise BackupError(f"The backup has a {member.name[:100]!r} that is no plain file; backups of ours have none.")
        parts = PurePosixPath(member.name).parts
        if not _MEMBER.fullmatch(member.name) or ".." in parts or "/".join(parts) != member.name:
            raise BackupError(f"The backup has a file {member.name[:100]!r}; backups of ours have none.")
        yield member


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    content = tar.extractfile(member)
    if content is None:
        raise BackupError(f"The backup has no content for {member.name!r}.")
    return content


def _whole(tar: tarfile.TarFile, member: tarfile.TarInfo, limit_bytes: int) -> bytes:
    if member.size > limit_bytes:
        raise BackupError(f"{member.name} has {member.size:,} bytes; in a backup of ours it has at most {limit_bytes:,}.")
    data = _content(tar, member).read()
    if len(data) != member.size:
        raise BackupError(f"The backup is cut short in {member.name}.")
    return data


def _digest(tar: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    content, digest, size = _content(tar, member), sha256(), 0
    while chunk := content.read(2**20):
        digest.update(chunk)
        size += len(chunk)
    if size != member.size:
        raise BackupError(f"The backup is cut short in {member.name}.")
    return digest.hexdigest()


def _manifest(path: Path, written: bytes) -> Manifest:
    try:
        manifest = Manifest.model_validate_json(written)
    except ValidationError as error:
        raise BackupError(f"{path}: its manifest is not one of ours: {error.errors()[0]['msg']}.") from error
    if manifest.format != FORMAT:
        raise BackupError(f"{path} has format {manifest.format}; this version of Senka reads format {FORMAT}.")
    return manifest
