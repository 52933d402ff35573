"""What the records know of cameras beside what people enter: when each was last seen, and which keys speak for it."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, func, select

from service.grading import rfc3339
from service.records.tables import keys, tallies

LATELY: Final = timedelta(days=2)
"""Before the newest grading: nearly every camera that is in use was seen then, and the tallies begin with the hour."""


def seen_and_keys(connection: Connection, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """By name: `last_seen_at`, when its newest grading was received, and `keys`, the prefixes of the good ones bound to it."""
    seen = _seen(connection, names)
    good = select(keys.c.camera, keys.c.prefix).where(keys.c.camera.in_(names), keys.c.revoked_at.is_(None))
    bound: dict[str, list[str]] = {}
    for camera, prefix in connection.execute(good.order_by(keys.c.created_at, keys.c.id)):
        bound.setdefault(camera, []).append(prefix)
    return {name: {"last_seen_at": rfc3339(seen[name]) if name in seen else None, "keys": bound.get(name, [])} for name in names}


def _seen(connection: Connection, names: Sequence[str]) -> dict[str, datetime]:
    """When the newest grading of each was received, of those that have any."""
    c = tallies.c
    found = select(c.camera, func.max(c.last_received_at)).group_by(c.camera)
    newest = connection.execute(select(func.max(c.hour))).scalar()
    if newest is None:
        return {}
    lately = found.where(c.hour > newest - LATELY, c.camera.in_(names))
    seen = {row[0]: row[1] for row in connection.execute(lately)}
    if rest := [name for name in names if name not in seen]:
        seen |= {row[0]: row[1] for row in connection.execute(found.where(c.hour <= newest - LATELY, c.camera.in_(rest)))}
    return seen
