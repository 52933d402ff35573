"""The whole OpenAPI document against a running service: python -m tests.reliability.schemathesis --examples 200 [--postgresql]

Every operation is asked by everybody there is: with the door open, and behind a closed one by nobody, with a camera's key, and as
a viewer, an operator and an admin. Requests are what the document allows and what it forbids, and some of either name things that
exist or carry what databases stumble over. Any 5xx but a documented 503, any status or media type that the document lacks and any
answer that is not as its schema says is a finding. Prints one JSON object; exit code 1 when anything was found.
"""

import argparse
import json
import logging
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import quote

import requests
import schemathesis
import uvicorn
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi import checks

from models.repository import ModelRepository
from service import retrainings
from service.app import create_app
from service.protocol import BoundedHttpProtocol, Bounds
from service.security.principal import Role
from service.settings import Settings
from tests import zips
from tests.databases import database_url
from tests.service.api.test_gallery import make as make_gallery
from tests.service.explain.published import exported
from tests.service.models import make_model
from tests.service.pictures import picture

CALLERS: Final = ("off", "nobody", "camera", "viewer", "operator", "admin")
ENDLESS: Final = frozenset({"GET /v1/events"})
"""Left out: server-sent events go on until the client hangs up, so there is no body to check."""
ENDS_SESSIONS: Final = frozenset({"POST /login", "POST /logout"})
CHECKS: Final = [
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]
SUSPECTS: Final[tuple[Any, ...]] = (
    "\0", "a\0b", "\ud800", "\udfff!", "\u202eL", "", " ", ".", "..", "a/b", "'", "%", "x" * 5000, "null", "NaN", "-Infinity",
    "9" * 30, "-1", "9223372036854775808", "2147483648", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59.999999-14:00",
    "2026-02-30T00:00:00Z", "2026-11-24T08:00:60Z", 2**63, -(2**63) - 1, 10**40, 1e308, -0.0, True, None, [], {}, ["L"], {"a": 1},
)  # fmt: skip
"""What databases, dates, files and numbers stumble over."""
PLACES: Final = ("lots", "lines", "growers", "cameras")
THERE: Final = "there"
REVIEWER: Final = "a-page-that-is-open"
"""The name of the one of each kind that exists."""
PASSWORD: Final = "green and straight"
TIMEOUT_S: Final = 60.0


@dataclass
class Report:
    """What came of a sweep."""

    operations: int = 0
    requests: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    succeeded: set[str] = field(default_factory=set)
    """Operations that were answered 2xx or 3xx at least once."""
    unavailable: Counter[str] = field(default_factory=Counter)
    """Documented 503 by operation and code."""
    findings: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Each kind of failure of an operation, once: how often, and the first request that showed it."""

    def found(self, operation: str, what: str, example: str) -> None:
        known = self.findings.setdefault(f"{operation}: {what}", {"count": 0, "example": example})
        known["count"] += 1

    def to_json(self) -> dict[str, Any]:
        return {
            "operations": self.operations,
            "requests": self.requests,
            "statuses": {str(status): count for status, count in sorted(self.statuses.items())},
            "succeeded": len(self.succeeded),
            "unavailable": dict(self.unavailable),
            "findings": self.findings,
        }


class Tracebacks(logging.Handler):
    """Keeps the last one that the server logged, for the finding it belongs to."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.last = ""

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info:
            self.last = logging.Formatter().formatException(record.exc_info)[-2500:]


@contextmanager
def serving(chosen: Settings) -> Iterator[tuple[Any, str]]:
    """(application, URL) of a service on a thread of this process, listening on 127.0.0.1."""
    app = create_app(chosen)
    http = cast("Any", partial(BoundedHttpProtocol, bounds=Bounds()))
    server = uvicorn.Server(
        uvicorn.Config(app, host="127.0.0.1", port=0, http=http, ws="none", log_config=None, access_log=False)
    )
    thread = threading.Thread(target=server.run, name="service")
    thread.start()
    try:
        while not server.started:
            if not thread.is_alive():
                raise RuntimeError("the service did not start; its log says why")
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield app, f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


class World:
    """What exists in the service, and who asks for it."""

    def __init__(self, app: Any, url: str, folder: Path, caller: str) -> None:
        self.url, self.caller, self._context = url, caller, app.state.context
        self.session = requests.Session()
        self.session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))  # each request says itself who asks
        self._door = self._context.door.credentials
        self._people = {
            role.value: self._door.users.add(role.value, role, password=PASSWORD, by="test").id
            for role in (Role.VIEWER, Role.OPERATOR, Role.ADMIN)
        }
        self._door.users.add(THERE, Role.OPERATOR, password=PASSWORD, by="test")
        self._key = self._door.keys.add("camera of the sweep", by="test")[1]
        rows = b"path,grade,labeller\r\nimages/0.jpg,L,sato\r\n"
        self.batch = zips.write_zip(folder / "batch.zip", {"manifest.csv": rows, "images/0.jpg": picture(0)}).read_bytes()
        self.known = self._made()

    def headers(self, caller: str | None = None) -> dict[str, str]:
        """Of a new session, or with the key."""
        caller = caller or self.caller
        if caller == "camera":
            return {"Authorization": f"Bearer {self._key}"}
        if caller in self._people:
            opened = self._door.sessions.open(self._people[caller])
            return {"Cookie": f"senka_session={opened.new_token}", "X-CSRF-Token": opened.csrf_token}
        return {}

    def mend(self) -> None:
        """Put back what an operation may have deleted."""
        headers = self.headers("admin")
        for kind in PLACES:
            self._ask("POST", f"/v1/{kind}", headers, json={"name": THERE})

    def _made(self) -> dict[str, str]:
        headers = self.headers("admin")
        graded = [
            self._ask("POST", f"/v1/grade?line={THERE}&lot={THERE}&camera={THERE}", headers, data=picture(number))
            for number in range(4)
        ]
        ids = [one.json()["id"] for one in graded]
        corrected = self._ask("POST", "/v1/corrections", headers, json={"grading_id": ids[0], "grade": "L", "note": "bent"})
        batch = self._ask("POST", "/v1/batches?name=first", headers, data=self.batch)
        key = self._ask("POST", "/v1/keys", headers, json={"name": THERE})
        self._ask("POST", "/v1/review/claims", headers, json={"reviewer": REVIEWER})
        retraining = self._ask("POST", "/v1/retrainings", headers, json={"batches": [batch.json()["id"]]})
        self._context.alarms.raise_("disk_low", "a sweep")
        self._context.alarms.flush()
        alarms = self._ask("GET", "/v1/alarms", headers).json()["alarms"]
        self.mend()
        return {
            "grading_id": ids[1],
            "correction_id": corrected.json()["id"],
            "batch_id": batch.json()["id"],
            "alarm_id": alarms[0]["id"],
            "prefix": key.json()["prefix"],
            "retraining_id": retraining.json()["id"],
            "reviewer": REVIEWER,
            "version": "1",
            "number": "1",
            "path": "gallery.json",
        }

    def _ask(self, method: str, path: str, headers: dict[str, str], **body: Any) -> requests.Response:
        answer = self.session.request(method, self.url + path, headers=headers, timeout=TIMEOUT_S, **body)
        if answer.status_code >= 400 and answer.status_code != 409:
            raise RuntimeError(f"{method} {path} was answered {answer.status_code}: {answer.text}")
        return answer

    def name_what_exists(self, case: Any) -> None:
        """Make a request one that may succeed."""
        path = case.operation.path
        for name in case.path_parameters or {}:
            found = "cucumber" if path.startswith("/v2") and name == "name" else self.known.get(name, THERE)
            case.path_parameters[name] = quote(found, safe="")
        if isinstance(case.query, dict) and "grading_id" in case.query:
            case.query["grading_id"] = self.known["grading_id"]
        if case.operation.label in ("POST /v1/grade", "POST /v1/explain"):
            case.body, case.media_type = picture(5), "image/jpeg"
        elif case.operation.label == "POST /v1/batches":
            case.body, case.media_type = self.batch, "application/zip"
        elif case.operation.label == "POST /login":
            case.body, case.media_type = {"name": THERE, "password": PASSWORD}, "application/json"
        elif isinstance(case.body, dict):
            for name in case.body:
                if name == "grading_id":
                    case.body[name] = self.known[name]
                elif name in ("lot", "line", "grower", "to"):
                    case.body[name] = THERE


def plant(case: Any, suspect: Any, where: int) -> None:
    """Put a suspect in place of one value of the request."""
    spots: list[tuple[dict[str, Any], str, Callable[[Any], Any]]]
    spots = [(case.path_parameters, name, _in_a_path) for name in case.path_parameters or {}]
    if isinstance(case.query, dict):
        names = [one.name for one in case.operation.query]
        spots += [(case.query, name, lambda value: _bytes(value) if isinstance(value, str) else value) for name in names]
    if isinstance(case.body, dict) and case.media_type == "application/json":
        spots += [(case.body, name, lambda value: value) for name in case.body]
    if spots:
        holder, name, written = spots[where % len(spots)]
        holder[name] = written(suspect)


def _in_a_path(value: Any) -> str:
    """Clients take empty parts, `.` and `..` out of a path before they send it: that would be another operation."""
    return "x" if value in ("", ".", "..") else quote(_bytes(value), safe="")


def _bytes(value: Any) -> bytes:
    """UTF-8, with halves of letters as the three bytes that they would be."""
    return str(value).encode("utf-8", "surrogatepass")


@schemathesis.serializer("application/zip", "image/jpeg", "image/png", "image/webp", "image/bmp")
def _as_it_is(_: Any, value: Any) -> bytes:
    return value if isinstance(value, bytes) else getattr(value, "data", None) or json.dumps(value, default=str).encode()


def sweep(
    caller: str, examples: int, folder: Path, database: str = "", first_seed: int = 1, explain_workers: int = 0, only: str = ""
) -> Report:
    """Ask every operation `examples` times as one of CALLERS, of a fresh service in `folder`; `only` those of one path."""
    report, tracebacks = Report(), Tracebacks()
    home = folder / "home"
    repository = ModelRepository(home / "models")
    if explain_workers:
        files = exported(folder / "exported")
        repository.publish(files.model, "first", promote=True, checkpoint=files.checkpoint)
    else:
        repository.publish(make_model(folder / "first.onnx"), "first", promote=True)
    make_gallery(home, repository, 1)
    chosen = Settings(
        home=home,
        providers="cpu",
        database_url=database,
        auth="off" if caller == "off" else "required",
        explain_workers=explain_workers,
    )
    logging.getLogger("uvicorn.error").addHandler(tracebacks)
    # the routes are swept, not the training
    trained_by, retrainings.command = (
        retrainings.command,
        lambda *_: [sys.executable, "-c", ""],
    )
    try:
        with serving(chosen) as (app, url):
            world = World(app, url, folder, caller)
            document = schemathesis.openapi.from_dict(app.openapi(), config=SchemathesisConfig())
            for found in document.get_all_operations():
                operation: Any = found.ok()  # type: ignore[union-attr]  # raises for what it cannot read
                if operation.label not in ENDLESS and only in ("", operation.path):
                    report.operations += 1
                    world.mend()
                    _ask_all(operation, world, report, tracebacks, examples, first_seed)
    finally:
        retrainings.command = trained_by
        logging.getLogger("uvicorn.error").removeHandler(tracebacks)
    return report


def _ask_all(operation: Any, world: World, report: Report, tracebacks: Tracebacks, examples: int, first_seed: int) -> None:
    headers = world.headers()
    twists = st.sampled_from(("as it is", "exists", "suspect"))

    def ask(case: Any, twist: str, suspect: Any, where: int) -> None:
        nonlocal headers
        if twist == "exists":
            world.name_what_exists(case)
        elif twist == "suspect":
            plant(case, suspect, where)
        if operation.label in ENDS_SESSIONS:
            headers = world.headers()
        _judge(case, world, headers, report, tracebacks)

    shares = ((GenerationMode.POSITIVE, examples - examples // 3), (GenerationMode.NEGATIVE, examples // 3))
    for mode, count in shares:
        if not count:
            continue
        try:
            cases = operation.as_strategy(generation_mode=mode)
            asked = given(cases, twists, st.sampled_from(SUSPECTS), st.integers(0, 30))(ask)
            bounds = settings(
                max_examples=count,
                database=None,
                deadline=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            seed(first_seed)(bounds(asked))()
        except Unsatisfiable:
            continue  # every request is one that the document allows


def _judge(case: Any, world: World, headers: dict[str, str], report: Report, tracebacks: Tracebacks) -> None:
    """Send it, and note what the document does not say of the answer."""
    label = case.operation.label
    tracebacks.last = ""
    case._meta = None  # it was changed after it was made, and how it was made is of no matter
    try:
        answer = case.call(base_url=world.url, session=world.session, headers=headers, timeout=TIMEOUT_S)
    except (requests.RequestException, UnicodeError) as error:
        if isinstance(error, requests.ConnectionError | requests.Timeout):
            report.found(label, f"no answer: {type(error).__name__}", str(error)[:500])
        return  # else no client can send it
    report.requests += 1
    report.statuses[answer.status_code] += 1
    if answer.status_code < 400:
        report.succeeded.add(label)
    documented = case.operation.definition.raw["responses"]
    said = (
        f"{answer.request.method} {answer.request.url[:300]} {(answer.request.body or b'')[:200]!r} -> {answer.content[:300]!r}"
    )
    if answer.status_code == 503 and "503" in documented:
        report.unavailable[f"{label}: {answer.json().get('code')}"] += 1
    elif answer.status_code >= 500:
        time.sleep(0.05)  # the log comes after the answer
        report.found(label, f"status {answer.status_code}", f"{said}\n{tracebacks.last}")
    if (
        answer.content
        and not documented.get(str(answer.status_code), {}).get("content")
        and str(answer.status_code) in documented
    ):
        report.found(label, f"a body that the document lacks with {answer.status_code}", said)
    try:
        case.validate_response(answer, checks=CHECKS)
    except FailureGroup as group:
        for failure in group.exceptions:
            words = failure.message if isinstance(failure, Failure) else str(failure)
            report.found(label, f"{type(failure).__name__} {answer.status_code}: {words[:120]}", f"{said}\n{words[:800]}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.reliability.schemathesis", description=__doc__)
    parser.add_argument("--examples", type=int, default=200, help="requests for each operation and caller")
    parser.add_argument("--callers", nargs="+", choices=CALLERS, default=CALLERS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--postgresql", action="store_true", help="keep the records in databases of the server of the tests")
    parser.add_argument("--explain-workers", type=int, default=0, help="processes that explain; 0 answers 503 to most of it")
    options = parser.parse_args()
    found = 0
    answers: dict[str, Any] = {}
    for caller in options.callers:
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="schemathesis-") as name:
            folder = Path(name)
            with database_url("postgresql" if options.postgresql else "sqlite", folder) as url:
                report = sweep(caller, options.examples, folder, url, options.seed, options.explain_workers)
        answers[caller] = {**report.to_json(), "seconds": round(time.monotonic() - began, 1)}
        found += len(report.findings)
    print(json.dumps({"examples": options.examples, "seed": options.seed, "callers": answers}, indent=2, ensure_ascii=True))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
