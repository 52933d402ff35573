"""One file from the web: complete and verified under its name, or not there at all."""

import contextlib
import hashlib
import http.client
import os
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from models.durable import locked
from models.errors import DataError

TIMEOUT_S: Final = 30.0
"""Longest silence of the server, not the longest download."""
CHUNK_BYTES: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class Checksum:
    """What the content must have: `kind` in words, the hexadecimal digits it begins with, and how they are computed."""

    kind: str
    expected: str
    compute: Callable[[Path], str]


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def folder_for(folder: Path, way_out: str) -> Path:
    """Make the folder of a download. Raises DataError, ending in `way_out`, where that cannot be done."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{folder} cannot be made: {error.strerror or error}. {way_out}", path=str(folder)) from error
    return folder


def download(
    url: str,
    target: Path,
    checksum: Checksum,
    advance: Callable[[int], None] | None = None,
    *,
    timeout_s: float = TIMEOUT_S,
    max_bytes: int,
    resumable: bool = False,
) -> Path:
    """The file `url` at `target`, whose folder exists; fetched unless it is there already.

    `advance` is told the bytes of each piece as it arrives. A resumable download that breaks off keeps what came, and the next
    call goes on from there; another process that wants the same file waits for it. Raises DataError naming the address and the
    way to do without: network failure, another content than expected, a full disk.
    """
    # In the same folder, so that the last step is a rename; the process id keeps two downloads apart
    partial = target.with_name(f".{target.name}.part" if resumable else f".{target.name}.{os.getpid()}.part")
    try:
        with locked(target.with_name(f".{target.name}.lock")) if resumable else contextlib.nullcontext():
            return _verified(url, target, partial, checksum, lambda: _transfer(url, partial, advance, timeout_s, max_bytes))
    # URLError, HTTPError and timeouts are OSErrors; ValueError: an address that cannot be split
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = _reason(error)
        raise DataError(f"{url} could not be fetched: {reason}. {_by_hand(url, target)}", url=url, reason=reason) from error
    finally:
        if not resumable:
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)


def _verified(url: str, target: Path, partial: Path, checksum: Checksum, transfer: Callable[[], None]) -> Path:
    if target.is_file() and checksum.compute(target).startswith(checksum.expected):
        return target
    if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
        raise DataError(f"{url} is not an http or https address.", url=url)
    transfer()
    found = checksum.compute(partial)
    if not found.startswith(checksum.expected):
        partial.unlink()
        raise DataError(
            f"{url} has the {checksum.kind} {found}; due is {checksum.expected}. Nothing was kept. {_by_hand(url, target)}",
            url=url,
            expected=checksum.expected,
            found=found,
        )
    partial.replace(target)
    return target


def _transfer(url: str, partial: Path, advance: Callable[[int], None] | None, timeout_s: float, max_bytes: int) -> None:
    """Write what `url` gives to `partial`, from the end of what is there already where the server can."""
    there = partial.stat().st_size if partial.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={there}-"} if there else {})  # noqa: S310 - see _opener
    try:
        response = _opener().open(request, timeout=timeout_s)
    except urllib.error.HTTPError as error:
        if there and error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            error.close()
            return  # nothing is left to fetch; whether it is what was due, the checksum says
        raise
    with response:
        received = there if response.status == http.HTTPStatus.PARTIAL_CONTENT else 0
        declared = response.headers.get("Content-Length")
        whole = None if declared is None else received + int(declared)
        if advance and received:
            advance(received)
        with partial.open("ab" if received else "wb") as file:
            while chunk := response.read(CHUNK_BYTES):
                received += len(chunk)
                if received > max_bytes:
                    partial.unlink()  # there is nothing in it to go on with
                    raise OSError(f"it is larger than {max_bytes:,} bytes")
                file.write(chunk)
                if advance:
                    advance(len(chunk))
    # read(n) of http.client ends at a dropped connection as at the end of the file
    if whole is not None and whole != received:
        raise OSError(f"the connection broke off after {received:,} of {whole} bytes")


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        error.close()  # it is the response too, and holds the connection
        return f"the server answers {error.code} {error.reason}"
    return str(error.reason if isinstance(error, urllib.error.URLError) else error) or type(error).__name__


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
