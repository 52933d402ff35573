"""The OpenAPI document held against a running service: what it allows, and much that it does not, is answered as it says.

More examples than the tests take: SENKA_SCHEMATHESIS_EXAMPLES=200 pytest tests/e2e/test_schemathesis.py
"""

import json
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from models.repository import ModelRepository
from service.app import create_app
from service.records.database import migrate, open_database
from service.security.principal import Role
from service.security.users import Users
from service.settings import Settings
from tests.e2e.live import LiveService
from tests.service.models import make_model
from tests.service.pictures import picture

EXAMPLES = int(os.environ.get("SENKA_SCHEMATHESIS_EXAMPLES", "6"))
ENDLESS = "GET /v1/events"
ENDS_THE_SESSION = "POST /logout"
PASSWORD = "green and straight"
Headers = dict[str, str]


def no_fault_of_ours(context: Any, response: Any, case: Any) -> None:
    """Of the statuses from 500 on, those that the document names are a state that the service is in; 500 never is."""
    assert response.status_code != 500, response.text


CHECKS: list[Callable[..., Any]] = [
    no_fault_of_ours,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


@schemathesis.serializer("application/zip", "image/jpeg", "image/png", "image/webp", "image/bmp")
def as_bytes(context: Any, value: Any) -> bytes:
    return value if isinstance(value, bytes) else json.dumps(value, default=str).encode()


def operations() -> dict[str, Any]:
    """Every operation of the document by its label, "GET /v1/stats"."""
    document = schemathesis.openapi.from_dict(create_app(Settings()).openapi())
    found = [result.ok() for result in document.get_all_operations()]
    return {operation.label: operation for operation in found if operation.label != ENDLESS}


OPERATIONS = operations()


@pytest.fixture(scope="module", params=["off", "session", "nobody"])
def asked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[LiveService, Headers]]:
    """A service with a few gradings, and the headers to ask it with: without a door, as an admin, as nobody."""
    folder = tmp_path_factory.mktemp("schemathesis")
    home = folder / "home"
    ModelRepository(home / "models").publish(make_model(folder / "first.onnx"), "first", promote=True)
    engine = open_database(f"sqlite:///{home / 'senka.db'}")
    migrate(engine)
    Users(engine).add("boss", Role.ADMIN, password=PASSWORD, by="test")
    engine.dispose()
    auth = "off" if request.param == "off" else "required"
    service = LiveService(home, folder / "serve.log", settings={"auth": auth})
    try:
        service.wait_listening().wait_ready()
        headers = {} if request.param == "off" else logged_in(service)
        for number in range(5):
            path = "/v1/grade?line=1&lot=a&camera=c"
            answer = service.request("POST", path, picture(number), headers)
            assert answer.status == 200, answer
        yield service, headers if request.param != "nobody" else {}
        who = service.request("GET", "/v1/session", None, headers).json["kind"]
        assert who == ("local" if request.param == "off" else "user")  # it did not lock itself out on the way
        assert service.stop() == 0, service.said
    finally:
        if service.process.poll() is None:
            service.kill()
    assert "Traceback" not in service.said, service.said[-5000:]


def logged_in(service: LiveService) -> Headers:
    connection = service.connection()
    body = json.dumps({"name": "boss", "password": PASSWORD})
    connection.request("POST", "/login", body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    assert answer.status == 200
    cookies = [line.partition(";")[0] for line in answer.headers.get_all("Set-Cookie", [])]
    token = json.loads(answer.read())["csrf_token"]
    connection.close()
    return {"Cookie": "; ".join(cookies), "X-CSRF-Token": token}


@pytest.mark.parametrize("label", OPERATIONS)
def test_every_answer_is_one_that_the_document_names(asked: tuple[LiveService, Headers], label: str) -> None:
    service, headers = asked
    if headers and label == ENDS_THE_SESSION:
        pytest.skip("it would end the session that the others need")
    operation = OPERATIONS[label]
    wanted = operation.as_strategy(generation_mode=GenerationMode.POSITIVE) | operation.as_strategy(
        generation_mode=GenerationMode.NEGATIVE
    )

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=wanted)
    def ask(case: Any) -> None:
        case.call_and_validate(base_url=str(service), headers=headers, checks=CHECKS, timeout=30)

    ask()
