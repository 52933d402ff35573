"""A backup: records, photographs, models and labelled batches of an installation in one file, made while the service runs.

A plain tar, readable in twenty years with nothing of ours:

    tables/<name>.jsonl.gz     one JSON object for each row, all tables as they were at one moment
    photographs/<key>          named by the SHA-256 of their content
    models/<path>              the model repository, file by file
    batches/<path>             the labelled batches that were taken in
    manifest.json              versions, row counts, and the SHA-256 of every table and of every file of the last two
    manifest.sha256            that of the manifest

Sessions, failed logins and who is looking at which fruit are not in it. Password and key hashes are, so the file is readable by
its owner alone.
"""

import gzip
import io
import os
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, Protocol

import orjson
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection, Engine, Table, func, inspect, select, text, union_all

from models.durable import sync_folder
from models.errors import SenkaError
from service.records.database import lift_deadline
from service.records.tables import batch_photographs, gradings, metadata
from service.records.transactions import reading

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
MANIFEST_SUM: Final = "manifest.sha256"
LEFT_OUT: Final = frozenset({"sessions", "login_failures", "review_claims"})
"""Tables of the moment: after a restore everybody logs in again, and nobody is looking at a fruit."""
ROWS_AT_ONCE: Final = 1000

Step = Callable[[str, int, int], None]
"""Told of progress: what is worked on, how much is done, of how much."""


class BackupError(SenkaError):
    """A backup that cannot be made, read or restored; the message is one line."""

    code = "backup_error"


class Photographs(Protocol):
    """What a backup needs of the image store."""

    def get(self, key: str) -> tuple[bytes, str] | None: ...

    def put(self, key: str, data: bytes) -> bool: ...


class TableFacts(BaseModel):
    """Of one table: `bytes` is the size of its lines before compression."""

    model_config = ConfigDict(extra="forbid")

    rows: int = Field(ge=0)
    bytes: int = Field(ge=0)
    sha256: str


class PhotographFacts(BaseModel):
    """`names_sha256` is over the keys in their order, each with a line feed."""

    model_config = ConfigDict(extra="forbid")

    included: bool
    count: int = Field(ge=0)
    bytes: int = Field(ge=0)
    missing: int = Field(ge=0, description="named by a record, but no longer in the image store")
    names_sha256: str


class Manifest(BaseModel):
    """What is in a backup."""

    model_config = ConfigDict(extra="forbid")

    format: int
    senka: str
    made_at: str
    revision: str
    database: str
    tables: dict[str, TableFacts]
    photographs: PhotographFacts
    models: dict[str, str] = Field(description="path in the repository -> SHA-256")
    batches: dict[str, str] = Field(description="path below the folder of labelled batches -> SHA-256")


@dataclass(frozen=True, slots=True)
class Contents:
    """What goes in; None leaves it out."""

    engine: Engine
    photographs: Photographs | None
    models: Path | None
    batches: Path | None


def write_backup(path: Path, contents: Contents, step: Step = lambda *_: None) -> Manifest:
    """Write a backup; the file appears under its name when it is whole. Raises BackupError, OSError."""
    if path.exists():
        raise BackupError(f"There is a {path} already; a backup never overwrites one.")
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
                manifest = _Writer(tar, step).write(contents)
            file.flush()
            os.fsync(file.fileno())
        os.link(aside, path)  # unlike a rename, it fails when somebody made that file meanwhile
    except FileExistsError as error:
        raise BackupError(f"There is a {path} already; a backup never overwrites one.") from error
    finally:
        aside.unlink(missing_ok=True)
    sync_folder(path.parent)
    return manifest


class _Writer:
    def __init__(self, tar: tarfile.TarFile, step: Step) -> None:
        self._tar = tar
        self._step = step
        self._now_s = int(datetime.now(UTC).timestamp())

    def write(self, contents: Contents) -> Manifest:
        with tempfile.TemporaryFile("w+") as keys:
            with snapshot(contents.engine) as connection:
                revision = revision_of(connection)
                if revision is None:
                    raise BackupError("The database has no records of Senka: there is nothing to back up.")
                tables = {table.name: self._table(connection, table) for table in _tables(connection)}
                for key in _keys(connection) if contents.photographs else ():
                    keys.write(f"{key}\n")
            keys.seek(0)
            photographs = self._photographs(keys, contents.photographs)
        manifest = Manifest(
            format=FORMAT,
            senka=version("senka"),
            made_at=datetime.now(UTC).isoformat(timespec="seconds"),
            revision=revision,
            database=contents.engine.dialect.name,
            tables=tables,
            photographs=photographs,
            models=self._files("models", contents.models) if contents.models else {},
            batches=self._files("batches", contents.batches) if contents.batches else {},
        )
        written = manifest.model_dump_json(indent=1).encode()
        self._add(MANIFEST, written)
        self._add(MANIFEST_SUM, sha256(written).hexdigest().encode())
        return manifest

    def _table(self, connection: Connection, table: Table) -> TableFacts:
        """Its rows, compressed into a temporary file first: a tar has to know a member's size before its content."""
        total = connection.execute(select(func.count()).select_from(table)).scalar_one()
        there = {column["name"] for column in inspect(connection).get_columns(table.name)}
        columns = [column for column in table.columns if column.name in there]
        names = [str(column.name) for column in columns]  # SQLAlchemy's own kind of text is none to orjson
        query = select(*columns).order_by(*(column for column in columns if column.primary_key))
        rows = size = 0
        with tempfile.TemporaryFile() as spool:
            with gzip.GzipFile(fileobj=spool, mode="wb", compresslevel=6, mtime=0) as packed:
                for row in connection.execution_options(yield_per=ROWS_AT_ONCE).execute(query):
                    line = orjson.dumps(dict(zip(names, row, strict=True)), option=orjson.OPT_APPEND_NEWLINE)
                    packed.write(line)
                    rows += 1
                    size += len(line)
                    if rows % ROWS_AT_ONCE == 0 or rows == total:
                        self._step(table.name, rows, total)
            length = spool.tell()
            spool.seek(0)
            summed = _Summed(spool)
            self._tar.addfile(self._info(f"tables/{table.name}.jsonl.gz", length), summed)
        return TableFacts(rows=rows, bytes=size, sha256=summed.hexdigest())

    def _photographs(self, keys: Any, store: Photographs | None) -> PhotographFacts:
        total = sum(1 for _ in keys)
        keys.seek(0)
        names = sha256()
        count = size = missing = 0
        for number, line in enumerate(keys, 1):
            found = store.get(line.rstrip("\n")) if store else None
            if found is None:  # deleted since the snapshot, by age or for want of space
                missing += 1
            else:
                self._add(f"photographs/{line.rstrip()}", found[0])
                names.update(line.encode())
                count += 1
                size += len(found[0])
            self._step("photographs", number, total)
        return PhotographFacts(
            included=store is not None, count=count, bytes=size, missing=missing, names_sha256=names.hexdigest()
        )

    def _files(self, kind: str, root: Path) -> dict[str, str]:
        """Aliases of models before versions: what they name is then there, whatever is published meanwhile."""
        files = sorted(p for p in root.rglob("*") if p.is_file() and not any(part.startswith(".incoming-") for part in p.parts))
        files = [p for p in files if p.name != ".lock"]
        sums = {}
        held = {p: p.read_bytes() for p in files if p.name == "aliases.json"}
        for number, path in enumerate(sorted(files, key=lambda p: (p not in held, p)), 1):
            data = held.get(path) or path.read_bytes()
            name = path.relative_to(root).as_posix()
            self._add(f"{kind}/{name}", data)
            sums[name] = sha256(data).hexdigest()
            self._step(kind, number, len(files))
        return sums

    def _add(self, name: str, data: bytes) -> None:
        self._tar.addfile(self._info(name, len(data)), io.BytesIO(data))
        self._tar.members = []  # type: ignore[attr-defined]  # it would remember a million photographs

    def _info(self, name: str, size: int) -> tarfile.TarInfo:
        info = tarfile.TarInfo(name)
        info.size, info.mode, info.mtime = size, 0o600, self._now_s
        return info


class _Summed(io.RawIOBase):
    """Passes on what is read, and sums it."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self._sum = sha256()

    def read(self, size: int = -1) -> bytes:
        data: bytes = self._file.read(size)
        self._sum.update(data)
        return data

    def hexdigest(self) -> str:
        return self._sum.hexdigest()


@contextmanager
def snapshot(engine: Engine) -> Iterator[Connection]:
    """A connection that sees the database as it was at one moment, while others go on writing. Raises RecordsUnavailable."""
    with reading(engine) as connection:
        if engine.dialect.name == "postgresql":
            connection = connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            # Reading a season takes as long as it takes
            lift_deadline(connection)
            connection.execute(text("SET LOCAL statement_timeout = 0"))
            connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        yield connection
        connection.rollback()


def revision_of(connection: Connection) -> str | None:
    """The revision of the schema; None where there is no schema of ours."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return found


def _tables(connection: Connection) -> list[Table]:
    """Parents before their children; a database of an earlier revision has fewer."""
    there = set(inspect(connection).get_table_names())
    return [table for table in metadata.sorted_tables if table.name in there and table.name not in LEFT_OUT]


def _keys(connection: Connection) -> Iterator[str]:
    """Every photograph that a record or a labelled batch names, once."""
    inspector = inspect(connection)
    kept = select(gradings.c.photograph).where(gradings.c.photograph.is_not(None))
    if "photograph_deleted_at" in {column["name"] for column in inspector.get_columns("gradings")}:
        kept = kept.where(gradings.c.photograph_deleted_at.is_(None))
    named = [kept]
    if inspector.has_table("batch_photographs"):
        named.append(select(batch_photographs.c.photograph))
    query = union_all(*named).subquery().select().distinct()
    yield from connection.execution_options(yield_per=ROWS_AT_ONCE).execute(query).scalars()
