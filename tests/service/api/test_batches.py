"""Labelled batches over HTTP: taken as a whole, or not at all."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import anyio
import pytest
from sqlalchemy import select

from models.grades import GRADES
from service.records.disk import Disk
from service.records.keeping import Interest
from service.records.tables import gradings
from tests import zips
from tests.service.pictures import declares, picture
from tests.service.running import Running
from training.sources import load

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("champion")]

Service = Callable[..., AbstractAsyncContextManager[Running]]
IMAGES = {f"images/{number}.jpg": picture(number) for number in range(3)}


def manifest(rows: Mapping[str, str]) -> bytes:
    return "".join(["path,grade,labeller\r\n", *(f"{path},{grade},sato\r\n" for path, grade in rows.items())]).encode()


def packed(tmp_path: Path, members: Mapping[str, bytes]) -> bytes:
    return zips.write_zip(tmp_path / "made.zip", members).read_bytes()


def good(tmp_path: Path, **more: bytes) -> bytes:
    rows = manifest({"images/0.jpg": "L", "images/1.jpg": "C", "images/2.jpg": "L"})
    return packed(tmp_path, {"manifest.csv": rows, **IMAGES, **more})


def kept(home: Path) -> list[Path]:
    folder = home / "batches"
    return sorted(folder.iterdir()) if folder.exists() else []


async def refused(running: Running, body: Any, status: int, code: str) -> dict[str, Any]:
    answer = await running.client.post("/v1/batches", content=body)
    problem: dict[str, Any] = answer.json()
    assert (answer.status_code, problem["code"]) == (status, code), problem
    assert str(running.context.settings.home) not in answer.text
    assert kept(running.context.settings.home) == []
    assert (await running.client.get("/v1/batches")).json()["batches"] == []
    return problem


async def test_a_batch_is_taken_in_and_can_be_trained_with(service: Service, home: Path, tmp_path: Path) -> None:
    async with service() as running:
        answer = await running.client.post("/v1/batches?name=monday", content=good(tmp_path))
        assert answer.status_code == 201, answer.text
        report = answer.json()
        assert {name: report[name] for name in ("name", "rows", "duplicates", "on_record", "unlisted")} == {
            "name": "monday", "rows": 3, "duplicates": 0, "on_record": 0, "unlisted": 0,
        }  # fmt: skip
        assert report["grades"] == {**dict.fromkeys(GRADES, 0), "L": 2, "C": 1}
        assert load(home / report["source"]).counts() == {"L": 2, "C": 1}
        one = (await running.client.get(f"/v1/batches/{report['id']}")).json()
        assert (one["by"], one["rows"]) == ("local", 3)
        assert (await running.client.get("/v1/batches")).json() == {"batches": [one], "next_cursor": None}
    assert [path.name for path in kept(home)] == [report["id"]]


async def test_photographs_that_are_on_record_are_found_and_kept_for_ever(service: Service, tmp_path: Path) -> None:
    async with service() as running:
        graded = (await running.client.post("/v1/grade", content=IMAGES["images/1.jpg"])).json()
        report = (await running.client.post("/v1/batches", content=good(tmp_path))).json()
        assert report["on_record"] == 1
        assert running.context.records is not None
        with running.context.records.engine.connect() as connection:
            asked = select(gradings.c.photograph_interest).where(gradings.c.id == graded["id"])
            assert connection.execute(asked).scalar() == Interest.LABELLED


async def test_what_programs_pack_along(service: Service, home: Path, tmp_path: Path) -> None:
    members = {"batch/manifest.csv": manifest({"a.jpg": "S", "b.jpg": "S"}), "batch/a.jpg": picture(1), "batch/b.jpg": picture(1)}
    extra = {"batch/notes.txt": b"#!/bin/sh", "batch/.DS_Store": b"", "__MACOSX/._batch": b""}
    async with service() as running:
        report = (await running.client.post("/v1/batches", content=packed(tmp_path, {**members, **extra}))).json()
        assert (report["rows"], report["duplicates"], report["unlisted"]) == (2, 1, 2)
        assert report["duplicate_files"] == [{"path": "b.jpg", "same_as": "a.jpg"}]
    assert sorted(path.name for path in (home / report["source"]).iterdir()) == ["a.jpg", "b.jpg", "manifest.csv"]


async def test_all_that_is_wrong_is_said_at_once(service: Service, tmp_path: Path) -> None:
    rows = {
        "images/0.jpg": "L", "images/missing.jpg": "L", "../../etc/passwd": "L", "images/1.jpg": "XXL",
        "text.jpg": "L", "huge.png": "L", "same.jpg": "C", "cut.jpg": "M",
    }  # fmt: skip
    members = {
        "manifest.csv": manifest(rows), **IMAGES, "text.jpg": b"words", "huge.png": declares(40_000, 40_000),
        "same.jpg": IMAGES["images/0.jpg"], "cut.jpg": picture(9, size=(300, 300))[:-700],
    }  # fmt: skip
    async with service() as running:
        problem = await refused(running, packed(tmp_path, members), 422, "invalid_batch")
    assert (problem["rows"], problem["wrong"]) == (8, 7)
    said = {one["line"]: one["detail"] for one in problem["problems"]}
    for line, words in {
        3: "no file", 4: "leads out", 5: "grade 'XXL'", 6: "Not a readable", 7: "40000 x 40000", 8: "graded L", 9: "broken",
    }.items():  # fmt: skip
        assert words in said[line], said


async def test_archives_that_are_none_or_mean_harm(service: Service, tmp_path: Path) -> None:
    async with service() as running:
        await refused(running, b"", 422, "invalid_request")
        await refused(running, b"no archive", 422, "invalid_batch")
        await refused(running, good(tmp_path)[:-30], 422, "invalid_batch")
        await refused(running, packed(tmp_path, {"a.jpg": picture(1)}), 422, "invalid_batch")
        await refused(running, packed(tmp_path, {"manifest.csv": b"path,grade\n"}), 422, "invalid_batch")
        await refused(running, packed(tmp_path, {"manifest.csv": b"\xff\xfe\0"}), 422, "invalid_batch")
        await refused(running, zips.one_entry(tmp_path / "a.zip", b"../../x").read_bytes(), 422, "unsafe_file")
        await refused(running, zips.overlapping_bomb(tmp_path / "a.zip").read_bytes(), 422, "unsafe_file")
        assert (await running.client.post("/v1/batches", files={"file": good(tmp_path)})).json()["code"] == "invalid_request"


async def test_limits_of_size_time_and_disk(service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def slowly() -> AsyncIterator[bytes]:
        while True:
            yield b"P"
            await anyio.sleep(0.05)

    async def many() -> AsyncIterator[bytes]:
        for _ in range(30):
            yield bytes(1000)

    async with service(max_batch_bytes=20_000, body_timeout_ms=400) as running:
        await refused(running, bytes(20_001), 413, "body_too_large")
        await refused(running, many(), 413, "body_too_large")
        await refused(running, slowly(), 408, "body_timeout")
        monkeypatch.setattr("service.intake.measure_disk", lambda _: Disk(total=2**40, free=0))
        await refused(running, good(tmp_path), 507, "no_room")


async def test_one_at_a_time(service: Service, tmp_path: Path) -> None:
    started, go_on = anyio.Event(), anyio.Event()
    data = good(tmp_path)

    async def held() -> AsyncIterator[bytes]:
        yield data[:100]
        started.set()
        await go_on.wait()
        yield data[100:]

    answers: list[int] = []
    async with service() as running, anyio.create_task_group() as both:

        async def first() -> None:
            answers.append((await running.client.post("/v1/batches", content=held())).status_code)

        both.start_soon(first)
        await started.wait()
        second = await running.client.post("/v1/batches", content=data)
        assert (second.status_code, second.json()["code"]) == (429, "too_many_batches")
        assert second.headers["retry-after"]
        go_on.set()
        with anyio.fail_after(20):
            while not answers:  # noqa: ASYNC110 - a list is all it has
                await anyio.sleep(0.01)
        assert (await running.client.post("/v1/batches", content=data)).status_code == 201
    assert answers == [201]


async def test_pages_and_unknown_ones(service: Service, tmp_path: Path) -> None:
    async with service() as running:
        for number in range(3):
            assert (await running.client.post(f"/v1/batches?name=b{number}", content=good(tmp_path))).status_code == 201
        first = (await running.client.get("/v1/batches?limit=2")).json()
        rest = (await running.client.get("/v1/batches", params={"cursor": first["next_cursor"]})).json()
        assert [one["name"] for page in (first, rest) for one in page["batches"]] == ["b2", "b1", "b0"]
        assert (await running.client.get("/v1/batches/none")).status_code == 404
        assert (await running.client.get("/v1/batches?cursor=x")).status_code == 422


async def test_without_records_there_are_none(service: Service, tmp_path: Path) -> None:
    async with service(records="off") as running:
        answer = await running.client.post("/v1/batches", content=good(tmp_path))
        assert (answer.status_code, answer.json()["code"]) == (409, "records_off")
