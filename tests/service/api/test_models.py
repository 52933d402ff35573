"""`/v1/models`: promoted and rolled back by admins, on the audit trail, and in service at once."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from models.card import TrainingData
from models.grades import GRADES
from models.repository import ModelRepository
from models.retrainings import Retrainings
from service import rollout
from service.api.model_schemas import ModelDetail
from service.errors import RecordsUnavailable
from service.schemas import Models, ModelVersion, Problem, ShadowReport
from tests.models import onnx_files
from tests.models.verdicts import RIGHT, judged, verdict
from tests.service.api.test_batches import good
from tests.service.models import make_model
from tests.service.pictures import picture
from tests.service.records.test_shadow import made, put
from tests.service.running import Running

pytestmark = pytest.mark.anyio

Service = Callable[..., AbstractAsyncContextManager[Running]]


@pytest.fixture
def three(champion: ModelRepository, tmp_path: Path) -> ModelRepository:
    """Version 1 is the champion, 3 the challenger."""
    for seed in (2, 3):
        champion.publish(make_model(tmp_path / f"{seed}.onnx", seed=seed))
    return champion


async def trail(running: Running) -> list[tuple[str, str, str, Any, Any]]:
    lines = (await running.client.get("/v1/audit", params={"action": "model."})).json()["audit"]
    return [(one["actor"], one["action"], one["subject"], one["detail"]["from"], one["detail"]["to"]) for one in reversed(lines)]


@pytest.mark.usefixtures("three")
async def test_a_promotion_is_in_service_at_once_and_on_the_trail_and_so_is_its_rollback(service: Service) -> None:
    async with service() as running:
        post = running.client.post
        answer = await post("/v1/models/2/promote")
        assert answer.status_code == 200
        found = Models.model_validate(answer.json())
        assert (found.champion, found.challenger, found.serving) == (2, 3, 2)
        assert (await post("/v1/grade", content=picture(1))).json()["model"]["version"] == 2
        found = Models.model_validate((await post("/v1/models/challenger/promote")).json())
        assert (found.champion, found.challenger, found.serving) == (3, None, 3)
        for expected in (2, 1):
            back = (await post("/v1/models/rollback")).json()
            assert (back["champion"], back["serving"]) == (expected, expected)
            assert back == (await running.client.get("/v1/models")).json()
        assert await trail(running) == [
            ("local", "model.promoted", "cucumber", 1, 2),
            ("local", "model.promoted", "cucumber", 2, 3),
            ("local", "model.rolled_back", "cucumber", 3, 2),
            ("local", "model.rolled_back", "cucumber", 2, 1),
        ]


@pytest.mark.usefixtures("three")
async def test_promoting_the_champion_changes_nothing_and_is_no_line(service: Service) -> None:
    async with service() as running:
        serving = running.context.champion.current
        answer = (await running.client.post("/v1/models/1/promote")).json()
        assert (answer["champion"], answer["challenger"]) == (1, 3)
        assert running.context.champion.current is serving
        assert await trail(running) == []


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize("version", ["4", "0", "-1", "latest", "01", "9" * 30])
async def test_a_version_that_is_not_there_is_404_with_those_that_are(service: Service, version: str) -> None:
    async with service() as running:
        answer = await running.client.post(f"/v1/models/{version}/promote")
        assert (answer.status_code, answer.json()["code"]) == (404, "model_not_found")
        assert answer.json()["valid"] == ["1", "2", "3", "champion", "challenger"]
        Problem.model_validate(answer.json())
        assert (await running.client.get("/v1/models")).json()["champion"] == 1
        assert await trail(running) == []


@pytest.mark.usefixtures("champion")
async def test_without_an_earlier_champion_or_a_challenger_there_is_nothing_to_change(service: Service) -> None:
    async with service() as running:
        for path, valid in (("rollback", ["1"]), ("challenger/promote", ["1", "champion"])):
            answer = await running.client.post(f"/v1/models/{path}")
            assert (answer.status_code, answer.json()["code"], answer.json()["valid"]) == (404, "model_not_found", valid)


async def test_a_damaged_file_is_409_and_the_champion_stays(service: Service, three: ModelRepository) -> None:
    path = three.get(2).path
    path.write_bytes(path.read_bytes()[:-100])
    async with service() as running:
        answer = await running.client.post("/v1/models/2/promote")
        assert (answer.status_code, answer.json()["code"]) == (409, "model_corrupt")
        state = (await running.client.get("/v1/models")).json()
        assert (state["champion"], state["serving"]) == (1, 1)
        assert await trail(running) == []


async def test_a_repository_that_cannot_be_read_is_503(service: Service, three: ModelRepository) -> None:
    async with service() as running:
        (three.folder / "aliases.json").write_text("{ this is not JSON")
        for method, path in (("GET", ""), ("POST", "/2/promote"), ("POST", "/rollback")):
            answer = await running.client.request(method, f"/v1/models{path}")
            assert (answer.status_code, answer.json()["code"]) == (503, "repository_unreadable"), path
        assert (await running.client.post("/v1/grade", content=picture(1))).status_code == 200


async def test_a_version_that_this_worker_cannot_load_is_promoted_but_not_in_service(
    service: Service, three: ModelRepository, tmp_path: Path
) -> None:
    three.publish(make_model(tmp_path / "bad.onnx", seed=4, input_side=11))
    async with service() as running:
        answer = (await running.client.post("/v1/models/4/promote")).json()
        assert (answer["champion"], answer["serving"]) == (4, 1)


@pytest.mark.usefixtures("three")
async def test_without_records_models_are_promoted_all_the_same(service: Service) -> None:
    async with service(records="off") as running:
        assert (await running.client.post("/v1/models/2/promote")).json()["serving"] == 2
        assert (await running.client.post("/v1/models/rollback")).json()["serving"] == 1


@pytest.mark.usefixtures("three")
async def test_while_the_database_is_away_nobody_is_promoted(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    async with service() as running:

        def away(*_: Any) -> Any:
            raise RecordsUnavailable("the database is away")

        with monkeypatch.context() as patched:
            patched.setattr(rollout, "reading", away)
            answer = await running.client.post("/v1/models/2/promote")
            assert (answer.status_code, answer.json()["code"]) == (503, "records_unavailable")
        assert (await running.client.get("/v1/models")).json()["champion"] == 1


@pytest.mark.usefixtures("three")
async def test_a_line_that_cannot_be_written_afterwards_is_in_the_log(
    service: Service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with service() as running:

        def away(*_: Any) -> Any:
            raise RecordsUnavailable("the database is away")

        monkeypatch.setattr(rollout, "writing", away)
        assert (await running.client.post("/v1/models/2/promote")).json()["champion"] == 2
    assert "model.promoted: version 2 of cucumber, which was 1, by local" in caplog.text
    assert "could not be written to the audit trail" in caplog.text


# --- the challenger in the shadow ---


async def test_the_shadow_is_compared_for_the_champion_and_challenger_of_now(service: Service, three: ModelRepository) -> None:
    async with service(shadow_share=0) as running:
        assert running.context.records is not None
        engine = running.context.records.engine
        rows = [made(n, model_version=3, grade="L" if n < 3 else "M", lane="manual") for n in range(10)]
        put(engine, [*rows, made(1, model_version=2)])
        answer = await running.client.get("/v1/models/shadow")
        assert answer.status_code == 200
        found = ShadowReport.model_validate(answer.json())
        assert set(answer.json()) == set(ShadowReport.model_fields)
        assert (found.champion, found.challenger, found.seen, found.agreed, found.agreement) == (1, 3, 10, 7, 0.7)
        assert [(one.graded, one.shadow, one.count) for one in found.disagreements] == [("M", "L", 3)]
        assert (found.mean_confidence.champion, found.mean_confidence.challenger) == (0.5, 0.75)
        assert (found.manual_share.champion, found.manual_share.challenger) == (0, 1)
        await running.client.post("/v1/models/challenger/promote")
        found = ShadowReport.model_validate((await running.client.get("/v1/models/shadow")).json())
        assert (found.champion, found.challenger, found.seen, found.agreement, found.since) == (3, None, 0, None, None)
        (three.folder / "aliases.json").write_text("{ this is not JSON")
        answer = await running.client.get("/v1/models/shadow")
        assert (answer.status_code, answer.json()["code"]) == (503, "repository_unreadable")


# --- what is known of a version ---

RETRAINING = "20261124T021100Z-00000a"


async def test_a_version_says_which_retraining_made_it_and_what_the_gate_said(
    service: Service, three: ModelRepository, home: Path
) -> None:
    retrainings = Retrainings(home / "retrainings")
    judged(retrainings, RETRAINING, verdict(three.get(3).sha256, "not_better", True), version=3)
    refused, _ = judged(retrainings, "20261125T021100Z-00000b", verdict("e" * 64, "refused", False), state="refused")
    async with service() as running:
        listed = (await running.client.get("/v1/models")).json()
        assert [(one["retraining_id"], one["gate"]) for one in listed["versions"]] == [
            (None, None), (None, None), (RETRAINING, "not_worse"),
        ]  # fmt: skip
        assert all(set(one) == set(ModelVersion.model_fields) for one in listed["versions"])
        answer = await running.client.get("/v1/models/3")
        assert (answer.status_code, answer.json()) == (200, (await running.client.get("/v1/models/challenger")).json())
        assert set(answer.json()) == set(ModelDetail.model_fields)
        found = ModelDetail.model_validate(answer.json())
        assert (found.version, found.aliases, found.retraining_id) == (3, ["challenger"], RETRAINING)
        assert found.gate is not None
        assert (found.gate.retraining_id, found.gate.verdict, found.gate.images) == (RETRAINING, "not_worse", 90)
        assert found.gate.candidate is not None
        assert found.gate.candidate.per_grade["M"].recall == RIGHT / 10
        assert [reason.text for reason in found.gate.reasons] == ["It is not_better."]
        of_retraining = (await running.client.get(f"/v1/retrainings/{RETRAINING}")).json()
        assert of_retraining["gate"] == answer.json()["gate"]
        # what was refused is no version, and is told by its retraining
        of_refused = (await running.client.get(f"/v1/retrainings/{refused.id}")).json()
        assert (of_refused["state"], of_refused["gate"]["verdict"]) == ("refused", "refused")
        first = ModelDetail.model_validate((await running.client.get("/v1/models/champion")).json())
        assert (first.version, first.aliases, first.retraining_id, first.gate) == (1, ["champion"], None, None)


async def test_the_card_says_what_it_was_made_of(service: Service, champion: ModelRepository, home: Path, tmp_path: Path) -> None:
    counts = dict.fromkeys(GRADES, 3)
    async with service() as running:
        batch = (await running.client.post("/v1/batches?name=monday", content=good(tmp_path))).json()
        kept = home / "training-data" / "0123456789abcdef"
        kept.mkdir(parents=True)
        (kept / "kept.json").write_text(f'{{"name": "{batch["id"]}+records", "kept_at": "2026-11-24"}}')
        data = tuple(
            TrainingData(name=name, sha256="d" * 64, images=27, counts=counts) for name in (kept.name, "cucumber9", "../etc")
        )
        model = onnx_files.make_model(tmp_path / "made.onnx", data=data, metrics={"accuracy": 0.875}, recipe="fruit")
        champion.publish(model)
        for wanted in ("2", "challenger", "champion"):
            card = ModelDetail.model_validate((await running.client.get(f"/v1/models/{wanted}")).json()).card
            if wanted == "champion":  # it has graded here: its card is on record
                assert (card.architecture, card.images, card.data) == ("linear", 0, [])
                continue
            assert (card.architecture, card.recipe, card.images) == ("mean-colour", "fruit", 81)
            assert (card.width, card.height, card.grades) == (8, 8, list(GRADES))
            assert card.metrics == {"accuracy": 0.875}
            assert card.created_at.isoformat() == "2026-11-23T02:11:00+00:00"
            assert [(one.name, one.source) for one in card.data] == [
                (kept.name, f"{batch['id']}+records"), ("cucumber9", None), ("../etc", None),
            ]  # fmt: skip
            assert [[(one.id, one.name) for one in part.batches] for part in card.data] == [[(batch["id"], "monday")], [], []]
            assert card.data[0].counts == counts


async def test_a_version_is_told_without_records_too(service: Service, three: ModelRepository) -> None:
    path = three.get(2).path
    async with service(records="off") as running:
        found = ModelDetail.model_validate((await running.client.get("/v1/models/1")).json())
        assert (found.version, found.card.architecture) == (1, "linear")
        path.write_bytes(path.read_bytes()[:-100])
        answer = await running.client.get("/v1/models/2")
        assert (answer.status_code, answer.json()["code"]) == (409, "model_corrupt")


@pytest.mark.usefixtures("three")
async def test_what_is_no_version_is_404_with_those_that_are(service: Service) -> None:
    async with service() as running:
        for version in ("4", "0", "rollback", "9" * 30):
            answer = await running.client.get(f"/v1/models/{version}")
            assert (answer.status_code, answer.json()["code"]) == (404, "model_not_found")
            assert answer.json()["valid"] == ["1", "2", "3", "champion", "challenger"]
        assert (await running.client.get(f"/v1/models/{'9' * 65}")).status_code == 422
