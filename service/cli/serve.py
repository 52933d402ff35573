"""`senka serve`: the service."""

import logging
import os
import resource
import shutil
import signal
import socket
import tempfile
from asyncio import Protocol
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Annotated, Any, Final, cast

import typer

from models.errors import SenkaError
from service.settings import Settings

app = typer.Typer(rich_markup_mode=None)


class AddressUnavailable(SenkaError):
    code = "address_unavailable"

    def __init__(self, host: str, port: int, reason: str) -> None:
        super().__init__(f"{host} port {port} cannot be listened on: {reason}. Choose another with --host or --port.")


GRACE_S: Final = 8
"""How long open requests may take to finish after a stop was asked for."""
WORKER_ANSWERS_WITHIN_S: Final = 10
"""After that a worker counts as hung and is replaced. A small box that starts several at once needs its time."""
FILES_BESIDE_CONNECTIONS: Final = 512
"""The database, the model, photographs that are being written, the workers' pipes."""
LOGGING: Final[dict[str, Any]] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "filters": {"strangers": {"()": "service.protocol.NoNoise"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["strangers"]}},
    # python_multipart warns of every broken body, which the sender is told already
    "loggers": {"alembic": {"level": "WARNING"}, "python_multipart": {"level": "ERROR"}},
    "root": {"level": "INFO", "handlers": ["stderr"]},
}
"""Handed to every worker process, which would otherwise start without any."""


def _settings_help() -> str:
    rows = [f"SENKA_{name.upper()}: {field.description}" for name, field in Settings.model_fields.items()]
    return (
        "Settings, from the environment or senka.toml:\n\n"
        + "\n\n".join(rows)
        + "\n\nExample: senka serve --port 8000 --workers 2"
    )


@app.command(epilog=_settings_help())
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on. Default: SENKA_HOST, 127.0.0.1.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on. Default: SENKA_PORT, 8000.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes that grade. Default: SENKA_WORKERS, 1.")] = None,
) -> None:
    """Grade over HTTP until stopped. Listens once the champion is warm; without a champion it answers 503 until there is one."""
    for name, value in (("SENKA_HOST", host), ("SENKA_PORT", port), ("SENKA_WORKERS", workers)):
        if value is not None:
            os.environ[name] = str(value)  # for the worker processes, which read the same settings
    settings = Settings.load()
    # As many again may be accepted before those that go for them are closed, and as many wait to be
    _allow_files(3 * settings.max_connections + FILES_BESIDE_CONNECTIONS)
    metrics_folder = None
    if settings.workers > 1:
        # Before anything imports prometheus-client: it decides then whether values live in memory or in files.
        metrics_folder = os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp(prefix="senka-metrics-")
    try:
        with _workers(settings):
            _run(settings)
    except SystemExit as stopped:
        raise typer.Exit(1 if stopped.code else 0) from stopped  # uvicorn's own codes for a start that failed
    finally:
        if metrics_folder:
            shutil.rmtree(metrics_folder, ignore_errors=True)


def _workers(settings: Settings) -> AbstractContextManager[None]:
    if settings.workers == 1:
        return nullcontext()
    from service.workers import forked_workers

    # The address is looked at first: who cannot listen need not load anything.
    _require_address(settings)
    return forked_workers()


def _run(settings: Settings) -> None:
    from uvicorn.config import STARTUP_FAILURE
    from uvicorn.supervisors import Multiprocess

    from service.protocol import BoundedConfig, BoundedHttpProtocol, BoundedServer, Bounds
    from service.records.database import migrate, open_database
    from service.security.door import require_somebody
    from service.security.tls import certificate

    _require_address(settings)
    tls = certificate(settings)
    bounds = Bounds(settings.head_timeout_ms / 1e3, settings.max_connections)
    config = BoundedConfig(
        "service.app:create_app",
        factory=True,
        host=settings.host,
        port=settings.port,
        backlog=min(settings.max_connections, 2048),
        workers=settings.workers,
        access_log=False,
        http=cast("type[Protocol]", partial(BoundedHttpProtocol, bounds=bounds)),
        ws="none",  # no route speaks it, and its protocol has bounds of its own
        log_config=LOGGING,
        timeout_graceful_shutdown=GRACE_S,
        timeout_worker_healthcheck=WORKER_ANSWERS_WITHIN_S,
        server_header=False,
        # on by default for a proxy on this machine: anybody here could then claim any address
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
        ssl_certfile=tls and tls[0],
        ssl_keyfile=tls and tls[1],
    )
    for name in sorted(os.environ):
        if name.startswith("SENKA_") and name.removeprefix("SENKA_").lower() not in Settings.model_fields:
            logging.getLogger(__name__).warning("%s is no setting of this version; `senka serve --help` lists them", name)
    if settings.records == "on":
        # Here, once: workers that start together must not migrate the same database at the same time.
        engine = open_database(settings.records_url)
        migrate(engine)
        try:
            require_somebody(settings, engine)
        finally:
            engine.dispose()
    else:
        require_somebody(settings, None)
    if settings.workers > 1:
        workers = Multiprocess(config, sockets=[config.bind_socket()])
        workers.run()
        failed = any(worker.exitcode == STARTUP_FAILURE for worker in workers.processes)
    else:
        # uvicorn stops in order and then raises the signal once more, for handlers that stood before: a stop is no failure.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda number, frame: None)
        server = BoundedServer(config)
        server.run()
        failed = not server.started
    if failed:
        raise typer.Exit(1)


def _allow_files(wanted: int) -> None:
    """Raise the limit of open files to `wanted` where the system lets us; workers inherit it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _require_address(settings: Settings) -> None:
    """Raise AddressUnavailable before anything is loaded when nobody can listen there; uvicorn would say so in its log, late."""
    try:
        [(family, kind, protocol, _, address), *_] = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise AddressUnavailable(settings.host, settings.port, str(error.strerror)) from error
