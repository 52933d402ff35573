"""`/v1/settings`: every setting as it is in force, and none of its secrets."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import pytest

from service.api.settings import HIDDEN, SettingsOut, _without_secrets
from service.settings import Settings
from tests.e2e.test_secrets import BROKEN_URLS
from tests.service.running import Running

pytestmark = pytest.mark.anyio

Service = Callable[..., AbstractAsyncContextManager[Running]]
SECRET: Final = "Db&Secret/77@Kx"
NAMED: Final = frozenset(f"SENKA_{name.upper()}" for name in Settings.model_fields)


async def told(service: Service, **settings: Any) -> dict[str, Any]:
    """By name, as the service answers."""
    async with service(**settings) as running:
        answer = await running.client.get("/v1/settings")
    assert answer.status_code == 200
    return {one.name: one for one in SettingsOut.model_validate(answer.json()).settings}


async def test_every_setting_with_its_value_its_default_and_its_sentence(service: Service, home: Path) -> None:
    found = await told(service, keep="interesting", keep_days=30, trusted_hosts=("127.0.0.1", "senka.example"))
    assert set(found) == NAMED
    for name, field in Settings.model_fields.items():
        assert found[f"SENKA_{name.upper()}"].help == field.description
    keep, days, hosts = found["SENKA_KEEP"], found["SENKA_KEEP_DAYS"], found["SENKA_TRUSTED_HOSTS"]
    assert (keep.value, keep.default, days.value, days.default) == ("interesting", "all", 30, 0)
    assert (hosts.value, hosts.default) == (["127.0.0.1", "senka.example"], [])
    assert (found["SENKA_HOME"].value, found["SENKA_IMAGE_STORE"].value) == (str(home), None)
    assert (found["SENKA_DATABASE_URL"].value, found["SENKA_DURABILITY"].value) == ("", "sync")


async def test_without_records_too_and_no_secret_is_told(service: Service) -> None:
    settings = {
        "records": "off",
        "database_url": f"postgresql://senka:{quote(SECRET, safe='')}@db.example:5433/senka?password={quote(SECRET)}",
        "image_store": f"s3://id:{quote(SECRET)}@photographs/senka",
        "image_store_endpoint": f"http://id:{SECRET}@minio:9000",
    }
    async with service(**settings) as running:
        answer = await running.client.get("/v1/settings")
    for spelled in (SECRET, quote(SECRET), quote(SECRET, safe="")):
        assert spelled not in answer.text
    found = {one["name"]: one["value"] for one in answer.json()["settings"]}
    assert found["SENKA_DATABASE_URL"] == "postgresql://senka:***@db.example:5433/senka"
    assert (found["SENKA_IMAGE_STORE"], found["SENKA_IMAGE_STORE_ENDPOINT"]) == ("s3://***", "http://***")


@pytest.mark.parametrize("url", [*BROKEN_URLS, "postgresql://u:{}/x", "postgresql://u:x{}@h/d", "sqlite:///{}?x={}@y"])
@pytest.mark.parametrize("secret", ["Secret77Kx", "Secret77@Kx", "Secret77/Kx", "Secret77?Kx", "Secret77#Kx"])
def test_of_a_database_nothing_is_told_that_may_be_its_password(url: str, secret: str) -> None:
    if url.startswith("sqlite"):
        url = url.replace("///{}", "///senka.db", 1)
    for name in ("database_url", "image_store_endpoint", "image_store"):
        for spelled in (secret, quote(secret, safe="")):
            if "@" not in url and (name != "database_url" or "@" in spelled):
                continue  # that is a place, as any other: what follows the last @ is a host
            shown = str(_without_secrets(name, url.format(spelled)))
            for part in (spelled, secret, "Secret77", "Kx"):
                assert part not in shown, (name, url.format(spelled), shown)


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("database_url", "postgresql://senka@db/senka", "postgresql://senka@db/senka"),
        ("database_url", "postgresql://db/senka?sslmode=require", "postgresql://db/senka"),
        ("database_url", "sqlite:////data/senka.db", "sqlite:////data/senka.db"),
        ("database_url", "no url at all", HIDDEN),
        ("image_store", "s3://bucket/prefix", "s3://bucket/prefix"),
        ("image_store_endpoint", "http://minio:9000", "http://minio:9000"),
        ("image_store_endpoint", "", ""),
        ("image_store", Path("/data/photographs"), "/data/photographs"),
    ],
)
def test_places_are_told(name: str, value: Any, shown: str) -> None:
    assert _without_secrets(name, value) == shown
