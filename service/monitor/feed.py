"""Alarms for pages that watch: what opened, closed or was acknowledged since it was asked last."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine

from service.errors import RecordsUnavailable
from service.grading import rfc3339
from service.monitor.alarms import Alarms
from service.records.alarms import find


class AlarmFeed:
    """Compares the open alarms with those it saw before. It blocks: call it from a thread, one call at a time."""

    def __init__(self, alarms: Alarms, engine: Engine | None) -> None:
        self._alarms, self._engine = alarms, engine
        self._seen: dict[str, dict[str, Any]] = {}

    def open(self) -> list[dict[str, Any]]:
        """The alarms that are open, oldest first."""
        return self._alarms.open()[::-1]

    def changes(self) -> list[dict[str, Any]]:
        """Alarms that are not as they were: new ones, acknowledged ones, and those that are over, which have `until`."""
        now = {alarm["id"]: alarm for alarm in self.open()}
        changed = [alarm for one_id, alarm in now.items() if self._seen.get(one_id) != alarm]
        gone = {one_id: alarm for one_id, alarm in self._seen.items() if one_id not in now}
        over, unsure = self._ended(gone)
        self._seen = {**unsure, **now}
        return over + changed

    def _ended(self, gone: dict[str, dict[str, Any]]) -> tuple[list[dict[str, Any]], dict[str, dict[str, Any]]]:
        """Those that are over, and those of which nobody can tell while the database is away."""
        if not gone:
            return [], {}
        try:
            rows = {alarm.id: alarm.to_json() for alarm in find(self._engine, list(gone))} if self._engine is not None else {}
        except RecordsUnavailable:
            return [], gone
        unsure = {one_id: row for one_id, row in rows.items() if row["until"] is None}
        # one that never came on record was raised here and cleared, or another worker's stands for it
        ended = {one_id: rows.get(one_id, {**alarm, "until": rfc3339(datetime.now(UTC))}) for one_id, alarm in gone.items()}
        return [alarm for one_id, alarm in ended.items() if one_id not in unsure], unsure
