"""`/v1/explain`: what is answered, in which form, and every refusal of the contract."""

import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from fastapi.testclient import TestClient

from models.explain.catalogue import METHODS, Method, method_of
from models.grades import GRADES
from service.api.explain_schemas import ArchitecturesOut, ExplanationOut, MethodsOut, WhyOut
from service.app import create_app
from service.errors import TooManyExplanations
from service.settings import Settings
from tests.service.explain.published import SPEC, Files, exported, repository_of
from tests.service.models import make_model
from tests.service.pictures import picture
from tests.service.running import local_client

PNG, NPY = {"Accept": "image/png"}, {"Accept": "application/x-npy"}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return exported(tmp_path_factory.mktemp("exported"))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, files: Files) -> Path:
    """Version 1 is as it should be; 2 has no checkpoint, 3 another's, 4 weights that changed and a card that says so."""
    folder = tmp_path_factory.mktemp("explain") / "home"
    repository = repository_of(folder)
    repository.publish(files.model, promote=True, checkpoint=files.checkpoint)
    other = exported(tmp_path_factory.mktemp("other"), seed=2)
    repository.publish(make_model(tmp_path_factory.mktemp("linear") / "model.onnx", spec=SPEC))
    repository.publish(other.model, checkpoint=other.checkpoint)
    shutil.copy(files.checkpoint, repository.get(3).checkpoint)
    changed = changed_weights(tmp_path_factory.mktemp("changed"), files)
    repository.publish(changed.model, checkpoint=changed.checkpoint)
    return folder


def changed_weights(folder: Path, files: Files) -> Files:
    """The model with a card that names another checkpoint: what a mix-up at export leaves behind."""
    import onnx
    from onnx import helper

    from models.card import CARD_KEY

    other = exported(folder, seed=3)
    proto = onnx.load(files.model)
    card = files.card.model_copy(update={"checkpoint_sha256": other.card.checkpoint_sha256})
    helper.set_model_props(proto, {CARD_KEY: card.model_dump_json()})
    onnx.save(proto, folder / "mixed.onnx")
    return Files(folder / "mixed.onnx", other.checkpoint, card)


@pytest.fixture(scope="module")
def client(home: Path) -> Iterator[TestClient]:
    with local_client(create_app(Settings(home=home, providers="cpu", explain_queue=3))) as found:
        yield found


@pytest.fixture(scope="module")
def grading(client: TestClient) -> dict[str, Any]:
    """Of a tall photograph, on record."""
    found: dict[str, Any] = client.post("/v1/grade", content=picture(4, size=(30, 77))).json()
    return found


def ask(client: TestClient, photograph: bytes | None = None, headers: dict[str, str] | None = None, **query: object) -> Any:
    return client.post("/v1/explain", params=query, content=photograph, headers=headers or {})


def refused(answer: Any, status: int, code: str) -> dict[str, Any]:
    assert answer.headers["content-type"] == "application/problem+json", answer.text[:200]
    problem: dict[str, Any] = answer.json()
    assert (answer.status_code, problem["code"]) == (status, code), problem
    assert ("retry-after" in answer.headers) == (status in (429, 503))
    return problem


def pixels_of(answer: Any) -> np.ndarray:
    assert answer.headers["content-type"] == "image/png", answer.text[:300]
    return cv2.imdecode(np.frombuffer(answer.content, np.uint8), cv2.IMREAD_COLOR)


# --- what is offered ---


def test_the_methods_with_their_layers_and_parameters(client: TestClient) -> None:
    answer = client.get("/v1/explain/methods")
    found = MethodsOut.model_validate(answer.json())
    assert set(answer.json()) == set(MethodsOut.model_fields)
    assert [one.name for one in found.methods] == list(METHODS)
    assert (found.architecture, found.input.width, found.input.height) == ("lenet", 28, 20)
    by_name = {one.name: one for one in found.methods}
    assert (by_name["grad_cam"].default_layer, by_name["filters"].layers) == ("pool2", ["conv1", "conv2"])
    assert {layer.name: layer.shape for layer in found.layers}["pool2"] == [64, 5, 7]
    assert {layer.name: (layer.receptive_px, layer.stride_px) for layer in found.layers}["conv2"] == (14, 2)
    assert client.get("/v1/explain/methods?version=champion").json() == answer.json()


def test_the_table_of_networks(client: TestClient) -> None:
    found = ArchitecturesOut.model_validate(client.get("/v1/explain/architectures").json())
    by_name = {one.name: one for one in found.networks}
    assert (by_name["vgg19"].parameters, by_name["vgg19"].macs) == (143_667_240, 19_632_062_464)
    assert by_name["deep-mnist"].parameters == 3_274_634
    assert by_name["googlenet"].published is not None


# --- answers ---


@pytest.mark.parametrize("method", METHODS.values(), ids=lambda method: method.name)
def test_every_method_in_every_form(client: TestClient, method: Method) -> None:
    photograph = picture(3, size=(61, 37)) if method.photograph else None
    answer = ask(client, photograph, method=method.name)
    assert answer.status_code == 200, answer.text[:300]
    found = answer.json()
    ExplanationOut.model_validate(found)
    assert set(found) >= set(ExplanationOut.model_fields)
    values = np.array(found["values"], np.float32)
    assert list(values.shape) == found["shape"]
    assert (found["method"], found["shows"], found["kind"]) == (method.name, method.shows, method.kind)
    assert (found["minimum"], found["maximum"]) == pytest.approx((values.min(), values.max()))
    assert (found["target"] is None) == (not method.target)
    assert found["seed"] == (0 if "seed" in found["parameters"] else None)
    assert set(found["parameters"]) == {parameter.name for parameter in method.parameters}
    if method.photograph:
        assert list(found["logits"]) == list(found["probabilities"]) == list(GRADES)
        assert found["photograph"] == {"width": 61, "height": 37}
        assert sum(found["probabilities"].values()) == pytest.approx(1)
    else:
        assert found["logits"] is found["photograph"] is None
    raw = np.load(BytesIO(ask(client, photograph, NPY, method=method.name).content))
    assert raw.dtype == np.float32
    assert np.array_equal(raw, values)
    drawn = ask(client, photograph, PNG, method=method.name)
    assert min(pixels_of(drawn).shape[:2]) >= 20
    assert drawn.headers["x-content-type-options"] == "nosniff"
    assert drawn.headers["cache-control"].startswith("private")
    if method.photograph and method.kind in ("map", "pixels"):
        over = ask(client, photograph, PNG, method=method.name, overlay="true", opacity=0.7)
        assert pixels_of(over).shape == (37, 61, 3)


@pytest.mark.parametrize("size", [(24, 24), (7, 31), (200, 3), (33, 500)])
@pytest.mark.parametrize("kind", ["png", "bmp"])
def test_an_overlay_is_as_large_as_its_photograph_and_nothing_at_no_opacity(
    client: TestClient, size: tuple[int, int], kind: str
) -> None:
    photograph = picture(1, kind, size)
    plain = cv2.imdecode(np.frombuffer(photograph, np.uint8), cv2.IMREAD_COLOR)
    drawn = pixels_of(ask(client, photograph, PNG, method="cam", overlay="true", opacity=0))
    assert np.array_equal(drawn, plain)
    assert not np.array_equal(pixels_of(ask(client, photograph, PNG, method="cam", overlay="true", opacity=1)), plain)


def test_a_grey_photograph(client: TestClient) -> None:
    _, data = cv2.imencode(".png", np.arange(900, dtype=np.uint8).reshape(30, 30))
    assert ask(client, data.tobytes(), method="grad_cam").status_code == 200


def test_a_grading_is_explained_by_the_model_that_graded_it(client: TestClient, grading: dict[str, Any]) -> None:
    found = ask(client, method="cam", grading_id=grading["id"]).json()
    assert (found["target"], found["model"]) == (grading["grade"], grading["model"])
    assert found["probabilities"] == pytest.approx(grading["probabilities"], abs=1e-5)
    assert found["placement"]["rotated"] is True
    assert found["photograph"] == {"width": 30, "height": 77}
    photograph = client.get(f"/v1/gradings/{grading['id']}/image").content
    assert ask(client, photograph, method="cam").json()["values"] == found["values"]
    # what came with the grading is the same map
    graded = client.post("/v1/grade?explain=cam&dry_run=true", content=photograph).json()["explanation"]
    np.testing.assert_allclose(graded["maps"][grading["grade"]], found["values"], atol=1e-5)


def test_another_target_and_another_layer(client: TestClient) -> None:
    photograph = picture(2)
    one, two = (ask(client, photograph, method="grad_cam", target=grade, layer="conv2").json() for grade in ("S", "BL"))
    assert (one["target"], two["target"], one["layer"], one["shape"]) == ("S", "BL", "conv2", [10, 14])
    assert one["values"] != two["values"]


def test_contrastive_is_the_difference_of_two_maps(client: TestClient) -> None:
    photograph = picture(2)
    one, two = (np.array(ask(client, photograph, method="cam", target=grade).json()["values"]) for grade in ("S", "M"))
    found = ask(client, photograph, method="contrastive_cam", target="S", against="M").json()
    assert found["against"] == "M"
    np.testing.assert_allclose(found["values"], one - two, atol=1e-5)


def test_a_dream_of_another_size_starts_from_the_photograph_at_that_size(client: TestClient) -> None:
    photograph = picture(5, size=(56, 40))
    found = ask(client, photograph, method="deepdream", size_px=56, steps=0, octaves=1)
    values = np.array(found.json()["values"])
    assert values.shape == (40, 56, 3)
    plain = cv2.imdecode(np.frombuffer(photograph, np.uint8), cv2.IMREAD_COLOR)[:, :, ::-1] / 255
    assert np.abs(values - plain).max() < 0.02  # decoders of JPEG differ by a step or two


def test_frames_and_the_curve(client: TestClient) -> None:
    found = ask(client, method="activation_maximization", steps=6, frames=3, layer="conv1", channel=5).json()
    assert len(found["objective"]) == 6
    assert len(found["frames"]) == len(found["frame_steps"]) >= 3
    assert found["objective"][-1] > found["objective"][0]


def test_the_same_question_again_is_answered_from_memory_byte_for_byte(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    question: dict[str, object] = {"method": "smooth_grad", "samples": 7, "seed": 5}
    first = ask(client, picture(8), **question)
    assert first.json()["seed"] == 5
    explainer = client.app.state.context.explainer  # type: ignore[attr-defined]
    with monkeypatch.context() as patched:
        patched.setattr(explainer.pool, "submit", None)
        assert ask(client, picture(8), **question).content == first.content
    explainer.cache = type(explainer.cache)(0)
    assert ask(client, picture(8), **question).content == first.content


# --- why ---


def test_why_a_grade(client: TestClient, grading: dict[str, Any]) -> None:
    answer = client.get(f"/v1/explain/why/{grading['id']}").json()
    found = WhyOut.model_validate(answer)
    assert set(answer) == set(WhyOut.model_fields)
    assert (found.grade, found.runner_up) == (grading["grade"], grading["runner_up"]["grade"])
    assert found.additive
    assert found.bias is not None
    assert sum(part.share for part in found.parts) + found.bias == pytest.approx(found.margin, abs=1e-4)
    for part in found.parts:
        if part.box:
            x0, y0, x1, y1 = part.box
            assert 0 <= x0 < x1 <= 30
            assert 0 <= y0 < y1 <= 77
    assert found.neighbours == []
    assert "senka gallery --model 1" in str(found.neighbours_hint)


# --- refusals ---


@pytest.mark.parametrize(
    ("query", "code", "valid"),
    [
        ({}, "unknown_method", "grad_cam"),
        ({"method": "gradcam"}, "unknown_method", "grad_cam"),
        ({"method": "grad_cam", "layer": "conv9"}, "unknown_layer", "pool2"),
        ({"method": "grad_cam", "layer": "fc1"}, "unknown_layer", "pool2"),
        ({"method": "cam", "target": "XXL"}, "invalid_parameter", "2L"),
        ({"method": "cam", "steps": "3"}, "invalid_parameter", "overlay"),
        ({"method": "cam", "overlay": "perhaps"}, "invalid_parameter", "true"),
        ({"method": "contrastive_cam", "against": "XXL"}, "invalid_parameter", "2L"),
        ({"method": "integrated_gradients", "baseline": "pink"}, "invalid_parameter", "belt"),
        ({"method": "feature_maps", "overlay": "1"}, "invalid_parameter", "cam"),
    ],
)
def test_what_is_unknown_is_refused_with_what_is_valid(
    client: TestClient, query: dict[str, object], code: str, valid: str
) -> None:
    problem = refused(ask(client, picture(1), **query), 422, code)
    assert valid in problem["valid"]
    assert valid in problem["detail"]


@pytest.mark.parametrize(
    "query",
    [
        {"method": "integrated_gradients", "steps": 5000},
        {"method": "integrated_gradients", "steps": "many"},
        {"method": "smooth_grad", "sigma": "nan"},
        {"method": "occlusion", "stride_px": -1},
        {"method": "deepdream", "octaves": 7},
        {"method": "deepdream", "size_px": 4000},
        {"method": "deconvolution", "channel": 64},
        {"method": "deconvolution", "place": "one"},
        {"method": "cam", "opacity": 2},
        {"method": "cam", "opacity": "nan"},
        {"method": "cam", "layer": "pool2"},
        {"method": "feature_maps", "target": "M"},
    ],
)
def test_what_is_out_of_bounds_is_refused(client: TestClient, query: dict[str, object]) -> None:
    refused(ask(client, picture(1), **query), 422, "invalid_parameter")


def test_photographs_are_refused_as_gradings_refuse_them(client: TestClient) -> None:
    refused(ask(client, b"", method="cam"), 422, "empty_body")
    refused(ask(client, b"no photograph", method="cam"), 422, "undecodable_image")
    refused(ask(client, picture(1), method="filters"), 422, "invalid_request")
    refused(ask(client, method="cam", grading_id="nobody"), 404, "grading_not_found")
    refused(client.get("/v1/explain/why/nobody"), 404, "grading_not_found")


def test_a_photograph_and_a_grading_are_one_too_many(client: TestClient, grading: dict[str, Any]) -> None:
    refused(client.post(f"/v1/explain?method=cam&grading_id={grading['id']}", content=picture(4)), 422, "invalid_request")


def test_questions_in_progress_are_bounded(client: TestClient, grading: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    explainer = client.app.state.context.explainer  # type: ignore[attr-defined]
    monkeypatch.setattr(explainer, "_admitted", 10_000)
    response = client.post("/v1/explain?method=cam", content=picture(4))
    refused(response, 429, "too_many_explanations")
    refused(client.get(f"/v1/explain/why/{grading['id']}"), 429, "too_many_explanations")
    monkeypatch.setattr(explainer, "_admitted", 0)
    assert client.post("/v1/explain?method=cam", content=picture(4)).status_code == 200
    assert explainer._admitted == 0


def test_a_multipart_photograph(client: TestClient) -> None:
    form = client.post("/v1/explain?method=cam", files={"image": ("p.jpg", picture(1), "image/jpeg")})
    assert form.content == ask(client, picture(1), method="cam").content


@pytest.mark.parametrize(
    ("version", "status", "code"),
    [(2, 409, "checkpoint_missing"), (3, 409, "checkpoint_mismatch"), (4, 409, "model_mismatch"), (9, 404, "model_not_found")],
)
@pytest.mark.parametrize("method", ["cam", "saliency"])
def test_what_is_not_the_served_model_is_not_explained(
    client: TestClient, version: int, status: int, code: str, method: str
) -> None:
    answer = ask(client, picture(1), method=method, version=version)
    problem = refused(answer, status, code)
    assert version != 9 or problem["valid"]
    refused(client.get(f"/v1/explain/methods?version={version}"), status, code)


@pytest.mark.parametrize(
    ("accept", "given"),
    [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("application/*", "application/json"),
        ("image/*", "image/png"),
        ("text/html, image/png;q=0.5, application/x-npy;q=0.9", "application/x-npy"),
        ("image/png;q=0, */*;q=0.1", "application/json"),
        ("Image/PNG", "image/png"),
    ],
)
def test_the_form_that_the_client_likes_best(client: TestClient, accept: str, given: str) -> None:
    assert ask(client, picture(1), {"Accept": accept}, method="cam").headers["content-type"] == given


@pytest.mark.parametrize("accept", ["text/html", "image/webp", "application/json;q=0", "nonsense"])
def test_no_other_form_is_there(client: TestClient, accept: str) -> None:
    problem = refused(ask(client, picture(1), {"Accept": accept}, method="cam"), 406, "not_acceptable")
    assert problem["valid"] == ["application/json", "application/x-npy", "image/png"]


def test_over_its_time(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.explain.explainer.method_of", lambda name: replace(method_of(name), deadline_s=0.3))
    query = {"method": "activation_maximization", "layer": "conv2", "steps": 200, "octaves": 6, "size_px": 320}
    problem = refused(ask(client, **query), 504, "explanation_timeout")
    assert problem["limit_s"] == 0.3
    began = time.monotonic()
    assert ask(client, picture(11), method="saliency").status_code == 200
    assert time.monotonic() - began < 10


def test_a_full_queue_says_when_to_come_back(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def full() -> None:
        raise TooManyExplanations(3)

    monkeypatch.setattr(client.app.state.context.explainer.pool, "require", full)  # type: ignore[attr-defined]
    assert refused(ask(client, picture(1), method="cam"), 429, "too_many_explanations")["waiting"] == 3


def test_without_workers_or_records(home: Path, tmp_path: Path) -> None:
    shutil.copytree(home / "models", tmp_path / "home" / "models")
    settings = Settings(home=tmp_path / "home", providers="cpu", explain_workers=0, records="off")
    with local_client(create_app(settings)) as bare:
        refused(ask(bare, picture(1), method="cam"), 503, "explanations_unavailable")
        refused(bare.get("/v1/explain/methods"), 503, "explanations_unavailable")
        assert bare.post("/v1/grade", content=picture(1)).status_code == 200


def test_without_a_model(tmp_path: Path) -> None:
    with local_client(create_app(Settings(home=tmp_path / "empty", providers="cpu"))) as bare:
        refused(ask(bare, picture(1), method="cam"), 503, "model_not_ready")


# --- the schema ---


def test_every_parameter_and_form_is_documented_with_an_example(client: TestClient) -> None:
    schema: dict[str, Any] = client.get("/openapi.json").json()
    route = schema["paths"]["/v1/explain"]["post"]
    names = {parameter["name"] for parameter in route["parameters"]}
    assert names >= {"method", "layer", "target", "grading_id", "version", "overlay", "opacity", "steps", "octaves", "seed"}
    assert all(parameter["description"] and "example" in parameter for parameter in route["parameters"])
    assert set(route["responses"]["200"]["content"]) == {"application/json", "application/x-npy", "image/png"}
    assert set(route["responses"]) >= {"404", "406", "408", "409", "413", "422", "429", "500", "503", "504"}
    for name in (ExplanationOut, MethodsOut, WhyOut, ArchitecturesOut):
        example = schema["components"]["schemas"][name.__name__]["example"]
        name.model_validate(dict.fromkeys(name.model_fields) | example)  # the schema leaves nulls out
    assert json.dumps(schema).count("(bytes of") == 2
