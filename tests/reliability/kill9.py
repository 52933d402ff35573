"""SIGKILL at random moments under load: python -m tests.reliability.kill9 --times 500 [--database URL] [--workers 2]

A line of clients posts photographs, each with a key of its own and each tried again until it is answered, while the service
(all of it, or one worker of it) is killed at random moments, its start included. After every kill: how long until it is ready
again. At the end: every acknowledged grading on record exactly once, under the id that was answered, with its photograph byte
for byte; the hourly tallies agree; the database is intact. Prints one JSON object; exit code 1 when anything is missing.
"""

import argparse
import itertools
import json
import random
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, func, select, text

from models.repository import ModelRepository
from service.records.database import open_database
from service.records.tables import grading_aliases, gradings, tallies
from service.settings import Settings
from tests.e2e.live import LiveService, ask
from tests.service.models import make_model
from tests.service.pictures import picture

PICTURES = [picture(number) for number in range(16)]


@dataclass
class Line:
    """Clients that post until stopped; whatever is not answered is sent again under the same key."""

    port: int
    clients: int
    acknowledged: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    """By key: the id that was answered and the photograph that was sent."""
    statuses: dict[int, int] = field(default_factory=dict)
    retries: int = 0

    def __post_init__(self) -> None:
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._numbers = itertools.count()
        self._run = f"{random.randrange(2**64):016x}"
        self._threads = [threading.Thread(target=self._client, daemon=True) for _ in range(self.clients)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive(), "a client hangs"

    def _client(self) -> None:
        service = LiveAddress(self.port)
        connection = service.connection()
        while not self._stopped.is_set():
            number = next(self._numbers)
            key, photograph = f"{self._run}-{number}", PICTURES[number % len(PICTURES)] + number.to_bytes(8, "big")
            while True:
                try:
                    answer = ask(connection, "POST", f"/v1/grade?line={number % 3}", photograph, {"Idempotency-Key": key})
                except (OSError, HTTPException):
                    connection.close()
                    connection = service.connection()
                    answer = None
                    time.sleep(0.02)
                with self._lock:
                    if answer is not None:
                        self.statuses[answer.status] = self.statuses.get(answer.status, 0) + 1
                    if answer is not None and answer.status == 200:
                        self.acknowledged[key] = (answer.json["id"], photograph)
                        break
                    self.retries += 1
                if answer is not None and answer.status != 503:
                    raise AssertionError(f"{answer.status}: {answer.body[:300]!r}")
                if answer is not None:
                    time.sleep(0.05)
        connection.close()


class LiveAddress:
    """Where a service will be again after a kill."""

    def __init__(self, port: int) -> None:
        self.port = port

    def connection(self) -> Any:
        from http.client import HTTPConnection

        return HTTPConnection("127.0.0.1", self.port, timeout=30)


def kill_all(service: LiveService) -> None:
    service.kill()


def kill_one_worker(service: LiveService, chance: random.Random) -> bool:
    """One of several workers; False where there is none yet."""
    workers = service.grading_processes()
    if len(workers) < 2:
        return False
    chance.choice(workers).kill()
    return True


def run(home: Path, times: int, workers: int, database: str | None, clients: int, seed: int = 0) -> dict[str, Any]:
    """Kill the service `times` times; return the figures, `failures` among them (empty when all is well)."""
    chance = random.Random(seed)
    settings: dict[str, object] = {"database_url": database} if database else {}
    service = LiveService(home, home.parent / "serve.log", workers, settings).wait_listening()
    service.wait_ready()
    port = service.port
    line = Line(port, clients)
    ready_s: list[float] = []
    kills = {"all": 0, "worker": 0, "starting": 0}
    began = time.monotonic()
    try:
        while sum(kills.values()) < times:
            time.sleep(chance.uniform(0.05, 0.8))
            if workers > 1 and chance.random() < 0.3 and kill_one_worker(service, chance):
                kills["worker"] += 1
                continue
            kill_all(service)
            kills["all"] += 1
            if chance.random() < 0.1 and sum(kills.values()) < times:  # once more before it is even up
                service = LiveService(home, home.parent / "serve.log", workers, settings, port)
                time.sleep(chance.uniform(0.0, 1.5))
                kill_all(service)
                kills["starting"] += 1
            restarted = time.monotonic()
            service = LiveService(home, home.parent / "serve.log", workers, settings, port).wait_listening()
            service.wait_ready()
            ready_s.append(time.monotonic() - restarted)
        time.sleep(0.5)
        line.stop()
    finally:
        code = service.stop()
    failures = [] if code == 0 else [f"the last stop ended with {code}"]
    failures += check(home, database, line)
    ready_s.sort()
    return {
        "kills": kills,
        "workers": workers,
        "database": "postgresql" if database else "sqlite",
        "acknowledged": len(line.acknowledged),
        "sent_again": line.retries,
        "statuses": line.statuses,
        "ready_again_s": {
            "median": round(ready_s[len(ready_s) // 2], 2),
            "p95": round(ready_s[int(0.95 * len(ready_s))], 2),
            "max": round(ready_s[-1], 2),
        }
        if ready_s
        else None,
        "took_s": round(time.monotonic() - began),
        "failures": failures,
    }


def check(home: Path, database: str | None, line: Line) -> list[str]:
    """What is wrong with the records; empty when every acknowledged grading is there once, with its photograph."""
    chosen = Settings(home=home, database_url=database or "")
    engine = open_database(chosen.records_url)
    failures = integrity(engine)
    c = gradings.c
    with engine.connect() as connection:
        rows = connection.execute(select(c.idempotency_key, c.id, c.photograph)).all()
        counted = connection.execute(select(func.sum(tallies.c.count))).scalar() or 0
        # a worker that died before it answered left a grading of the key, and the next one answered with its own
        named = dict(connection.execute(select(grading_aliases.c.id, grading_aliases.c.grading_id)).all())
    engine.dispose()
    by_key: dict[str, list[tuple[str, str]]] = {}
    for key, grading_id, photograph in rows:
        by_key.setdefault(key.partition(":")[2], []).append((grading_id, photograph))
    twice = [key for key, found in by_key.items() if len(found) > 1]
    if twice:
        failures.append(f"{len(twice)} keys are on record more than once, such as {twice[0]}")
    missing = wrong = unseen = 0
    for key, (answered, photograph) in line.acknowledged.items():
        found = by_key.get(key, [])
        missing += not found
        wrong += bool(found) and found[0][0] not in (answered, named.get(answered))
        if found:
            path = chosen.photographs / found[0][1][:2] / found[0][1]
            unseen += not path.is_file() or path.read_bytes() != photograph
    failures += [f"{missing} acknowledged gradings are missing"] if missing else []
    failures += [f"{wrong} gradings are on record under another id than was answered"] if wrong else []
    failures += [f"{unseen} photographs are missing or damaged"] if unseen else []
    if counted != len(rows):
        failures.append(f"the tallies count {counted} gradings, the records {len(rows)}")
    return failures


def integrity(engine: Engine) -> list[str]:
    """What the database says of itself."""
    if engine.dialect.name != "sqlite":
        return []
    with engine.connect() as connection:
        said = connection.execute(text("PRAGMA integrity_check")).scalar()
        return [] if said == "ok" else [f"integrity_check: {said}"]


def prepare(home: Path) -> None:
    """A SENKA_HOME with a champion."""
    model = make_model(home.parent / "first.onnx")
    ModelRepository(home / "models").publish(model, "first", promote=True)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--times", type=int, default=500)
    arguments.add_argument("--workers", type=int, default=2)
    arguments.add_argument("--clients", type=int, default=8)
    arguments.add_argument("--database", help="URL of an empty PostgreSQL database; SQLite without it")
    arguments.add_argument("--seed", type=int, default=0)
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        home.mkdir()
        prepare(home)
        figures = run(home, chosen.times, chosen.workers, chosen.database, chosen.clients, chosen.seed)
        if figures["failures"]:
            print((home.parent / "serve.log").read_text()[-5000:], file=sys.stderr)
    print(json.dumps(figures))
    sys.exit(bool(figures["failures"]))


if __name__ == "__main__":
    main()
