"""Secrets stay secret: none in a log, an error, an answer that did not make it, the database or a file of SENKA_HOME."""

import gzip
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import psycopg
import pytest

from service.cli import main
from tests.e2e.conftest import Serve
from tests.e2e.live import Answer, LiveService, ask, environment
from tests.forking import Start, start  # noqa: F401 - a fixture
from tests.reliability.cluster import Cluster, can_run, cluster
from tests.service.pictures import picture

DATABASE_PASSWORD: Final = "Db&Secret/77@Kx"
STORE_SECRET: Final = "StoreSecret+88/Zq"
PASSWORD: Final = "green Secret 99 straight"
NEW_PASSWORD: Final = "crooked Secret 11 yellow"
PIN: Final = "90417263"
MISTYPED: Final = "Secret 22 in the wrong field"
TOO_SHORT: Final = "S3cr3t!"
STRANGE_KEY: Final = f"senka_01234567_{'Secret33' * 5}abc"
LONG_NOT_A_KEY: Final = "Secret44-is-no-key-of-ours"
TYPED: Final = (PASSWORD, NEW_PASSWORD, PIN, MISTYPED, TOO_SHORT, STRANGE_KEY, LONG_NOT_A_KEY)
TABLES: Final = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"


@dataclass
class Heard:
    """Everything that the service and its commands said, and the secrets that must not be in it."""

    secrets: set[str] = field(default_factory=lambda: {*TYPED, DATABASE_PASSWORD, STORE_SECRET})
    said: dict[str, bytes] = field(default_factory=dict)

    def answer(self, service: LiveService, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """A request; its answer is heard, but for the cookies, which are meant for the one who asked."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        sent = json.dumps(body).encode() if isinstance(body, dict | list) else body
        if isinstance(body, dict | list):
            named["Content-Type"] = "application/json"
        answer = service.request(method, path, sent, named)
        shown = {name: value for name, value in answer.headers.items() if name != "set-cookie"}
        self.note(f"{method} {path} -> {answer.status}", answer.body + json.dumps(shown).encode())
        return answer

    def note(self, where: str, said: bytes) -> None:
        self.said[f"{len(self.said)}: {where}"] = said

    def command(self, home: Path, *arguments: str, stdin: str = "", **settings: object) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "service.cli", *arguments],
            env=environment(home, **settings), cwd=home.parent, input=stdin, capture_output=True, text=True, timeout=100,
        )  # fmt: skip
        self.note(f"senka {' '.join(arguments)} -> {done.returncode}", (done.stdout + done.stderr).encode())
        return done

    def leaks(self) -> list[str]:
        """Which secret was heard where; in plain, quoted for a URL, or escaped for JSON."""
        found = []
        for secret in self.secrets:
            spellings = {secret, quote(secret, safe=""), quote(secret), json.dumps(secret)[1:-1]}
            for where, said in self.said.items():
                found += [f"{secret!r} in {where}" for spelling in spellings if spelling.encode() in said][:1]
        return found


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def database() -> Iterator[Cluster]:
    if not can_run():
        if "postgres" in os.environ.get("SENKA_REQUIRE", "").split(","):
            pytest.fail("no PostgreSQL server can be started here")
        pytest.skip("no PostgreSQL server can be started here (its programs are not installed)")
    # not below pytest's folder: another session closes that to the server's user
    with tempfile.TemporaryDirectory() as folder, cluster(Path(folder) / "cluster") as running:
        yield running


def with_password(url: str) -> str:
    return url.replace("postgres@", f"postgres:{quote(DATABASE_PASSWORD, safe='')}@")


def log_in(service: LiveService, heard: Heard) -> dict[str, str]:
    """The headers that the admin's browser sends from now on."""
    connection = service.connection()
    body = json.dumps({"name": "boss", "password": PASSWORD})
    connection.request("POST", "/login", body, {"Content-Type": "application/json"})
    response = connection.getresponse()
    said = response.read()
    connection.close()
    assert response.status == 200, said
    heard.note("POST /login", said)
    cookies = dict(line.partition(";")[0].split("=", 1) for line in response.msg.get_all("set-cookie", []))
    heard.secrets.add(cookies["senka_session"])
    return {
        "Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items()),
        "X-CSRF-Token": json.loads(said)["csrf_token"],
    }


def test_the_search_finds_a_secret_however_it_is_spelled(heard: Heard) -> None:
    for said in (f"x {DATABASE_PASSWORD}", quote(DATABASE_PASSWORD, safe=""), json.dumps({"a": STORE_SECRET})):
        heard.note("a log", said.encode())
    assert len(heard.leaks()) == 3


@pytest.mark.timeout(300)  # a dozen commands, each of which loads everything
def test_nothing_tells_a_secret(
    home: Path, serve: Serve, database: Cluster, heard: Heard, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "senka")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", STORE_SECRET)
    settings = {
        "database_url": with_password(database.url),
        "auth": "required",
        # nobody listens there, so that the store's errors are heard too
        "image_store": "s3://photographs/senka",
        "image_store_endpoint": "http://127.0.0.1:9",
    }
    added = heard.command(home, "users", "add", "boss", "--role", "admin", "--password-stdin", stdin=PASSWORD, **settings)
    assert added.returncode == 0, added.stderr
    short = heard.command(home, "users", "add", "late", "--password-stdin", stdin=TOO_SHORT, **settings)
    assert short.returncode == 1
    with serve(home, workers=2, **settings) as service:
        people(service, heard)
        key = cameras(service, heard)
        show_to_every_worker(service, key)
        database.stop()
        bearer = {"Authorization": f"Bearer {key}"}
        assert heard.answer(service, "POST", "/v1/grade", picture(2), **bearer).status == 200
        for path in ("/v1/gradings", "/health/ready", "/metrics", "/v1/session"):
            heard.answer(service, "GET", path, **bearer)
        away = heard.answer(service, "POST", "/login", {"name": "boss", "password": PASSWORD})
        assert away.status == 503
        database.start()
        backup = tmp_path / "backup.tar"
        assert heard.command(home, "backup", str(backup), **settings).returncode == 0
        heard.command(home, "doctor", "--json", **settings)
        heard.command(home, "keys", "list", "--json", **settings)
        heard.command(home, "users", "list", "--json", **settings)
    heard.note("the log", service.said.encode())
    on_record(database, heard)
    in_files(home, backup, heard)
    assert "the database is away" in service.said
    assert "127.0.0.1:9" in service.said
    assert heard.leaks() == []


def people(service: LiveService, heard: Heard) -> None:
    """Logins right and wrong, and people added and changed with right and wrong bodies."""
    for wrong in (MISTYPED, STRANGE_KEY):
        assert heard.answer(service, "POST", "/login", {"name": "boss", "password": wrong}).status == 401
    heard.answer(service, "POST", "/login", {"name": MISTYPED, "password": ""})
    heard.answer(service, "POST", "/login", {"name": "boss", "password": [PASSWORD]})
    heard.answer(
        service, "POST", "/login", f'{{"name": "boss", "password": "{PASSWORD}'.encode(), Content_Type="application/json"
    )
    heard.answer(service, "POST", "/login", f"name=boss&password={quote(PASSWORD)}".encode(), Content_Type="text/plain")
    form = f"name=boss&password={quote(PASSWORD)}&csrf_token=x".encode()
    heard.answer(service, "POST", "/login", form, Content_Type="application/x-www-form-urlencoded")
    session = log_in(service, heard)
    for body, status in (
        ({"name": "hanako", "role": "operator", "password": NEW_PASSWORD, "pin": PIN}, 201),
        ({"name": "short", "role": "operator", "password": TOO_SHORT}, 422),
        ({"name": "no role", "password": NEW_PASSWORD}, 422),
        ({"name": "list", "role": "viewer", "password": [NEW_PASSWORD]}, 422),
        ({"name": "more", "role": "viewer", "passwort": NEW_PASSWORD}, 422),
        ({"name": "admin", "role": "admin", "pin": PIN}, 422),
        ({"name": "long", "role": "viewer", "password": PASSWORD * 100}, 422),
        ([NEW_PASSWORD], 422),
    ):
        answer = heard.answer(service, "POST", "/v1/users", body, **session)
        assert answer.status == status, answer.body
    broken = f'{{"name": "x", "role": "viewer", "password": "{NEW_PASSWORD}", '.encode()
    assert heard.answer(service, "POST", "/v1/users", broken, Content_Type="application/json", **session).status == 422
    assert heard.answer(service, "PATCH", "/v1/users/hanako", {"pin": {"is": PIN}}, **session).status == 422
    assert heard.answer(service, "PATCH", "/v1/users/hanako", {"password": NEW_PASSWORD}, **session).status == 200
    assert heard.answer(service, "PATCH", "/v1/users/nobody", {"password": NEW_PASSWORD}, **session).status == 404
    pin = heard.answer(service, "POST", "/login", {"name": "hanako", "pin": PIN})
    assert pin.status == 200
    wrong_token = {**session, "X-CSRF-Token": LONG_NOT_A_KEY}
    assert heard.answer(service, "POST", "/v1/keys", {"name": "x"}, **wrong_token).status == 403
    for path in ("/v1/users", "/v1/audit", "/v1/keys", "/v1/alarms", "/v1/session", "/openapi.json", "/"):
        assert heard.answer(service, "GET", path, **session).status == 200


def cameras(service: LiveService, heard: Heard) -> str:
    """Keys right, wrong and revoked; returns a good one."""
    session = {**log_in(service, heard), "Content-Type": "application/json"}
    keys = [service.request("POST", "/v1/keys", json.dumps({"name": f"line {n}"}), session).json for n in (1, 2)]
    heard.secrets |= {made["key"].split("_", 2)[2] for made in keys}
    good, revoked = keys[0]["key"], keys[1]["key"]
    assert heard.answer(service, "POST", "/v1/grade", picture(1), Authorization=f"Bearer {good}").status == 200
    assert service.request("DELETE", f"/v1/keys/{keys[1]['prefix']}", None, session).status == 200
    for bearer in (revoked + "x", STRANGE_KEY, LONG_NOT_A_KEY, f"{good} {good}"):
        assert heard.answer(service, "POST", "/v1/grade", picture(1), Authorization=f"Bearer {bearer}").status == 401
    assert heard.answer(service, "GET", "/v1/users", Authorization=f"Bearer {good}").status == 403
    assert (
        heard.answer(service, "POST", "/v1/grade?camera=a&camera=b", picture(1), Authorization=f"Basic {LONG_NOT_A_KEY}").status
        == 401
    )
    listed = service.request("GET", "/v1/keys", None, session)
    heard.note("GET /v1/keys", listed.body)
    return str(good)


def show_to_every_worker(service: LiveService, key: str) -> None:
    """Until each has let the key in, and so knows it from then on: which worker takes a connection is the system's choice."""
    unaware = {worker.pid: worker for worker in service.grading_processes()}
    assert len(unaware) == 2
    end = time.monotonic() + 60
    while unaware:
        assert time.monotonic() < end, f"the workers {sorted(unaware)} took no connection"
        connection = service.connection()
        assert ask(connection, "GET", "/v2", None, {"Authorization": f"Bearer {key}"}).status == 200
        port = connection.sock.getsockname()[1]
        for pid, worker in list(unaware.items()):
            if any(one.raddr and one.raddr.port == port for one in worker.net_connections("tcp")):
                del unaware[pid]
        connection.close()


def on_record(database: Cluster, heard: Heard) -> None:
    with psycopg.connect(database.url) as connection:
        tables = [row[0] for row in connection.execute(TABLES)]
        assert {"users", "keys", "sessions", "audit"} <= set(tables)
        for table in tables:
            rows = connection.execute(psycopg.sql.SQL("SELECT t::text FROM {} t").format(psycopg.sql.Identifier(table)))
            heard.note(f"table {table}", "\n".join(row[0] for row in rows).encode())


def in_files(home: Path, backup: Path, heard: Heard) -> None:
    for path in home.rglob("*"):
        if path.is_file() and path.suffix != ".onnx":
            heard.note(str(path), path.read_bytes())
    with tarfile.open(backup) as archive:
        for member in archive:
            content = archive.extractfile(member)
            data = content.read() if content else b""
            heard.note(
                f"backup {member.name}", gzip.GzipFile(fileobj=io.BytesIO(data)).read() if member.name.endswith(".gz") else data
            )


BROKEN_URLS: Final = (
    "postgresql://senka:{}@127.0.0.1:9/senka",
    "postgresql://senka:{}@no.such.host.invalid/senka",
    "postgresql://senka:{}@127.0.0.1:port/senka",
    "postgresql://senka:{}@[::1/senka",
    "postgresql://senka:{}",
    "postgresql://senka:{}/senka",
    "postgresql://senka@127.0.0.1:9/senka?password={}",
    "postgresql://senka:{}@127.0.0.1:9/senka?no_such_option=1",
    "postgresql+nosuchdriver://senka:{}@127.0.0.1/senka",
    "mysql://senka:{}@127.0.0.1/senka",
    "senka:{}@127.0.0.1/senka",
)


PRELOAD: Final = ("service.app", "service.cli.serve", "service.cli.doctor", "service.cli.keys")


def command_into(said: Path, arguments: tuple[str, ...], settings: dict[str, str]) -> None:
    """One command, with this process's output in a file."""
    descriptor = os.open(said, os.O_WRONLY | os.O_CREAT)
    for stream in (1, 2):
        os.dup2(descriptor, stream)
    os.environ.clear()
    os.environ.update(settings)
    os.chdir(said.parent)
    sys.argv = ["senka", *arguments]
    main()


@pytest.mark.parametrize("url", BROKEN_URLS)
@pytest.mark.parametrize("command", [("serve", "--port", "0"), ("doctor",), ("keys", "list")], ids=lambda words: words[0])
def test_a_url_that_cannot_be_used_is_not_repeated(
    home: Path,
    tmp_path: Path,
    heard: Heard,
    start: Start,  # noqa: F811
    url: str,
    command: tuple[str, ...],
) -> None:
    said = tmp_path / "said"
    settings = environment(home, database_url=url.format(quote(DATABASE_PASSWORD, safe="")))
    running = start(command_into, said, command, settings)
    running.join(60)
    heard.note(f"senka {' '.join(command)} -> {running.exitcode}", said.read_bytes())
    assert running.exitcode, said.read_text()
    assert said.read_bytes()
    assert b"Traceback" not in said.read_bytes()
    assert heard.leaks() == []
