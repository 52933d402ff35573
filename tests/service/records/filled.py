"""A database with something in every table, and photographs, for whoever moves or examines records."""

from datetime import timedelta
from typing import Any

from argon2 import PasswordHasher
from sqlalchemy import Connection, Engine, Table, func, insert, select

from service.grading import new_id
from service.records import tables
from service.records.audit import note
from service.records.photographs import PhotographStore
from service.records.rows import to_row
from service.records.tables import metadata
from service.records.tallies import tally
from service.security.keys import Keys
from service.security.principal import Role
from service.security.users import Users
from tests.service.gradings import NOON, grading

QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
PHOTOGRAPHS = 20


def record(connection: Connection, *numbers: int, **changes: Any) -> list[str]:
    """Gradings and their tallies, in the caller's transaction; returns their ids."""
    made = [grading(number, line="1", lot=f"lot {number % 3}", **changes) for number in numbers]
    connection.execute(insert(tables.gradings), [to_row(one) for one in made])
    tally(connection, made)
    return [one.id for one in made]


def fill(engine: Engine, store: PhotographStore, count: int = 100) -> None:
    """`count` gradings, the first PHOTOGRAPHS of them with a photograph, and a row or more in every other table."""
    keys = [store.key(f"photograph {number}".encode(), "jpeg") for number in range(PHOTOGRAPHS)]
    with engine.begin() as connection:
        ids = [
            record(connection, number, photograph=key, measurement={"length_px": 0.1 + number, "length_mm": None})[0]
            for number, key in enumerate(keys)
        ]
        record(connection, *range(PHOTOGRAPHS, count))
        record(connection, count, grade=None)
        now = NOON + timedelta(microseconds=1)
        batch = {"id": new_id(), "name": "きゅうり", "images": 1, "report": {"rows": [1, 2.5, None]}, "created_by": "boss"}
        rows: dict[Table, dict[str, Any]] = {
            tables.corrections: {"id": new_id(), "grading_id": ids[0], "grade": "C", "note": 'a "b"\n', "by": "boss", "at": now},
            tables.grading_aliases: {"id": new_id(), "grading_id": ids[1]},
            tables.photograph_shares: {"photograph": keys[0], "grading_id": ids[0]},
            tables.shadow_gradings: {
                "grading_id": ids[0], "model_version": 4, "model_sha256": "cd" * 32, "grade": "L", "confidence": 0.4,
                "lane": "manual", "at": now, "champion_version": 3, "champion_grade": "M", "champion_confidence": 0.75,
                "champion_lane": "M",
            },
            tables.growers: {"name": "山田", "note": None, "created_at": now},
            tables.lots: {"name": "lot 1", "grower": "山田", "created_at": now},
            tables.lines: {"name": "1", "lot": "lot 1", "created_at": now},
            tables.cameras: {"name": "line1-top", "line": "1", "created_at": now},
            tables.models: {"name": "cucumber", "version": 3, "sha256": "ab" * 32, "card": {"a": 1}, "first_served_at": now},
            tables.profiles: {"version": 1, "rules": {"manual_below": 0.1}, "created_by": "local", "created_at": now},
            tables.farm_settings: {"name": "time_zone", "value": "Asia/Tokyo", "changed_by": "boss", "changed_at": now},
            tables.alarms: {"id": new_id(), "name": "disk_low", "severity": "warning", "detail": "…", "since": now},
            tables.batches: {**batch, "created_at": now},
            tables.batch_photographs: {"batch_id": batch["id"], "photograph": keys[1]},
        }  # fmt: skip
        for table, row in rows.items():
            connection.execute(insert(table), row)
        note(connection, "boss", "lot.changed", "lot 1", {"from": None})
    for number, key in enumerate(keys):
        store.put(key, f"photograph {number}".encode())
    Users(engine, QUICK).add("boss", Role.ADMIN, password="cucumber sandwich", by="local")
    Keys(engine).add("line 1", by="boss")


def everything(engine: Engine) -> dict[str, list[dict[str, Any]]]:
    """All rows of all tables that a backup has, in order."""
    with engine.connect() as connection:
        return {
            table.name: [dict(row) for row in connection.execute(select(table).order_by(*table.primary_key)).mappings()]
            for table in metadata.sorted_tables
            if table.name not in ("sessions", "login_failures", "review_claims")
        }


def count(engine: Engine, table: Table) -> int:
    with engine.connect() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()
