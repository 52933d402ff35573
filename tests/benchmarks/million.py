"""Reading at a million: every query of the API over a season on record, from the repository and over HTTP in this process.

    python -m tests.benchmarks.million [--rows 1000000] [--database URL]

Fills a fresh database (SQLite in a temporary folder, or an empty one at the URL) and prints one JSON object: how fast it filled,
how fast gradings come in by commits of 32 afterwards, and p50 and p95 of each query in milliseconds.
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, get_args
from urllib.parse import urlencode

from sqlalchemy import Engine, func, insert, inspect, select, text

from service.farm import Farm
from service.grading import Grading, new_id, rfc3339
from service.records.activity import activity
from service.records.database import migrate, open_database
from service.records.filters import Filters
from service.records.photographs import PhotographStore
from service.records.report import By, report
from service.records.report_counts import Which
from service.records.repository import Position, Records
from service.records.review import candidates
from service.records.rows import to_row
from service.records.tables import confidence_tallies, gradings, tallies
from service.records.tallies import tally
from service.settings import Settings
from tests.service.running import Running, run_service
from tests.service.season import DAYS, Season, fill

ROUNDS: Final = 40
BATCH: Final = 32
BETWEEN: Final = "confidence 0.8125, between hundredths"
"""Pages alone are asked for so; figures are counted by hundredths."""


def queries(season: Season) -> dict[str, Filters]:
    """What pages ask for: by day, line, lot, camera, grade, lane, confidence, and several of them."""
    midnight = season.end.replace(hour=0, minute=0, second=0, microsecond=0)
    middle = midnight - timedelta(days=DAYS // 2)
    lot = f"{middle:%Y-%m-%d}-1A"
    return {
        "everything": Filters(),
        "today": Filters(since=midnight),
        "a day in the middle": Filters(since=middle, until=middle + timedelta(days=1)),
        "odd times": Filters(since=middle + timedelta(minutes=17), until=season.end - timedelta(days=3, minutes=41)),
        "line": Filters(line="1"),
        "lot": Filters(lot=lot),
        "camera": Filters(camera="line2-top"),
        "grade": Filters(grade="C"),
        "manual lane": Filters(lane="manual"),
        "lot and grade": Filters(lot=lot, grade="C"),
        "line, grade, manual": Filters(line="1", grade="BS", lane="manual"),
        "nothing fits": Filters(grade="M", lane="2L"),
        "confidence 0.5": Filters(max_confidence=0.5),
        "confidence 0.8": Filters(max_confidence=0.8),
        "confidence 0.95": Filters(max_confidence=0.95),
        "confidence 0.35, rare": Filters(max_confidence=0.35),
        "confidence 0.8, of a day": Filters(since=middle, until=middle + timedelta(days=1), max_confidence=0.8),
        "confidence 0.8, of a lot": Filters(lot=lot, max_confidence=0.8),
        "confidence 0.8, odd times": Filters(since=middle + timedelta(hours=3, minutes=17), max_confidence=0.8),
        BETWEEN: Filters(max_confidence=0.8125),
    }


def measured(act: Callable[[], object], rounds: int) -> dict[str, float]:
    """p50 and p95 in milliseconds, after two runs that count nothing."""
    times = []
    for number in range(rounds + 2):
        began = time.perf_counter()
        act()
        if number >= 2:
            times.append((time.perf_counter() - began) * 1e3)
    return percentiles(times)


def percentiles(times_ms: list[float]) -> dict[str, float]:
    """Of at least two times."""
    cuts = statistics.quantiles(times_ms, n=20, method="inclusive")
    return {"p50_ms": round(statistics.median(times_ms), 2), "p95_ms": round(cuts[18], 2)}


def of_the_repository(records: Records, season: Season, rounds: int) -> dict[str, dict[str, float]]:
    """Pages of 50, their later pages, figures, single gradings and events, without HTTP."""
    middle = season.end - timedelta(days=DAYS // 2)
    found = {}
    for name, filters in queries(season).items():
        found[f"page: {name}"] = measured(lambda filters=filters: records.page(filters, 51), rounds)  # type: ignore[misc]
        if name != BETWEEN:  # the API counts by hundredths
            found[f"stats: {name}"] = measured(lambda filters=filters: records.stats(filters), rounds)  # type: ignore[misc]
    for name in ("everything", "today", "line", "lot"):
        filters = queries(season)[name]
        found[f"what to label next: {name}"] = measured(lambda filters=filters: candidates(records, filters), rounds)  # type: ignore[misc]
    for by in get_args(By):
        found[f"report: {by}"] = measured(lambda by=by: report(records.engine, by, Which(), 500), rounds)  # type: ignore[misc]
    found["activity"] = measured(lambda: _activity(records, season.end), rounds)
    deep = Position(middle, season.rows)
    found["page: everything, far back"] = measured(lambda: records.page(Filters(), 51, deep), rounds)
    found["page: manual lane, far back"] = measured(lambda: records.page(Filters(lane="manual"), 51, deep), rounds)
    found["page: 500 of a grade"] = measured(lambda: records.page(Filters(grade="C"), 501), rounds)
    last = records.last_seq()
    some = records.after(last // 2, 1)[0].grading.id
    found["grading"] = measured(lambda: records.get(some), rounds)
    found["grading that is not there"] = measured(lambda: records.get("none"), rounds)
    found["last number"] = measured(records.last_seq, rounds)
    found["events since a number"] = measured(lambda: records.after(last - 200, 200), rounds)
    return found


def _activity(records: Records, now: datetime) -> dict[str, Any]:
    with records.engine.connect() as connection:
        return activity(connection, Farm(), None, now)


async def over_http(running: Running, season: Season, rounds: int) -> dict[str, dict[str, float]]:
    """The same through the application, its JSON included."""
    found = {}
    for name, filters in queries(season).items():
        given = {field: getattr(filters, field) for field in Filters.__dataclass_fields__}
        asked = urlencode(
            {
                field: rfc3339(value) if isinstance(value, datetime) else value
                for field, value in given.items()
                if value is not None
            }
        )
        for path in ("gradings",) if name == BETWEEN else ("gradings", "stats"):
            times = []
            for number in range(rounds + 2):
                began = time.perf_counter()
                response = await running.client.get(f"/v1/{path}?{asked}")
                if number >= 2:
                    times.append((time.perf_counter() - began) * 1e3)
                if response.status_code != 200:
                    raise RuntimeError(f"{path}?{asked}: {response.status_code} {response.text}")
            found[f"{path}: {name}"] = percentiles(times)
    return found


def asked_first(season: Season, some: str) -> dict[str, tuple[str, ...]]:
    """What each page of the dashboard asks for before anybody has touched it: page -> paths, its own first."""
    midnight = rfc3339(season.end.replace(hour=0, minute=0, second=0, microsecond=0))
    week = rfc3339(season.end - timedelta(days=7))
    lot = f"{season.end:%Y-%m-%d}-1A"
    return {
        "live": (
            "/",
            "/v1/activity",
            "/v1/gradings?limit=12",
            f"/v1/stats?since={midnight}",
            "/v1/gradings?limit=12&line=1",
            f"/v1/stats?since={midnight}&line=1",
            "/v1/alarms?open=true",
        ),
        "review": ("/review", "/v1/review/claims", "/v1/lines"),
        "gradings": ("/gradings", "/v1/gradings?limit=48", "/v1/stats", "/v1/lots?limit=200", "/v1/models"),
        "a grading": (f"/gradings/{some}", f"/v1/gradings/{some}", f"/v1/corrections?grading_id={some}", "/v1/profiles"),
        "lots": (
            "/lots",
            "/v1/lines",
            "/v1/farm",
            "/v1/activity",
            f"/v1/report?by=lot&line=1&lot={lot}",
            f"/v1/report?by=lot&since={week}",
        ),
        "models": ("/models", "/v1/models", "/v1/models/shadow", "/v1/retrainings?limit=10", "/v1/batches?limit=20"),
        "settings": ("/settings", "/v1/farm", "/v1/cameras", "/v1/lines", "/v1/users", "/v1/keys", "/v1/audit", "/v1/settings"),
        "why": ("/explain", "/v1/gradings?limit=30"),
    }


async def pages_over_http(running: Running, season: Season, some: str, rounds: int) -> dict[str, dict[str, float]]:
    """Each question of a page; a claim is asked for as a page does, by one reviewer again and again."""
    found = {}
    for page, paths in asked_first(season, some).items():
        for path in paths:
            times = []
            for number in range(rounds + 2):
                began = time.perf_counter()
                if path.endswith("/claims"):
                    response = await running.client.post(path, json={"reviewer": "a-page-that-is-open"})
                else:
                    response = await running.client.get(path)
                if number >= 2:
                    times.append((time.perf_counter() - began) * 1e3)
                if response.status_code != 200:
                    raise RuntimeError(f"{path}: {response.status_code} {response.text}")
            found[f"{page}: {path.partition('?')[0]}{' of …' if '?' in path else ''}"] = percentiles(times)
    return found


def inserted_per_s(engine: Engine, season: Season, counted: bool, commits: int = 300) -> float:
    """Gradings of today, in durable commits of 32."""
    today = [one for _, one in zip(range(BATCH), season.gradings(), strict=False)]
    began = time.perf_counter()
    for number in range(commits):
        at = season.end + timedelta(seconds=number)
        batch = [_again(one, at + timedelta(milliseconds=place)) for place, one in enumerate(today)]
        with engine.begin() as connection:
            connection.execute(insert(gradings), [to_row(one) for one in batch])
            if counted:
                tally(connection, batch)
    return round(commits * BATCH / (time.perf_counter() - began))


def _again(one: Grading, at: datetime) -> Grading:
    return replace(one, id=new_id(), received_at=at)


def measure(url: str, rows: int, rounds: int, home: Path) -> dict[str, Any]:
    """Everything, on one database."""
    engine = open_database(url)
    if inspect(engine).get_table_names():
        raise SystemExit(f"{engine.url.render_as_string()} is not empty")
    migrate(engine)
    season = Season(rows, datetime.now(UTC).replace(microsecond=0))
    began = time.perf_counter()
    fill(engine, season)
    filled_s = time.perf_counter() - began
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE"))  # as its autovacuum does by itself in a while
    records = Records(engine, PhotographStore(home / "photographs"))
    repository = of_the_repository(records, season, rounds)

    async def http() -> dict[str, dict[str, float]]:
        some = records.after(records.last_seq() // 2, 1)[0].grading.id
        async with run_service(Settings(home=home, database_url=url, providers="cpu")) as running:
            pages = await pages_over_http(running, season, some, rounds)
            return {**await over_http(running, season, rounds), **pages}

    answers = asyncio.run(http())
    with engine.connect() as connection:
        counts = {
            table.name: connection.execute(select(func.count()).select_from(table)).scalar()
            for table in (tallies, confidence_tallies)
        }
    inserts = {
        "with tallies": inserted_per_s(engine, season, counted=True),
        "without": inserted_per_s(engine, season, counted=False),
    }
    engine.dispose()
    return {
        "database": engine.dialect.name,
        "rows": rows,
        "filled_rows_per_s": round(rows / filled_s),
        "tallies": counts,
        "inserted_rows_per_s": inserts,
        "repository": repository,
        "http": answers,
        "slowest_stats_p95_ms": max(value["p95_ms"] for name, value in repository.items() if name.startswith("stats")),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--database", default="", help="URL of an empty database; default: SQLite in a temporary folder")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = chosen.database or f"sqlite:///{folder}/senka.db"
        json.dump(measure(url, chosen.rows, chosen.rounds, Path(folder)), sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
