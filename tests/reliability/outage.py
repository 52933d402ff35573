"""The database stopped under load: python -m tests.reliability.outage --seconds 60 [--workers 2]

A PostgreSQL server of our own is stopped at once and started again while a line of clients posts; of several workers one is
killed meanwhile. Gradings must go on (kept in the journal), and afterwards every acknowledged one must be on record once,
without anybody's help. Prints one JSON object; exit code 1 when anything is missing.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.e2e.live import LiveService
from tests.reliability.cluster import cluster
from tests.reliability.kill9 import Line, check, kill_one_worker, prepare

DRAINED_WITHIN_S = 60.0


def run(folder: Path, seconds: float, workers: int, clients: int, settings: dict[str, object] | None = None) -> dict[str, Any]:
    """Figures, `failures` among them; `answered_while_away` counts gradings acknowledged while the database was stopped."""
    home = folder / "home"
    home.mkdir(parents=True)
    prepare(home)
    with cluster(folder / "cluster") as database:
        service = LiveService(home, folder / "serve.log", workers, {"database_url": database.url, **(settings or {})})
        service.wait_listening().wait_ready()
        line = Line(service.port, clients)
        time.sleep(1.0)
        before = len(line.acknowledged)
        database.stop()
        stopped = time.monotonic()
        if workers > 1:  # whoever takes its place finds no database
            time.sleep(0.5)
            assert kill_one_worker(service, random.Random(0))
        away: dict[str, Any] = {}
        while time.monotonic() - stopped < seconds:
            time.sleep(0.5)
            away = {"ready": service.get("/health/ready").status, "live": service.get("/health/live").status}
            reading = service.get("/v1/gradings?limit=1")
            away["reading"] = (reading.status, reading.json.get("code"))
        answered = len(line.acknowledged) - before
        alarms_while = [one["name"] for one in service.get("/v1/alarms?open=true").json.get("alarms", [])]
        database.start()
        started = time.monotonic()
        while _journal(home) and time.monotonic() - started < DRAINED_WITHIN_S:
            time.sleep(0.1)
        drained_s = time.monotonic() - started
        time.sleep(1.0)
        line.stop()
        time.sleep(0.5)
        alarms_after = [one["name"] for one in service.get("/v1/alarms?open=true").json.get("alarms", [])]
        code = service.stop()
        failures = [] if code == 0 else [f"the stop ended with {code}"]
        failures += check(home, database.url, line)
        failures += [f"the journal still holds {_journal(home)} bytes"] if _journal(home) else []
        failures += ["a Traceback in the log"] if "Traceback" in service.said else []
    return {
        "seconds": seconds,
        "workers": workers,
        "acknowledged": len(line.acknowledged),
        "answered_while_away": answered,
        "statuses": line.statuses,
        "while_away": away,
        "alarms_while_away": alarms_while,
        "alarms_after": alarms_after,
        "drained_s": round(drained_s, 1),
        "failures": failures,
    }


def _journal(home: Path) -> int:
    """Bytes of gradings that wait for the database."""
    return sum(file.stat().st_size for file in (home / "journal").glob("*") if file.is_file())


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--seconds", type=float, default=60)
    arguments.add_argument("--workers", type=int, default=2)
    arguments.add_argument("--clients", type=int, default=4)
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = run(Path(folder) / "run", chosen.seconds, chosen.workers, chosen.clients)
        if figures["failures"]:
            print((Path(folder) / "run" / "serve.log").read_text()[-5000:], file=sys.stderr)
    print(json.dumps(figures))
    sys.exit(bool(figures["failures"]))


if __name__ == "__main__":
    main()
