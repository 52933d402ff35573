"""A labelled batch that comes as a .zip: unpacked into a temporary folder that goes when the program ends."""

import atexit
import shutil
import tempfile
from dataclasses import replace
from functools import cache
from pathlib import Path

from models.archives import extract_zip
from models.labelled import batch_in
from training.sources import folders
from training.sources.samples import LabelledSet


def read_batch(archive: Path) -> LabelledSet:
    """The labelled batch in a .zip, named after the file. Raises UnsafeFile, DataError and InvalidBatch."""
    facts = archive.stat()
    return replace(folders.read_batch(_unpacked(archive.resolve(), facts.st_size, facts.st_mtime_ns)), name=archive.stem)


@cache
def _unpacked(archive: Path, size: int, mtime_ns: int) -> Path:
    """The batch's folder; the file's size and time are asked for so that another file under the name is unpacked anew."""
    folder = Path(tempfile.mkdtemp(prefix="senka-batch-"))
    # Samples name files that are read all through a training
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    extract_zip(archive, folder / "batch")
    return batch_in(folder / "batch")
