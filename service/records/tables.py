"""Tables. A change here needs a migration in `migrations/versions`; a test compares the two."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Column, DateTime, Dialect, Float, Index, Integer, MetaData, String, Table, TypeDecorator


class UtcDateTime(TypeDecorator[datetime]):
    """An aware datetime, kept in UTC on databases that know no time zones too."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value and value.astimezone(UTC)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:
        return value and (value if value.tzinfo else value.replace(tzinfo=UTC))


metadata = MetaData()

gradings = Table(
    "gradings",
    metadata,
    # In the order of commits: pages and events resume after a number, which ids made by several workers cannot promise.
    Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("id", String(36), nullable=False, unique=True),
    Column("received_at", UtcDateTime, nullable=False),
    Column("captured_at", UtcDateTime),
    Column("camera", String(100)),
    Column("line", String(100)),
    Column("lot", String(100)),
    Column("grade", String(2)),
    Column("confidence", Float),
    Column("runner_up_grade", String(2)),
    Column("runner_up_probability", Float),
    Column("probabilities", JSON, nullable=False),
    Column("lane", String(16), nullable=False),
    Column("reasons", JSON, nullable=False),
    Column("measurement", JSON(none_as_null=True)),
    Column("model_name", String(64), nullable=False),
    Column("model_version", Integer, nullable=False),
    Column("model_sha256", String(64), nullable=False),
    Column("timing_ms", JSON, nullable=False),
    Column("batch_size", Integer, nullable=False),
    Column("photograph", String(80)),
    Index("ix_gradings_received_at", "received_at"),
    Index("ix_gradings_lot", "lot", "received_at"),
    Index("ix_gradings_line", "line", "received_at"),
    sqlite_autoincrement=True,
)
