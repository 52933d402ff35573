"""Checks of folders, disks and files."""

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from service.doctor.finding import Finding, failure, ok, warning
from service.records.disk import SMALL_DISK_SHARE, measure_disk
from service.records.journal import REFUSED, SUFFIX
from service.settings import Settings

NETWORK_FILE_SYSTEMS: Final = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "afs", "ceph", "glusterfs", "fuse.glusterfs", "lustre", "davfs"}
)
"""Their locks and their idea of what is on disk are not what SQLite needs."""
OLD_SPOOL_FILES: Final = 1000


def home(settings: Settings) -> Iterator[Finding]:
    """SENKA_HOME: there, a folder, and ours to write."""
    folder = settings.home
    if not folder.exists():
        yield warning("home", f"There is no {folder} yet.", "Start the service once, or set SENKA_HOME: senka serve.")
    elif not folder.is_dir():
        yield failure("home", f"{folder} is not a folder.", "Set SENKA_HOME to a folder.")
    elif not os.access(folder, os.W_OK | os.X_OK):
        yield failure("home", f"{folder} cannot be written by this account.", f"chown it: sudo chown -R $USER {folder}")
    else:
        yield ok("home", f"{folder} can be written.")


def permissions(settings: Settings) -> Iterator[Finding]:
    """Files with personal data or secrets, readable by other accounts of this machine."""
    open_to_others = [
        path for path in _private(settings) if path.exists() and path.stat().st_mode & (stat.S_IROTH | stat.S_IWOTH)
    ]
    # A closed folder above closes what is in it
    open_to_others = [path for path in open_to_others if _reachable_by_others(path)]
    if not open_to_others:
        yield ok("permissions", "Records and keys are closed to other accounts.")
        return
    names = ", ".join(str(path) for path in open_to_others)
    yield warning("permissions", f"Other accounts of this machine can read {names}.", f"chmod o-rwx {names.replace(', ', ' ')}")


def _private(settings: Settings) -> list[Path]:
    database = [settings.home / name for name in ("senka.db", "senka.db-wal")] if not settings.database_url else []
    return [*database, settings.home / "journal", settings.photographs, *([settings.tls_key] if settings.tls_key else [])]


def _reachable_by_others(path: Path) -> bool:
    return all(parent.stat().st_mode & stat.S_IXOTH for parent in path.resolve().parents)


def disk(settings: Settings) -> Iterator[Finding]:
    """Free disk against the watermark under which photographs are no longer stored."""
    for name, folder in {"records": settings.home, "photographs": settings.photographs}.items():
        found = measure_disk(folder)
        reserve = min(settings.disk_reserve_bytes, int(found.total * SMALL_DISK_SHARE))
        says = f"{name}: {found.free / 2**30:,.1f} GiB of {found.total / 2**30:,.1f} are free on the disk of {folder}"
        if found.free < reserve:
            mend = "Free some, keep fewer photographs (SENKA_KEEP, SENKA_KEEP_DAYS, SENKA_KEEP_BYTES), or move SENKA_HOME."
            yield warning("disk", f"{says}, less than the {reserve / 2**30:,.1f} under which no photographs are stored.", mend)
        else:
            yield ok("disk", f"{says}.")


def file_system(settings: Settings) -> Iterator[Finding]:
    """SQLite on a file system that it cannot trust."""
    if settings.database_url and not settings.database_url.startswith("sqlite"):
        yield ok("file_system", "Records are in a database server.")
        return
    kind = kind_of(settings.home, Path("/proc/self/mounts"))
    if kind is None:
        yield ok("file_system", "This system does not say what SENKA_HOME is on.")
    elif kind in NETWORK_FILE_SYSTEMS:
        mend = "Move SENKA_HOME to a disk of this machine, or set SENKA_DATABASE_URL to PostgreSQL."
        yield failure("file_system", f"{settings.home} is on {kind}, a network file system: SQLite can lose records there.", mend)
    elif kind in ("tmpfs", "ramfs"):
        yield warning("file_system", f"{settings.home} is on {kind}: it is gone after a restart.", "Move SENKA_HOME to a disk.")
    else:
        yield ok("file_system", f"{settings.home} is on {kind}.")


def kind_of(folder: Path, mounts: Path) -> str | None:
    """The kind of file system a folder is on, or will be; None where the system does not say."""
    try:
        lines = mounts.read_text().splitlines()
    except OSError:
        return None
    path = folder.resolve()
    best: tuple[int, str] | None = None
    for line in lines:
        fields = line.split(" ")
        point = Path(fields[1].replace("\\040", " "))
        depth = len(point.parts)
        if (path == point or point in path.parents) and (best is None or depth >= best[0]):
            best = depth, fields[2]
    return best[1] if best else None


def left_over(settings: Settings) -> Iterator[Finding]:
    """Gradings and photographs that wait for a database or an object store that was away."""
    journal = settings.home / "journal"
    found = [file for file in journal.iterdir() if file.is_file() and file.stat().st_size] if journal.is_dir() else []
    waiting = [file for file in found if file.suffix == SUFFIX]
    if refused := [file for file in found if file.name.startswith(REFUSED)]:
        says = f"The database would not take gradings that waited for it: {', '.join(str(file) for file in refused)}."
        yield warning("journal", says, "Look at the file and the log for the reason; delete it once the gradings are not missed.")
    if waiting:
        size = sum(file.stat().st_size for file in waiting)
        says = f"{len(waiting)} files in {journal}, {size:,} bytes, wait for the database or were left by a process that died."
        yield warning("journal", says, "A running service writes them to the database by itself; start it, and look at its log.")
    elif not refused:
        yield ok("journal", "No gradings wait in the journal.")
    if isinstance(settings.image_store, str):
        count = sum(1 for _ in settings.photographs.rglob("*.*")) if settings.photographs.is_dir() else 0
        if count > OLD_SPOOL_FILES:
            says = f"{count:,} photographs wait in {settings.photographs} for the object store."
            yield warning("spool", says, "Look in the log why they are not uploaded, and whether the store answers.")
        else:
            yield ok("spool", f"{count:,} photographs wait for the object store.")


CHECKS: Final[dict[str, Callable[[Settings], Iterator[Finding]]]] = {
    "home": home,
    "permissions": permissions,
    "disk": disk,
    "file_system": file_system,
    "left_over": left_over,
}
