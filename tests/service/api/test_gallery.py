"""Galleries over HTTP."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from models.gallery import Galleries, Gallery, ModelOf
from models.repository import ModelRepository
from tests.service.models import make_model
from tests.service.running import Running

pytestmark = pytest.mark.anyio

Service = Callable[..., AbstractAsyncContextManager[Running]]


def make(home: Path, repository: ModelRepository, number: int, text: str = "first") -> Gallery:
    version = repository.get(number)
    with Galleries(home / "galleries").making(version.sha256) as (folder, made_id):
        model = ModelOf(name=version.name, version=number, sha256=version.sha256)
        gallery = Gallery(id=made_id, model=model, architecture="linear", made_at="2026-11-24T08:00:00Z", seconds=1.0, seed=0)
        (folder / "layers").mkdir()
        (folder / "layers" / "a.png").write_bytes(text.encode())
        (folder / "gallery.json").write_text(gallery.model_dump_json())
    return gallery


async def test_the_champions_gallery_and_its_files(service: Service, champion: ModelRepository, home: Path) -> None:
    made = make(home, champion, 1)
    async with service() as running:
        for query in ("", "?version=1"):
            response = await running.client.get(f"/v1/explain/gallery{query}")
            assert response.status_code == 200, response.text
            assert response.headers["content-type"] == "application/json"
            assert Gallery.model_validate(response.json()) == made
            shown = await running.client.get(f"/v1/explain/gallery/layers/a.png{query}")
            assert (shown.status_code, shown.content) == (200, b"first")
            assert shown.headers["content-type"] == "image/png"
            assert shown.headers["x-content-type-options"] == "nosniff"


async def test_without_a_gallery_the_way_out_is_named(service: Service, champion: ModelRepository) -> None:
    async with service() as running:
        for path in ("", "/layers/a.png"):
            response = await running.client.get(f"/v1/explain/gallery{path}?version=1")
            assert response.status_code == 404
            assert response.json()["code"] == "gallery_not_made"
            assert "senka gallery --model 1 --data SOURCE" in response.json()["detail"]
        unknown = await running.client.get("/v1/explain/gallery?version=9")
        assert (unknown.status_code, unknown.json()["code"], unknown.json()["valid"]) == (
            404,
            "model_not_found",
            ["1", "champion"],
        )


async def test_without_a_champion_a_version_still_has_one(
    service: Service, repository: ModelRepository, home: Path, tmp_path: Path
) -> None:
    async with service() as running:
        assert (await running.client.get("/v1/explain/gallery")).json()["code"] == "model_not_ready"
        repository.publish(make_model(tmp_path / "a.onnx"), "challenger only")
        made = make(home, repository, 1)
        response = await running.client.get("/v1/explain/gallery?version=1")
        assert response.json()["id"] == made.id


async def test_a_version_has_its_own(service: Service, champion: ModelRepository, home: Path, tmp_path: Path) -> None:
    champion.publish(make_model(tmp_path / "second.onnx", seed=2), "second")
    make(home, champion, 1, "one")
    make(home, champion, 2, "two")
    async with service() as running:
        found = [await running.client.get(f"/v1/explain/gallery/layers/a.png?version={n}") for n in (1, 2)]
        assert [one.content for one in found] == [b"one", b"two"]


async def test_browsers_keep_files_of_an_id_and_ask_again_for_others(
    service: Service, champion: ModelRepository, home: Path
) -> None:
    made = make(home, champion, 1)
    async with service() as running:
        url = "/v1/explain/gallery/layers/a.png"
        first = await running.client.get(url)
        assert first.headers["cache-control"] == "private, no-cache"
        lasting = await running.client.get(f"{url}?id={made.id}")
        assert lasting.headers["cache-control"] == "private, max-age=31536000, immutable"
        again = await running.client.get(url, headers={"If-None-Match": f'"other", {first.headers["etag"]}'})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == first.headers["etag"]

        make(home, champion, 1, "later")
        changed = await running.client.get(url, headers={"If-None-Match": first.headers["etag"]})
        assert (changed.status_code, changed.content) == (200, b"later")
        stale = await running.client.get(f"{url}?id={made.id}")
        assert stale.headers["cache-control"] == "private, no-cache"


@pytest.mark.parametrize(
    "path", ["../../senka.db", "..%2f..%2fsenka.db", "%2e%2e/%2e%2e/secret.png", "/etc/passwd", "%2fetc%2fpasswd.png", "layers"]
)
async def test_nothing_else_of_the_disk_is_served(service: Service, champion: ModelRepository, home: Path, path: str) -> None:
    make(home, champion, 1)
    (home / "secret.png").write_bytes(b"secret")
    async with service() as running:
        response = await running.client.get(f"/v1/explain/gallery/{path}")
        assert response.status_code == 404
        assert response.headers["content-type"] == "application/problem+json"
