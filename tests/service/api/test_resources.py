"""Corrections, lots, lines, growers, cameras, alarms, profiles and the audit trail over HTTP."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from sqlalchemy import select

from models.repository import ModelRepository
from service.api import resource_schemas as schemas
from service.grading import Grading
from service.monitor import alarms as alarms_module
from service.records.tables import models
from service.schemas import Problem
from tests.service.gradings import grading
from tests.service.models import make_model
from tests.service.pictures import picture
from tests.service.records.opened import put_gradings
from tests.service.running import Running, until

pytestmark = pytest.mark.anyio

Service = Callable[..., AbstractAsyncContextManager[Running]]


def put(running: Running, *made: Grading) -> list[str]:
    assert running.context.records is not None
    put_gradings(running.context.records.engine, made)
    return [one.id for one in made]


async def ask(running: Running, method: str, path: str, status: int, body: Any = None) -> Any:
    """The JSON of an answer of this status; a refusal must be a problem document."""
    response = await running.client.request(method, path, **({} if body is None else {"json": body}))
    assert response.status_code == status, response.text
    if status >= 400:
        Problem.model_validate(response.json())
    return response.json() if response.content else None


async def trail(running: Running, query: str = "") -> list[tuple[str, str, str]]:
    """(action, subject, actor), newest first."""
    answer = await ask(running, "GET", f"/v1/audit?{query}", 200)
    schemas.AuditPage.model_validate(answer)
    return [(line["action"], line["subject"], line["actor"]) for line in answer["audit"]]


# --- corrections ---


async def test_a_grading_is_corrected_and_the_correction_undone(service: Service) -> None:
    async with service() as running:
        (one,) = put(running, grading(1))
        made = await ask(running, "POST", "/v1/corrections", 201, {"grading_id": one, "grade": "L", "note": "曲がり"})
        schemas.CorrectionOut.model_validate(made)
        assert (made["grade"], made["by"], made["note"], made["undone_at"]) == ("L", "local", "曲がり", None)
        assert (await ask(running, "GET", f"/v1/gradings/{one}", 200))["correction"]["id"] == made["id"]
        assert await ask(running, "GET", f"/v1/corrections/{made['id']}", 200) == made
        undone = await ask(running, "DELETE", f"/v1/corrections/{made['id']}", 200)
        assert undone["undone_by"] == "local"
        assert await ask(running, "DELETE", f"/v1/corrections/{made['id']}", 200) == undone
        assert (await ask(running, "GET", f"/v1/gradings/{one}", 200)).get("correction") is None
        assert await trail(running) == [("correction.undone", one, "local"), ("correction.made", one, "local")]
        page = await ask(running, "GET", f"/v1/corrections?grading_id={one}", 200)
        schemas.CorrectionsPage.model_validate(page)
        assert page == {"corrections": [undone], "next_cursor": None}


async def test_what_cannot_be_corrected_says_why(service: Service) -> None:
    async with service() as running:
        (one,) = put(running, grading(1))
        missing = await ask(running, "POST", "/v1/corrections", 404, {"grading_id": "none", "grade": "L"})
        assert missing["code"] == "grading_not_found"
        unknown = await ask(running, "POST", "/v1/corrections", 422, {"grading_id": one, "grade": "XL"})
        assert unknown["code"] == "invalid_request"
        assert unknown["valid"] == ["2L", "L", "M", "S", "2S", "BL", "BM", "BS", "C", "not_a_cucumber"]
        for body in (
            {"grading_id": one},
            {"grading_id": one, "grade": "L", "by": "somebody else"},
            {"grading_id": one, "grade": "L", "note": "x" * 2001},
            {"grading_id": one, "grade": "L", "note": "a\0b"},
            {"grading_id": "\0", "grade": "L"},
            [],
        ):
            await ask(running, "POST", "/v1/corrections", 422, body)
        for raw in (b'{"grading_id": "%s", "grade": "L", "note": "\\ud800"}' % one.encode(), b"\xff", b"{", b""):
            headers = {"Content-Type": "application/json"}
            response = await running.client.post("/v1/corrections", content=raw, headers=headers)
            assert response.status_code in (400, 422), response.text
            Problem.model_validate(response.json())
        assert (await ask(running, "DELETE", "/v1/corrections/none", 404))["code"] == "not_found"
        assert await trail(running) == []


async def test_corrections_come_in_pages(service: Service) -> None:
    async with service() as running:
        ids = put(running, *(grading(n) for n in range(5)))
        made = [(await ask(running, "POST", "/v1/corrections", 201, {"grading_id": one, "grade": "C"}))["id"] for one in ids]
        found, cursor = [], ""
        while cursor is not None:
            page = await ask(running, "GET", f"/v1/corrections?limit=2{cursor and f'&cursor={cursor}'}", 200)
            found += [one["id"] for one in page["corrections"]]
            cursor = page["next_cursor"]
        assert found == made[::-1]


# --- lots, lines, growers, cameras ---


@pytest.mark.parametrize("kind", ["lot", "line", "grower", "camera"])
async def test_one_is_entered_changed_listed_and_deleted(service: Service, kind: str) -> None:
    async with service() as running:
        path = f"/v1/{kind}s"
        made = await ask(running, "POST", path, 201, {"name": " 月曜 A ", "note": "first"})
        assert (made["name"], made["note"]) == ("月曜 A", "first")
        assert (await ask(running, "POST", path, 409, {"name": "月曜 A"}))["code"] == "already_exists"
        changed = await ask(running, "PATCH", f"{path}/月曜 A", 200, {"note": None})
        assert changed == {**made, "note": None} == await ask(running, "GET", f"{path}/月曜 A", 200)
        await ask(running, "POST", path, 201, {"name": "B"})
        page = await ask(running, "GET", f"{path}?limit=1", 200)
        getattr(schemas, f"{kind.capitalize()}sPage").model_validate(page)
        assert [one["name"] for one in page[f"{kind}s"]] == ["B"]
        rest = await ask(running, "GET", f"{path}?limit=1&cursor={page['next_cursor']}", 200)
        assert ([one["name"] for one in rest[f"{kind}s"]], rest["next_cursor"]) == (["月曜 A"], None)
        await ask(running, "DELETE", f"{path}/月曜 A", 204)
        for method in ("GET", "DELETE"):
            assert (await ask(running, method, f"{path}/月曜 A", 404))["code"] == "not_found"
        await ask(running, "PATCH", f"{path}/月曜 A", 404, {})
        for name in ("", " ", "a/b", "..", "a\0b", "a\nb", "x" * 101, None, 7):
            await ask(running, "POST", path, 422, {"name": name})
        await ask(running, "PATCH", f"{path}/B", 422, {"name": "C"})
        assert (await trail(running))[::-1] == [
            (f"{kind}.added", "月曜 A", "local"), (f"{kind}.changed", "月曜 A", "local"), (f"{kind}.added", "B", "local"),
            (f"{kind}.deleted", "月曜 A", "local"),
        ]  # fmt: skip


async def test_a_camera_says_when_it_was_seen_and_which_keys_speak_for_it(service: Service) -> None:
    async with service() as running:
        put(running, grading(1, camera="top", line="1"), grading(3, camera="top", line="2"), grading(2, camera="side"))
        made = await ask(running, "POST", "/v1/cameras", 201, {"name": "top"})
        assert set(made) == set(schemas.CameraOut.model_fields)
        assert made["keys"] == []
        (prefix, gone, *_) = [
            (await ask(running, "POST", "/v1/keys", 201, {"name": f"key {n}", "camera": camera}))["prefix"]
            for n, camera in enumerate(("top", "top", "side", None))
        ]
        await ask(running, "DELETE", f"/v1/keys/{gone}", 200)
        found = await ask(running, "GET", "/v1/cameras/top", 200)
        assert found == {**made, "keys": [prefix]} == await ask(running, "PATCH", "/v1/cameras/top", 200, {})
        newest = await ask(running, "GET", "/v1/gradings?limit=1", 200)
        assert found["last_seen_at"] == newest["gradings"][0]["received_at"]
        await ask(running, "POST", "/v1/cameras", 201, {"name": "idle"})
        page = await ask(running, "GET", "/v1/cameras", 200)
        assert [(one["name"], one["last_seen_at"]) for one in page["cameras"]] == [("idle", None), ("top", found["last_seen_at"])]
        await ask(running, "DELETE", "/v1/cameras/idle", 204)
        [deleted, *_] = (await ask(running, "GET", "/v1/audit", 200))["audit"]
        assert set(deleted["detail"]) == {"name", "line", "note", "created_at"}  # what people had entered, and no more


async def test_what_gradings_name_is_not_deleted(service: Service) -> None:
    async with service() as running:
        put(running, grading(1, camera="top", line="1", lot="A"))
        for kind, name in (("lots", "A"), ("lines", "1"), ("cameras", "top")):
            await ask(running, "POST", f"/v1/{kind}", 201, {"name": name})
            assert (await ask(running, "DELETE", f"/v1/{kind}/{name}", 409))["code"] == "in_use"


async def test_a_lot_put_on_a_line_is_current_at_once(service: Service) -> None:
    async with service() as running:
        lots = running.context.current_lots
        await ask(running, "POST", "/v1/lines", 201, {"name": "1"})
        assert lots.lot_of("1") is None
        await ask(running, "PATCH", "/v1/lines/1", 200, {"lot": "A"})
        assert lots.lot_of("1") == "A"
        assert (await ask(running, "GET", "/v1/lots/A", 200))["closed_at"] is None
        closed = await ask(running, "PATCH", "/v1/lots/A", 200, {"closed": True})
        assert closed["closed_at"] is not None
        assert lots.lot_of("1") is None
        assert (await ask(running, "PATCH", "/v1/lines/1", 422, {"lot": "A"}))["lot"] == "A"
        assert (await ask(running, "PATCH", "/v1/lots/A", 200, {"closed": False, "grower": "Sato"}))["closed_at"] is None
        assert [one["name"] for one in (await ask(running, "GET", "/v1/growers", 200))["growers"]] == ["Sato"]


async def test_gradings_move_to_another_lot_and_the_figures_follow(service: Service) -> None:
    async with service() as running:
        put(running, *(grading(n, lot="A", line=str(n % 2)) for n in range(10)))
        await ask(running, "POST", "/v1/lots", 201, {"name": "A"})
        body = {"to": "B", "line": "0", "since": "2026-11-23T12:00:00Z", "until": "2026-11-23T12:00:06Z"}
        moved = await ask(running, "POST", "/v1/lots/A/reassign", 200, body)
        schemas.Reassigned.model_validate(moved)
        assert moved == {"lot": "A", "to": "B", "gradings": 3}
        assert (await ask(running, "GET", "/v1/stats?lot=B", 200))["total"] == 3
        assert (await ask(running, "GET", "/v1/stats?lot=A", 200))["total"] == 7
        assert len((await ask(running, "GET", "/v1/gradings?lot=B", 200))["gradings"]) == 3
        await ask(running, "POST", "/v1/lots/Z/reassign", 404, {"to": "B"})
        await ask(running, "POST", "/v1/lots/A/reassign", 422, {"to": "A"})
        await ask(running, "POST", "/v1/lots/A/reassign", 422, {})
        assert await trail(running, "action=lot.reassigned") == [("lot.reassigned", "A", "local")]


# --- alarms ---


async def test_an_alarm_is_seen_and_acknowledged(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alarms_module, "REASSERT_S", 0.05)
    async with service() as running:
        alarms = running.context.alarms
        alarms.raise_("object_store_away", "no answer")
        shown = (await ask(running, "GET", "/v1/alarms?open=true", 200))["alarms"]
        assert [one["name"] for one in shown] == ["object_store_away"], "before it is on record"
        await until(alarms.flush)
        (one,) = (await ask(running, "GET", "/v1/alarms?open=true", 200))["alarms"]
        schemas.AlarmOut.model_validate(one)
        path = f"/v1/alarms/{one['id']}"
        assert await ask(running, "GET", path, 200) == one
        seen = await ask(running, "POST", f"{path}/acknowledge", 200)
        assert (seen["acknowledged_by"], seen["until"]) == ("local", None)
        assert await ask(running, "POST", f"{path}/acknowledge", 200) == seen
        assert await trail(running) == [("alarm.acknowledged", one["id"], "local")]
        alarms.clear("object_store_away")
        await until(alarms.flush)
        assert (await ask(running, "GET", "/v1/alarms?open=true", 200))["alarms"] == []
        page = await ask(running, "GET", "/v1/alarms", 200)
        schemas.AlarmsPage.model_validate(page)
        assert [(a["id"], a["until"] is None) for a in page["alarms"]] == [(one["id"], False)]
        for method, path in (("GET", "/v1/alarms/none"), ("POST", "/v1/alarms/none/acknowledge")):
            assert (await ask(running, method, path, 404))["code"] == "not_found"


# --- profiles, models, audit ---


async def test_the_rules_in_effect_have_a_version(service: Service) -> None:
    async with service(manual_below=0.9):
        pass
    async with service(manual_below=0.5) as running:
        answer = await ask(running, "GET", "/v1/profiles", 200)
        schemas.ProfilesOut.model_validate(answer)
        assert answer["in_effect"] == running.context.profile_version == 2
        assert [(one["version"], one["rules"]) for one in answer["profiles"]] == [
            (2, {"manual_below": 0.5}), (1, {"manual_below": 0.9}),
        ]  # fmt: skip
        assert await ask(running, "GET", "/v1/profiles/1", 200) == answer["profiles"][1]
        await ask(running, "GET", "/v1/profiles/3", 404)
        for version in ("0", "x", "99999999999"):
            await ask(running, "GET", f"/v1/profiles/{version}", 422)


async def test_models_that_grade_are_noted_when_they_first_do(service: Service, champion: ModelRepository, tmp_path: Any) -> None:
    async with service() as running:
        assert running.context.records is not None
        champion.publish(make_model(tmp_path / "next.onnx", seed=2), promote=True)
        await running.context.champion.refresh()
        with running.context.records.engine.connect() as connection:
            rows = connection.execute(select(models.c.version, models.c.sha256, models.c.card).order_by(models.c.version)).all()
        assert [row.version for row in rows] == [1, 2]
        assert rows[1].sha256 == running.context.champion.current.ref.sha256
        assert rows[1].card["grades"] == ["2L", "L", "M", "S", "2S", "BL", "BM", "BS", "C"]


async def test_the_trail_is_read_in_pages_and_by_filters(service: Service) -> None:
    async with service() as running:
        for name in ("A", "B", "C"):
            await ask(running, "POST", "/v1/lots", 201, {"name": name})
        await ask(running, "POST", "/v1/lines", 201, {"name": "1"})
        assert [subject for _, subject, _ in await trail(running, "action=lot.added")] == ["C", "B", "A"]
        assert [subject for _, subject, _ in await trail(running, "action=line.")] == ["1"]
        assert await trail(running, "actor=nobody") == await trail(running, "since=2100-01-01T00:00:00Z") == []
        assert len(await trail(running, "subject=A&until=2100-01-01T00:00:00Z")) == 1
        first = await ask(running, "GET", "/v1/audit?limit=3", 200)
        rest = await ask(running, "GET", f"/v1/audit?limit=3&cursor={first['next_cursor']}", 200)
        assert ([line["subject"] for line in rest["audit"]], rest["next_cursor"]) == (["A"], None)
        assert first["audit"][0]["address"] == "127.0.0.1"
        await ask(running, "GET", "/v1/audit?actor=a%00b", 422)


@pytest.mark.parametrize(
    "path", ["/v1/corrections", "/v1/lots", "/v1/lines", "/v1/growers", "/v1/cameras", "/v1/alarms", "/v1/audit"]
)
async def test_a_cursor_that_nobody_gave_out_is_refused(service: Service, path: str) -> None:
    async with service() as running:
        for cursor in (
            "x",
            "%00",
            "W10",
            "WzFd",
            "WyJcdWQ4MDAiXQ",
            "W251bGxd",
            "é",
            "e30",
            "WzFlNDAwXQ",
            "Wy0xLCJhIl0x",
            "A" * 5000,
        ):
            answer = await running.client.get(f"{path}?cursor={cursor}")
            if answer.status_code == 200:
                assert (path, cursor) in {("/v1/audit", "WzFd")}, "[1] is where a page of the trail may end"
            else:
                assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


async def test_without_records_the_resources_say_so(service: Service) -> None:
    async with service(records="off") as running:
        for path in ("corrections", "lots", "lines", "growers", "cameras", "alarms", "profiles", "audit"):
            assert (await ask(running, "GET", f"/v1/{path}", 409))["code"] == "records_off"
        running.context.alarms.raise_("disk_low", "little")
        assert len((await ask(running, "GET", "/v1/alarms?open=true", 200))["alarms"]) == 1
        running.context.alarms.clear("disk_low")


async def test_every_change_is_refused_whole_when_the_database_is_away(service: Service) -> None:
    async with service() as running:
        assert running.context.records is not None
        with running.context.records.engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE corrections RENAME TO away")
        (one,) = put(running, grading(1))
        refused = await ask(running, "POST", "/v1/corrections", 503, {"grading_id": one, "grade": "L"})
        assert refused["code"] == "records_unavailable"
        assert await trail(running) == []


async def test_a_lot_of_a_row_is_plain_text_for_the_database(service: Service) -> None:
    async with service() as running:
        nasty = "'; DROP TABLE lots; -- %"
        assert (await ask(running, "POST", "/v1/lots", 201, {"name": nasty}))["name"] == nasty
        names = [one["name"] for one in (await ask(running, "GET", "/v1/lots", 200))["lots"]]
        assert names == [nasty]


@pytest.mark.usefixtures("champion")
async def test_a_photograph_that_names_no_lot_belongs_to_what_runs_on_its_line(service: Service, any_database: str) -> None:
    async with service(database_url=any_database) as running:
        first = (await running.client.post("/v1/grade?camera=top&line=1&lot=early", content=picture(1))).json()
        assert (first["lot"], first["profile"]) == ("early", {"version": 1})
        named = {kind: (await ask(running, "GET", f"/v1/{kind}", 200))[kind] for kind in ("cameras", "lines", "lots")}
        assert {kind: [one["name"] for one in shown] for kind, shown in named.items()} == {
            "cameras": ["top"], "lines": ["1"], "lots": ["early"],
        }  # fmt: skip
        assert named["cameras"][0]["line"] == "1"
        await ask(running, "PATCH", "/v1/lines/1", 200, {"lot": "A"})
        second = (await running.client.post("/v1/grade?camera=top&line=1", content=picture(2))).json()
        third = (await running.client.post("/v1/grade?camera=top&line=1&lot=own", content=picture(3))).json()
        fourth = (await running.client.post("/v1/grade?camera=top&line=2", content=picture(4))).json()
        assert [one["lot"] for one in (second, third, fourth)] == ["A", "own", None]
        moved = await ask(running, "POST", "/v1/lots/A/reassign", 200, {"to": "early", "line": "1"})
        assert moved["gradings"] == 1
        assert (await ask(running, "GET", "/v1/stats?lot=early", 200))["total"] == 2
        made = await ask(running, "POST", "/v1/corrections", 201, {"grading_id": second["id"], "grade": "not_a_cucumber"})
        assert (await ask(running, "GET", f"/v1/gradings/{second['id']}", 200))["correction"]["id"] == made["id"]
        await ask(running, "DELETE", "/v1/lots/A", 409)
        await ask(running, "PATCH", "/v1/lines/1", 200, {"lot": None})
        await ask(running, "DELETE", "/v1/lots/A", 204)
        people = [line for line in await trail(running) if line[2] == "local"]
        assert [action for action, _, _ in people] == [
            "lot.deleted", "line.changed", "correction.made", "lot.reassigned", "lot.added", "line.changed",
        ]  # fmt: skip
