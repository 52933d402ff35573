"""Downloads CUCUMBER-9 and believes nothing that it did not verify.

The files are identified as git identifies them: sha1 over "blob SIZE NUL" and the content, the id of the file in the source's
repository. CUCUMBER-9 is by Makoto Koike (workpiles) under CC BY 4.0: attribution is required wherever an image is shown.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from training.download import CHUNK_BYTES, TIMEOUT_S, Checksum, download, folder_for

BASE_URL: Final = "https://raw.githubusercontent.com/workpiles/CUCUMBER-9/master"
MAX_BYTES: Final = 512 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Blob:
    """One file of a git repository: its path in there, and the id that its content must have."""

    path: str
    blob_id: str

    @property
    def name(self) -> str:
        return PurePosixPath(self.path).name


CUCUMBER9: Final = (
    Blob("prototype_1/cucumber-9-python.tar.gz", "552ed4412b1d895f40afa78284b2331d2f849dd1"),
    Blob("prototype_2/cucumber-9-p2-python.tar.gz", "e59672df2b5cdf77d043984349dc7694b17284b5"),
)


def fetch_cucumber9(
    folder: Path,
    base_url: str = BASE_URL,
    advance: Callable[[int], None] | None = None,
    *,
    blobs: Sequence[Blob] = CUCUMBER9,
    timeout_s: float = TIMEOUT_S,
    max_bytes: int = MAX_BYTES,
) -> list[Path]:
    """Both archives, downloaded into `folder` unless they are already there; returns their paths.

    `advance` is told the bytes of each piece as it arrives. A file appears under its name only complete and verified.
    Raises DataError naming the address and the way to do without: network failure, another content than expected, a full disk.
    """
    folder_for(folder, "Name another folder.")
    return [
        download(
            f"{base_url.rstrip('/')}/{blob.path}",
            folder / blob.name,
            Checksum("git blob id", blob.blob_id, blob_id),
            advance,
            timeout_s=timeout_s,
            max_bytes=max_bytes,
        )
        for blob in blobs
    ]


def blob_id(path: Path) -> str:
    """The id that git gives to a file's content, hexadecimal."""
    content = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)  # git's choice; a checksum here
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            content.update(chunk)
    return content.hexdigest()
