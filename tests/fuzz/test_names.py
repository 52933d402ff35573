"""Names and ids that PostgreSQL cannot even look for are refused, or belong to nothing; they are no failure of ours."""

from pathlib import Path

import pytest

from service.settings import Settings
from tests.databases import any_database as any_database
from tests.service.running import run_service

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_a_nul_in_a_name_is_the_clients_fault(any_database: str, tmp_path: Path) -> None:
    found: dict[str, int] = {}
    async with run_service(Settings(home=tmp_path, database_url=any_database)) as running:
        for path in (
            *("/v1/gradings/a%00", "/v1/gradings/%00/image", "/v1/explain/why/%00"),
            *("/v1/gradings?lot=%00", "/v1/gradings?camera=a%00b", "/v1/gradings?cursor=%00", "/v1/stats?line=%00"),
            *("/v1/export?lot=%00", "/v1/corrections?grading_id=%00", "/v1/audit?actor=%00", "/v1/lots/%00", "/v1/keys/%00"),
            *("/v1/users/%00", "/v1/lines/%00", "/v1/growers/%00", "/v1/cameras/%00"),
        ):
            found[path] = (await running.client.get(path)).status_code
        for path, body in (
            ("/v1/keys", {"name": "line 1", "camera": "a\0"}),
            ("/v1/lots", {"name": "\0"}),
            ("/v1/corrections", {"grading_id": "\0", "grade": "M"}),
        ):
            found[path] = (await running.client.post(path, json=body)).status_code
    assert {path: status for path, status in found.items() if status not in (404, 422)} == {}
