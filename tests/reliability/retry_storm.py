"""Posts that are sent again and again: python -m tests.reliability.retry_storm --posts 10000 --keys 2000 [--database URL]

Many clients post few keyed photographs many times over, at once and in any order, to a service of two workers that is killed and
started again meanwhile. At the end there is one grading for each key, every acknowledged id is on record, all answers of one key
are the same, and the tallies count each once. Prints one JSON object; exit code 1 when anything is wrong.
"""

import argparse
import json
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from http.client import HTTPException
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from sqlalchemy import func, select

from service.records.database import open_database
from service.records.tables import grading_aliases, gradings, tallies
from service.settings import Settings
from tests.e2e.live import LiveService, ask
from tests.reliability.kill9 import LiveAddress, integrity, prepare
from tests.service.pictures import picture

GIVES_UP_AFTER_S = 60.0


class Storm:
    """Clients that post until every post is answered."""

    def __init__(self, port: int, posts: int, keys: int, clients: int, seed: int) -> None:
        chance = random.Random(seed)
        # every key at least once, the rest by chance
        numbers = [*range(keys), *(chance.randrange(keys) for _ in range(posts - keys))]
        chance.shuffle(numbers)
        self._photographs = [picture(number) for number in range(16)]
        self._port, self._posts = port, SimpleQueue[int]()
        for number in numbers:
            self._posts.put(number)
        self.answers: list[tuple[int, str, bool]] = []
        """Key number, id, and whether it was a replay."""
        self.statuses: Counter[int] = Counter()
        self.sent_again = 0
        self.failures: list[str] = []
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._client, daemon=True) for _ in range(clients)]
        for thread in self._threads:
            thread.start()

    @property
    def left(self) -> int:
        return self._posts.qsize()

    def wait(self) -> None:
        for thread in self._threads:
            thread.join(10 * GIVES_UP_AFTER_S)
            if thread.is_alive():
                self.failures.append("a client hangs")

    def _client(self) -> None:
        connection = LiveAddress(self._port).connection()
        while True:
            try:
                number = self._posts.get_nowait()
            except Empty:
                break
            photograph = self._photographs[number % len(self._photographs)] + number.to_bytes(8, "big")
            ends = time.monotonic() + GIVES_UP_AFTER_S
            while True:
                try:
                    path = f"/v1/grade?line={number % 3}&deadline_ms=60000"
                    answer = ask(connection, "POST", path, photograph, {"Idempotency-Key": f"k{number}"})
                except (OSError, HTTPException):
                    connection.close()
                    connection = LiveAddress(self._port).connection()
                    answer = None
                    time.sleep(0.02)
                with self._lock:
                    if answer is not None:
                        self.statuses[answer.status] += 1
                    if answer is not None and answer.status == 200:
                        replayed = answer.headers.get("idempotency-replayed") == "true"
                        self.answers.append((number, answer.json["id"], replayed))
                        break
                    self.sent_again += 1
                    if answer is not None and answer.status != 503:
                        self.failures.append(f"{answer.status}: {answer.body[:200]!r}")
                        break
                    if time.monotonic() > ends:
                        self.failures.append(f"k{number} was not answered within {GIVES_UP_AFTER_S:g} s")
                        break
        connection.close()


def run(
    home: Path, posts: int, keys: int, clients: int, kills: int, database: str | None = None, seed: int = 0
) -> dict[str, Any]:
    """Figures, `failures` among them; the service is killed `kills` times, spread over the posts."""
    settings: dict[str, object] = {"database_url": database} if database else {}
    log = home.parent / "serve.log"
    service = LiveService(home, log, 2, settings).wait_listening()
    service.wait_ready()
    port, killed = service.port, 0
    began = time.monotonic()
    storm = Storm(port, posts, keys, clients, seed)
    try:
        for turn in range(kills):
            while storm.left > posts * (kills - turn) / (kills + 1):
                time.sleep(0.01)
            service.kill()
            killed += 1
            service = LiveService(home, log, 2, settings, port).wait_listening()
            service.wait_ready()
        storm.wait()
        took_s = time.monotonic() - began
    finally:
        code = service.stop()
    failures = [] if code == 0 else [f"the last stop ended with {code}"]
    failures += storm.failures + check(home, database, storm, keys)
    return {
        "database": "postgresql" if database else "sqlite",
        "posts": posts,
        "keys": keys,
        "answered": len(storm.answers),
        "replayed": sum(replayed for _, _, replayed in storm.answers),
        "statuses": dict(storm.statuses),
        "sent_again": storm.sent_again,
        "kills": killed,
        "took_s": round(took_s, 1),
        "failures": failures,
    }


def check(home: Path, database: str | None, storm: Storm, keys: int) -> list[str]:
    """What is wrong with the records; empty when each key has its one grading, and all its answers named it."""
    engine = open_database(Settings(home=home, database_url=database or "").records_url)
    failures = integrity(engine)
    c = gradings.c
    with engine.connect() as connection:
        rows = {row.idempotency_key: row.id for row in connection.execute(select(c.idempotency_key, c.id))}
        count = connection.execute(select(func.count()).select_from(gradings)).scalar_one()
        counted = connection.execute(select(func.sum(tallies.c.count))).scalar() or 0
        aliases = {row.id: row.grading_id for row in connection.execute(select(grading_aliases))}
    engine.dispose()
    if not count == len(rows) == keys:
        failures.append(f"{count} gradings of {len(rows)} keys are on record, not {keys}")
    if counted != count:
        failures.append(f"the tallies count {counted} gradings, the records {count}")
    known = set(rows.values())
    missing = [found for _, found, _ in storm.answers if aliases.get(found, found) not in known]
    if missing:
        failures.append(f"{len(missing)} acknowledged ids are not on record")
    strange = {number for number, found, _ in storm.answers if aliases.get(found, found) != rows.get(f":k{number}")}
    if strange:
        failures.append(f"{len(strange)} keys were answered with another grading than is on record")
    return failures


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--posts", type=int, default=10_000)
    arguments.add_argument("--keys", type=int, default=2000)
    arguments.add_argument("--clients", type=int, default=32)
    arguments.add_argument("--kills", type=int, default=6)
    arguments.add_argument("--database", help="URL of an empty PostgreSQL database; SQLite without it")
    arguments.add_argument("--seed", type=int, default=0)
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        home.mkdir()
        prepare(home)
        figures = run(home, chosen.posts, chosen.keys, chosen.clients, chosen.kills, chosen.database, chosen.seed)
        if figures["failures"]:
            print((home.parent / "serve.log").read_text()[-5000:], file=sys.stderr)
    print(json.dumps(figures))
    sys.exit(bool(figures["failures"]))


if __name__ == "__main__":
    main()
