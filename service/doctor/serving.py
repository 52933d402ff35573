"""Checks of what the service needs beside its records: a model that loads, a port, a certificate, packages."""

import platform
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from models.errors import ModelNotFound, SenkaError
from models.repository import CHAMPION
from service.doctor.finding import Finding, failure, ok, warning
from service.inference.session import LoadedModel, cuda_present
from service.security.tls import TlsUnusable, certificate
from service.settings import Settings

WARN_DAYS: Final = 21
"""A certificate that ends sooner wants renewing; those of Let's Encrypt are renewed a month before."""
PACKAGES: Final = (
    "senka",
    "onnxruntime",
    "onnxruntime-gpu",
    "fastapi",
    "uvicorn",
    "sqlalchemy",
    "pydantic",
    "numpy",
    "argon2-cffi",
)


def model(settings: Settings) -> Iterator[Finding]:
    """The champion is the file that was published, and grades."""
    repository = settings.repository
    try:
        found = repository.get(CHAMPION)
    except ModelNotFound:
        yield warning(
            "model", f"No champion of {settings.model_name!r} in {settings.models}.", "senka models publish FILE --promote"
        )
        return
    loaded = LoadedModel.load(repository.load(found), found, settings.providers)
    yield ok(
        "model", f"Version {found.number} of {found.name} ({found.sha256[:12]}) is as published, and grades on {loaded.provider}."
    )
    if cuda_present() and settings.providers == "auto" and "CPU" in loaded.provider:
        mend = "Look at nvidia-smi, and install onnxruntime-gpu with its CUDA libraries."
        yield warning("provider", "There is a GPU driver, but the model runs on the CPU.", mend)
    for other in repository.versions():
        if other.number != found.number:
            try:
                repository.load(other)
            except SenkaError as error:
                yield warning("model", f"Version {other.number} could not be rolled back to: {error}", "Publish it again.")


def tls(settings: Settings) -> Iterator[Finding]:
    """The certificate and its key belong together and are valid today."""
    try:
        files = certificate(settings)
    except TlsUnusable as error:
        yield failure("tls", str(error), "Mend SENKA_TLS_CERTIFICATE and SENKA_TLS_KEY.")
        return
    if files is None:
        yield ok("tls", "Plain http; https is not set up.")
        return
    days = (expires_s(files[0]) - time.time()) / 86_400
    if days < 0:
        yield failure("tls", f"The certificate {files[0]} ended {-days:,.0f} days ago.", "Renew it, and restart the service.")
    elif days < WARN_DAYS:
        yield warning("tls", f"The certificate {files[0]} ends in {days:,.0f} days.", "Renew it, and restart the service.")
    else:
        yield ok("tls", f"The certificate is good for {days:,.0f} days.")


def expires_s(chain: Path) -> float:
    """When the first certificate of a PEM file ends, in seconds since 1970. Raises ssl.SSLError."""
    # The only parser of certificates in the standard library that takes one which has ended
    decode: Callable[[str], dict[str, str]] = ssl._ssl._test_decode_cert  # type: ignore[attr-defined]
    return float(ssl.cert_time_to_seconds(decode(str(chain))["notAfter"]))


def port(settings: Settings) -> Iterator[Finding]:
    """That it can be listened on, or that the service does so already."""
    where = f"{settings.host} port {settings.port}"
    try:
        [(family, kind, protocol, _, address), *_] = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        if _answers(settings):
            yield ok("port", f"A service answers at {where}.")
        else:
            yield failure("port", f"{where} cannot be listened on: {error.strerror}.", "Choose another: SENKA_HOST, SENKA_PORT.")
    else:
        yield ok("port", f"{where} is free.")


def _answers(settings: Settings) -> bool:
    """Whether something accepts connections there; `senka serve` asks whether it is Senka when it starts."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104 - where it listens, not we
    try:
        with socket.create_connection((host, settings.port), timeout=2):
            return True
    except OSError:
        return False


def packages(settings: Settings) -> Iterator[Finding]:
    """What runs here, for whoever is asked for help; and the packages that the settings call for."""
    found = [f"{name} {number}" for name in PACKAGES if (number := _version(name))]
    yield ok("packages", f"Python {platform.python_version()} on {platform.platform()}; {', '.join(found)}.")
    if settings.database_url.startswith("postgresql") and not _version("psycopg"):
        yield failure(
            "packages", "SENKA_DATABASE_URL is PostgreSQL, and psycopg is not installed.", "pip install -e '.[postgres]'"
        )
    if isinstance(settings.image_store, str) and settings.image_store.startswith("s3:") and not _version("s3fs"):
        yield failure("packages", "SENKA_IMAGE_STORE is s3://, and s3fs is not installed.", "pip install -e '.[s3]'")


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


CHECKS: Final[dict[str, Callable[[Settings], Iterator[Finding]]]] = {
    "model": model,
    "tls": tls,
    "port": port,
    "packages": packages,
}
