"""Probes, metrics, models, the Open Inference Protocol, the schema, and what every error looks like."""

import logging
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi.openapi.models import OpenAPI
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families

from models.errors import SenkaError
from models.preprocess import PreprocessSpec
from models.repository import ModelRepository
from service import errors, metrics
from service.errors import STATUS
from service.schemas import GradedOut, Models, Problem
from tests.service.models import make_model
from tests.service.pictures import picture
from tests.service.running import Running

pytestmark = pytest.mark.anyio

Service = Callable[..., AbstractAsyncContextManager[Running]]


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


# --- probes and the first minutes of a service ---


async def test_without_a_model_the_service_lives_but_is_not_ready(service: Service) -> None:
    async with service() as running:
        assert (await running.client.get("/health/live")).json() == {"status": "live"}
        for method, path in (
            ("GET", "/health/ready"),
            ("GET", "/v2/health/ready"),
            ("POST", "/v1/grade"),
            ("GET", "/v2/models/cucumber"),
        ):
            response = await running.client.request(method, path, content=picture(1) if method == "POST" else None)
            assert (response.status_code, response.json()["code"]) == (503, "model_not_ready")
            assert response.headers["retry-after"] == "1"
        assert (await running.client.get("/v1/models")).json() == {
            "name": "cucumber", "champion": None, "challenger": None, "serving": None, "versions": [],
        }  # fmt: skip
        assert (await running.client.get("/v2")).json()["provider"] is None


@pytest.mark.usefixtures("champion")
async def test_with_a_model_it_is_ready_and_says_which(service: Service) -> None:
    async with service() as running:
        ready = (await running.client.get("/health/ready")).json()
    assert (ready["status"], ready["model"]["name"], ready["model"]["version"]) == ("ready", "cucumber", 1)
    assert ready["provider"] == "CPUExecutionProvider"


async def test_the_models_and_who_grades(service: Service, champion: ModelRepository, tmp_path: Path) -> None:
    async with service() as running:
        champion.publish(make_model(tmp_path / "next.onnx", seed=2), "more light")
        answer = (await running.client.get("/v1/models")).json()
    assert set(answer) == set(Models.model_fields)
    found = Models.model_validate(answer)
    assert (found.champion, found.challenger, found.serving) == (1, 2, 1)
    assert [(v.version, v.aliases, v.note) for v in found.versions] == [
        (1, ["champion"], "first"),
        (2, ["challenger"], "more light"),
    ]


# --- Open Inference Protocol ---


@pytest.mark.usefixtures("champion")
async def test_the_protocols_metadata(service: Service) -> None:
    async with service() as running:
        get = running.client.get
        server = (await get("/v2")).json()
        assert (server["name"], server["provider"], server["extensions"]) == ("senka", "CPUExecutionProvider", [])
        assert server["version"]
        assert (await get("/v2/health/live")).json() == {"live": True}
        assert (await get("/v2/health/ready")).json() == {"ready": True}
        model = (await get("/v2/models/cucumber")).json()
        assert model == (await get("/v2/models/cucumber/versions/1")).json()
        assert (await get("/v2/models/cucumber/ready")).json() == {"name": "cucumber", "ready": True}
        assert (await get("/v2/models/cucumber/versions/1/ready")).status_code == 200
    assert (model["name"], model["versions"], model["platform"]) == ("cucumber", ["1"], "onnx_onnxruntime")
    assert model["inputs"] == [{"name": "image", "datatype": "UINT8", "shape": [-1, 16, 16, 3]}]
    assert model["outputs"] == [{"name": "logits", "datatype": "FP32", "shape": [-1, 9]}]
    assert model["parameters"]["grades"] == ["2L", "L", "M", "S", "2S", "BL", "BM", "BS", "C"]


async def test_the_input_is_described_as_the_graph_has_it(service: Service, repository: ModelRepository, tmp_path: Path) -> None:
    spec = PreprocessSpec(width=24, height=16)
    repository.publish(make_model(tmp_path / "floats.onnx", spec=spec, takes_bytes=False), promote=True)
    async with service() as running:
        model = (await running.client.get("/v2/models/cucumber")).json()
        assert (await running.client.post("/v1/grade", content=picture(1))).status_code == 200
    assert model["inputs"] == [{"name": "image", "datatype": "FP32", "shape": [-1, 3, 16, 24]}]


@pytest.mark.usefixtures("champion")
@pytest.mark.parametrize(
    "path", ["gherkin", "cucumber/versions/2", "cucumber/versions/x", "gherkin/ready", "cucumber/versions/2/ready"]
)
async def test_a_model_that_is_not_in_service_is_404_with_the_valid_one(service: Service, path: str) -> None:
    async with service() as running:
        response = await running.client.get(f"/v2/models/{path}")
    assert (response.status_code, response.json()["code"]) == (404, "model_not_found")
    assert response.json()["valid"] == ["cucumber 1"]


# --- metrics ---


@pytest.fixture
def _fresh_lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(metrics, "_LINES", set())
    return


@pytest.mark.usefixtures("champion", "_fresh_lines")
async def test_every_metric_is_there_and_counts(service: Service) -> None:
    async with service() as running:
        before = {
            stage: value("senka_stage_seconds_count", stage=stage)
            for stage in ("read", "decode", "queue", "infer", "record", "total")
        }
        batches = value("senka_batch_size_count"), value("senka_confidence_count")
        ok = value("senka_requests_total", route="/v1/grade", status="200")
        empty = value("senka_rejected_total", code="empty_body")
        made = (await running.client.post("/v1/grade?line=7", content=picture(1))).json()
        await running.client.post("/v1/grade")
        response = await running.client.get("/metrics")
    families = {family.name: family for family in text_string_to_metric_families(response.text)}
    expected = {
        "senka_requests",
        "senka_stage_seconds",
        "senka_batch_size",
        "senka_queue_depth",
        "senka_gradings",
        "senka_confidence",
        "senka_rejected",
        "senka_model_info",
    }
    assert expected <= set(families)
    assert all(families[name].documentation for name in expected)
    for stage, count in before.items():
        assert value("senka_stage_seconds_count", stage=stage) == count + (2 if stage == "read" else 1), stage
    assert (value("senka_batch_size_count"), value("senka_confidence_count")) == (batches[0] + 1, batches[1] + 1)
    assert value("senka_requests_total", route="/v1/grade", status="200") == ok + 1
    assert value("senka_rejected_total", code="empty_body") == empty + 1
    assert value("senka_gradings_total", grade=made["grade"], lane=made["lane"], line="7") >= 1
    assert value("senka_queue_depth") == 0
    assert value("senka_model_info", version="1", sha256=made["model"]["sha256"], provider="CPUExecutionProvider") == 1


async def test_a_retired_model_is_shown_as_such(service: Service, champion: ModelRepository, tmp_path: Path) -> None:
    async with service() as running:
        first = running.context.champion.current.ref
        champion.publish(make_model(tmp_path / "next.onnx", seed=2), promote=True)
        await running.context.champion.refresh()
        second = running.context.champion.current.ref
    shown = [
        value("senka_model_info", version=str(ref.version), sha256=ref.sha256, provider="CPUExecutionProvider")
        for ref in (first, second)
    ]
    assert shown == [0, 1]


@pytest.mark.usefixtures("champion")
async def test_no_identifier_becomes_a_label(service: Service) -> None:
    async with service() as running:
        made = (await running.client.post("/v1/grade", content=picture(1))).json()
        for path in (
            f"/v1/gradings/{made['id']}",
            f"/v1/gradings/{made['id']}/image",
            "/v1/gradings/unknown-one",
            "/v2/models/other-one",
            "/no/such/page",
            "/static/senka.css",
            "/static/none-such.js",
            "/",
        ):
            await running.client.get(path)
        await running.client.delete(f"/v1/gradings/{made['id']}")
        text = (await running.client.get("/metrics")).text
    for word in (made["id"], "unknown-one", "other-one", "no/such", "none-such", "senka.css"):
        assert word not in text
    routes = set(re.findall(r'senka_requests_total\{route="([^"]*)"', text))
    assert {"/v1/gradings/{grading_id}", "/v1/gradings/{grading_id}/image", "/v2/models/{name}", "other"} <= routes


@pytest.mark.usefixtures("_fresh_lines")
def test_strangers_cannot_name_lines_without_end() -> None:
    labels = {metrics.line_label(f"line {n}") for n in range(1000)}
    assert len(labels) == 101
    assert metrics.line_label("line 3") == "line 3"
    assert metrics.line_label("line 999") == "other"
    assert metrics.line_label(None) == metrics.line_label("") == ""


def test_the_gauges_of_workers_that_died_are_cleared_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    import os

    for name in (
        f"gauge_livesum_{os.getpid()}",
        "gauge_livesum_4194399",
        "gauge_livemax_4194399",
        "counter_4194399",
        "gauge_livesum_x",
    ):
        (tmp_path / f"{name}.db").touch()
    metrics.forget_dead_workers()
    left = {path.stem for path in tmp_path.iterdir()}
    assert left == {f"gauge_livesum_{os.getpid()}", "counter_4194399", "gauge_livesum_x"}
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR")
    metrics.forget_dead_workers()


# --- the schema ---


async def test_the_schema_is_valid_and_complete(service: Service) -> None:
    async with service() as running:
        document = (await running.client.get("/openapi.json")).json()
    OpenAPI.model_validate(document)
    references = set(re.findall(r"'#/components/schemas/([^']+)'", str(document)))
    assert references <= set(document["components"]["schemas"])
    post = document["paths"]["/v1/grade"]["post"]
    assert set(post["requestBody"]["content"]) == {"image/jpeg", "image/png", "image/webp", "image/bmp", "multipart/form-data"}
    asked = {"camera", "line", "lot", "captured_at", "deadline_ms", "crop", "dry_run", "explain", "Idempotency-Key"}
    assert {p["name"] for p in post["parameters"]} == asked
    assert set(post["responses"]) >= {"200", "401", "403", "408", "413", "421", "422", "429", "503"}
    assert document["components"]["schemas"]["GradedOut"]["example"]["grade"] == "2L"
    assert set(document["components"]["schemas"]["GradedOut"]["properties"]) == set(GradedOut.model_fields)
    plain = {path for path in document["paths"] if not path.startswith(("/v1", "/metrics"))}
    for path, operations in document["paths"].items():
        for operation in operations.values():
            assert operation["tags"], path
            answers = {code: answer for code, answer in operation["responses"].items() if code.startswith("2")}
            assert answers, path
            assert answers.keys() == {"204"} or any(a.get("content") for a in answers.values()) or path in plain, path
    expected = {
        "/v1/grade",
        "/v1/gradings",
        "/v1/gradings/{grading_id}",
        "/v1/gradings/{grading_id}/image",
        "/v1/stats",
        "/v1/events",
        "/v1/models",
        "/v2",
        "/health/live",
        "/health/ready",
        "/metrics",
    }
    assert expected <= set(document["paths"])


# --- errors ---


async def test_what_nobody_serves_is_a_problem_too(service: Service) -> None:
    async with service() as running:
        missing = await running.client.get("/no/such/page")
        wrong = await running.client.get("/v1/grade")
    assert missing.json() == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "Not Found",
        "code": "not_found",
    }
    assert (wrong.status_code, wrong.json()["code"], wrong.headers["allow"]) == (405, "method_not_allowed", "POST")
    assert missing.headers["content-type"] == wrong.headers["content-type"] == "application/problem+json"


@pytest.mark.usefixtures("champion")
async def test_our_own_bugs_are_500_and_show_nothing(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    async with service() as running:

        def broken(*_: Any) -> None:
            raise ZeroDivisionError("secret details")

        monkeypatch.setattr(running.context.pipeline, "answer", broken)
        async with httpx2.AsyncClient(
            transport=httpx2.ASGITransport(running.app, raise_app_exceptions=False), base_url="http://127.0.0.1"
        ) as client:
            response = await client.post("/v1/grade", content=picture(1))
    assert (response.status_code, response.json()["code"]) == (500, "internal_error")
    assert "secret" not in response.text
    Problem.model_validate(response.json())


async def test_a_model_error_of_ours_is_500_with_its_words(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    class OurFault(SenkaError):
        code = "our_fault"

    async with service() as running:

        def broken() -> None:
            raise OurFault("The disk is full.", free_bytes=0, path=Path("/somewhere"))

        monkeypatch.setattr(running.context.champion.repository, "describe", broken)
        response = await running.client.get("/v1/models")
    assert response.status_code == 500
    assert response.json() | {"type": ""} == {
        "type": "", "title": "Internal Server Error", "status": 500, "detail": "The disk is full.", "code": "our_fault",
        "free_bytes": 0, "path": "/somewhere",
    }  # fmt: skip


def test_every_error_of_the_contract_has_its_status() -> None:
    assert STATUS == {
        "empty_body": 422, "undecodable_image": 422, "too_many_pixels": 422, "invalid_request": 422, "body_too_large": 413,
        "body_timeout": 408,
        "unauthenticated": 401, "forbidden": 403, "host_not_trusted": 421, "login_throttled": 429, "rate_limited": 429,
        "last_admin": 409, "records_off": 409,
        "idempotency_conflict": 409, "invalid_idempotency_key": 422, "not_found": 404, "already_exists": 409, "in_use": 409,
        "records_unavailable": 503,
        "overloaded": 503, "draining": 503, "model_not_ready": 503,
        "grading_not_found": 404, "photograph_not_kept": 404, "photograph_unavailable": 503, "model_not_found": 404,
        "gallery_not_made": 404, "gallery_file_not_found": 404,
        "not_acceptable": 406,
        "unknown_method": 422, "unknown_layer": 422, "invalid_parameter": 422,
        "checkpoint_missing": 409, "checkpoint_mismatch": 409, "model_mismatch": 409, "model_corrupt": 409,
        "repository_unreadable": 503,
        "retraining_running": 409, "retraining_not_running": 409, "retraining_not_resumable": 409,
        "retraining_not_started": 503, "training_not_installed": 409, "page_not_made": 404,
        "too_many_explanations": 429, "too_many_exports": 429, "too_many_batches": 429,
        "no_room": 507, "invalid_batch": 422, "unsafe_file": 422, "explanations_unavailable": 503, "explanation_timeout": 504,
            "time_zone_missing": 503,
    }  # fmt: skip
    known = {kind.code for kind in _kinds(SenkaError)}
    assert set(STATUS) <= known


def _kinds(parent: type[SenkaError]) -> Iterator[type[SenkaError]]:
    yield parent
    for child in parent.__subclasses__():
        yield from _kinds(child)


@pytest.mark.usefixtures("champion")
async def test_a_camera_that_hangs_up_is_no_error_of_ours(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    async with service() as running:
        gone = value("senka_rejected_total", code="client_gone")
        messages = iter([{"type": "http.request", "body": picture(1)[:100], "more_body": True}, {"type": "http.disconnect"}])
        sent: list[Any] = []

        async def receive() -> Any:
            return next(messages)

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "method": "POST",
            "path": "/v1/grade",
            "raw_path": b"/v1/grade",
            "query_string": b"",
            "headers": [(b"host", b"127.0.0.1")],
            "client": ("127.0.0.1", 4711),
            "http_version": "1.1",
            "scheme": "http",
            "server": ("senka", 80),
            "root_path": "",
        }
        with caplog.at_level(logging.INFO):
            await running.app(scope, receive, send)
    assert sent[0]["status"] == errors.CLIENT_GONE
    assert value("senka_rejected_total", code="client_gone") == gone + 1
    assert not caplog.records
