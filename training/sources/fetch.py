"""Downloads CUCUMBER-9 and believes nothing that it did not verify.

The files are identified as git identifies them: sha1 over "blob SIZE NUL" and the content, the id of the file in the source's
repository. CUCUMBER-9 is by Makoto Koike (workpiles) under CC BY 4.0: attribution is required wherever an image is shown.
"""

import contextlib
import hashlib
import http.client
import os
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from models.errors import DataError

BASE_URL: Final = "https://raw.githubusercontent.com/workpiles/CUCUMBER-9/master"
MAX_BYTES: Final = 512 * 1024 * 1024
TIMEOUT_S: Final = 30.0
"""Longest silence of the server, not the longest download."""
_CHUNK_BYTES: Final = 256 * 1024


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
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(
            f"{folder} cannot hold the data: {error.strerror or error}. Name another folder.", path=str(folder)
        ) from error
    return [_fetched(blob, folder, base_url, advance, timeout_s, max_bytes) for blob in blobs]


def blob_id(path: Path) -> str:
    """The id that git gives to a file's content, hexadecimal."""
    content = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)  # git's choice; a checksum here
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            content.update(chunk)
    return content.hexdigest()


def _fetched(
    blob: Blob, folder: Path, base_url: str, advance: Callable[[int], None] | None, timeout_s: float, max_bytes: int
) -> Path:
    target = folder / blob.name
    url = f"{base_url.rstrip('/')}/{blob.path}"
    # In the same folder, so that the last step is a rename; the process id keeps two downloads apart
    partial = folder / f".{blob.name}.{os.getpid()}.part"
    try:
        if target.is_file() and blob_id(target) == blob.blob_id:
            return target
        if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
            raise DataError(f"{url} is not an http or https address.", url=url)
        _download(url, partial, advance, timeout_s, max_bytes)
        found = blob_id(partial)
        if found != blob.blob_id:
            raise DataError(
                f"{url} has the git blob id {found}; due is {blob.blob_id}. Nothing was kept. {_by_hand(url, target)}",
                url=url,
                expected=blob.blob_id,
                found=found,
            )
        partial.replace(target)
    # URLError, HTTPError and timeouts are OSErrors; ValueError: an address that cannot be split
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = _reason(error)
        raise DataError(f"{url} could not be fetched: {reason}. {_by_hand(url, target)}", url=url, reason=reason) from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
    return target


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        error.close()  # it is the response too, and holds the connection
        return f"the server answers {error.code} {error.reason}"
    return str(error.reason if isinstance(error, urllib.error.URLError) else error) or type(error).__name__


def _download(url: str, target: Path, advance: Callable[[int], None] | None, timeout_s: float, max_bytes: int) -> None:
    received = 0
    with _opener().open(url, timeout=timeout_s) as response, target.open("wb") as file:
        declared = response.headers.get("Content-Length")
        while chunk := response.read(_CHUNK_BYTES):
            received += len(chunk)
            if received > max_bytes:
                raise OSError(f"it is larger than {max_bytes:,} bytes")
            file.write(chunk)
            if advance:
                advance(len(chunk))
    # read(n) of http.client ends at a dropped connection as at the end of the file
    if declared is not None and declared != str(received):
        raise OSError(f"the connection broke off after {received:,} of {declared} bytes")


def _opener() -> urllib.request.OpenerDirector:
    """http and https only, also after a redirect: the opener of the standard library would follow to ftp as well."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.UnknownHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPRedirectHandler(),
        urllib.request.HTTPErrorProcessor(),
    ):
        opener.add_handler(handler)
    opener.addheaders = [("User-Agent", "senka")]
    return opener


def _by_hand(url: str, target: Path) -> str:
    return f"Try again, or download {url} by hand and put it at {target}."
