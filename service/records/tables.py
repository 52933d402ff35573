"""Tables. A change here needs a migration in `migrations/versions`; a test compares the two.

Names of cameras, lines, lots and growers are kept as text in the gradings, without foreign keys: a photograph must never be
refused because somebody has not yet entered its lot.
"""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    TypeDecorator,
    text,
)


class UtcDateTime(TypeDecorator[datetime]):
    """An aware datetime, kept in UTC on databases that know no time zones too."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value and value.astimezone(UTC)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:
        return value and (value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC))


metadata = MetaData()
SEQUENCE = BigInteger().with_variant(Integer, "sqlite")

gradings = Table(
    "gradings",
    metadata,
    # In the order of commits: events resume after a number, which ids made by several workers cannot promise.
    Column("seq", SEQUENCE, primary_key=True, autoincrement=True),
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
    Column("profile_version", Integer),
    Column("timing_ms", JSON, nullable=False),
    Column("batch_size", Integer, nullable=False),
    Column("photograph", String(80)),  # key in the image store
    Column("photograph_bytes", Integer),
    Column("photograph_interest", SmallInteger),  # service.records.keeping.Interest; null where none is kept
    Column("photograph_deleted_at", UtcDateTime),
    Column("idempotency_key", String(300)),  # the client's key behind the id of its credential
    Column("body_sha256", String(64)),  # of the photograph, where an idempotency key came with it
    Column("key_id", String(36)),  # the camera key that posted it
    Index("ix_gradings_idempotency_key", "idempotency_key", unique=True),  # an index: SQLite adds it without copying the table
    # Pages are in the order of (received_at, seq). The rest lets a scan pass over what does not fit without reading its row; new
    # entries go to the end, which costs a commit less than an index of each of the columns would.
    Index("ix_gradings_received_at", "received_at", "seq", "confidence", "grade", "lane"),
    Index(
        "ix_gradings_unsure",  # few, and what people look for: without it a page of them reads a season of others
        "received_at",
        "seq",
        "confidence",
        sqlite_where=text("confidence < 0.5"),
        postgresql_where=text("confidence < 0.5"),
    ),
    Index("ix_gradings_lot", "lot", "received_at", "seq"),
    Index("ix_gradings_line", "line", "received_at", "seq"),
    Index(
        "ix_gradings_kept",
        "photograph_interest",
        "received_at",
        sqlite_where=text("photograph IS NOT NULL AND photograph_deleted_at IS NULL"),
        postgresql_where=text("photograph IS NOT NULL AND photograph_deleted_at IS NULL"),
    ),
    sqlite_autoincrement=True,
)

grading_aliases = Table(
    # An id that was answered for a repeated post while the database was away, and the grading that counts
    "grading_aliases",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("grading_id", String(36), nullable=False),
)

photograph_shares = Table(
    # Further gradings of a photograph that was in the store already: it goes when nobody names it any more
    "photograph_shares",
    metadata,
    Column("photograph", String(80), primary_key=True),
    Column("grading_id", String(36), primary_key=True),
)

tallies = Table(
    # Gradings by hour, so that figures over a season need not count a million rows; kept in the transaction of the gradings
    "tallies",
    metadata,
    Column("hour", UtcDateTime, primary_key=True),
    Column("line", String(100), primary_key=True),  # '' is none, here and below
    Column("lot", String(100), primary_key=True),
    Column("camera", String(100), primary_key=True),
    Column("grade", String(2), primary_key=True),
    Column("lane", String(16), primary_key=True),
    Column("model_version", Integer, primary_key=True, autoincrement=False),
    Column("count", Integer, nullable=False),
    Column("confidence_sum", Float, nullable=False),
    Column("first_received_at", UtcDateTime, nullable=False),
    Column("last_received_at", UtcDateTime, nullable=False),
    sqlite_with_rowid=False,
)

confidence_tallies = Table(
    # By day and hundredth of confidence, of gradings that have one, up to the number in `tally_marks`. By grade first: figures
    # group by it
    "confidence_tallies",
    metadata,
    Column("grade", String(2), primary_key=True),
    Column("day", UtcDateTime, primary_key=True),
    Column("line", String(100), primary_key=True),
    Column("lot", String(100), primary_key=True),
    Column("camera", String(100), primary_key=True),
    Column("lane", String(16), primary_key=True),
    # of all with (band - 1) / 100 < confidence <= band / 100
    Column("band", SmallInteger, primary_key=True, autoincrement=False),
    Column("count", Integer, nullable=False),
    Column("confidence_sum", Float, nullable=False),
    Column("first_received_at", UtcDateTime, nullable=False),
    Column("last_received_at", UtcDateTime, nullable=False),
    sqlite_with_rowid=False,
)

tally_marks = Table(
    # One row: the last grading that `confidence_tallies` counts
    "tally_marks",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("seq", SEQUENCE, nullable=False, autoincrement=False),
)

shadow_gradings = Table(
    # What the challenger said of a photograph beside what counted. Without a foreign key: it may be written before its grading,
    # which can wait in a journal, and nothing is lost with it
    "shadow_gradings",
    metadata,
    Column("grading_id", String(36), primary_key=True),
    Column("model_version", Integer, primary_key=True, autoincrement=False),
    Column("model_sha256", String(64), nullable=False),
    Column("grade", String(2), nullable=False),
    Column("confidence", Float, nullable=False),
    Column("lane", String(16), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("champion_version", Integer, nullable=False),
    Column("champion_grade", String(2), nullable=False),
    Column("champion_confidence", Float, nullable=False),
    Column("champion_lane", String(16), nullable=False),
    Index("ix_shadow_gradings_models", "model_version", "champion_version", "at"),
    Index("ix_shadow_gradings_at", "at"),
)

corrections = Table(
    "corrections",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("grading_id", String(36), ForeignKey("gradings.id"), nullable=False),
    Column("grade", String(16), nullable=False),  # one of nine, or not_a_cucumber
    Column("note", Text),
    Column("by", String(100), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("undone_by", String(100)),
    Column("undone_at", UtcDateTime),
    Index("ix_corrections_grading", "grading_id"),
    Index("ix_corrections_at", "at", "id"),
)

review_claims = Table(
    # Who looks at which fruit just now: nobody else is shown it until then. A minute's rows, some dozens
    "review_claims",
    metadata,
    Column("grading_id", String(36), primary_key=True),
    Column("reviewer", String(64), nullable=False),  # a page that is open, by a number it drew for itself
    Column("by", String(100), nullable=False),
    Column("until", UtcDateTime, nullable=False),
    Column("place", Integer, nullable=False),  # in the order of that reviewer
)

growers = Table(
    "growers",
    metadata,
    Column("name", String(100), primary_key=True),
    Column("note", Text),
    Column("created_at", UtcDateTime, nullable=False),
)

lots = Table(
    "lots",
    metadata,
    Column("name", String(100), primary_key=True),
    Column("grower", String(100)),
    Column("note", Text),
    Column("created_at", UtcDateTime, nullable=False),
    Column("closed_at", UtcDateTime),
)

lines = Table(
    "lines",
    metadata,
    Column("name", String(100), primary_key=True),
    Column("lot", String(100)),  # what runs on it now: a photograph that names no lot belongs to this one
    Column("note", Text),
    Column("created_at", UtcDateTime, nullable=False),
)

cameras = Table(
    "cameras",
    metadata,
    Column("name", String(100), primary_key=True),
    Column("line", String(100)),
    Column("note", Text),
    Column("created_at", UtcDateTime, nullable=False),
)

models = Table(
    "models",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("sha256", String(64), primary_key=True),
    Column("card", JSON, nullable=False),
    Column("first_served_at", UtcDateTime, nullable=False),
)

profiles = Table(
    "profiles",
    metadata,
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("rules", JSON, nullable=False),
    Column("created_by", String(100), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)

farm_settings = Table(
    # What an admin said of the farm; what is not here has its default
    "farm_settings",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", JSON, nullable=False),
    Column("changed_by", String(100), nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),
)

alarms = Table(
    "alarms",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("name", String(64), nullable=False),
    Column("severity", String(16), nullable=False),  # warning, critical
    Column("detail", Text, nullable=False),
    Column("since", UtcDateTime, nullable=False),
    Column("until", UtcDateTime),
    Column("acknowledged_by", String(100)),
    Column("acknowledged_at", UtcDateTime),
    Index("ix_alarms_open", "name", unique=True, sqlite_where=text("until IS NULL"), postgresql_where=text("until IS NULL")),
    Index("ix_alarms_since", "since", "id"),
)

audit = Table(
    # Who changed what. Triggers of the migration refuse to change or delete a row.
    "audit",
    metadata,
    Column("seq", SEQUENCE, primary_key=True, autoincrement=True),
    Column("at", UtcDateTime, nullable=False),
    Column("actor", String(100), nullable=False),
    Column("address", String(64)),
    Column("action", String(64), nullable=False),
    Column("subject", String(200), nullable=False),
    Column("detail", JSON, nullable=False),
    sqlite_autoincrement=True,
)

users = Table(
    "users",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("name", String(100), nullable=False, unique=True),
    Column("role", String(16), nullable=False),  # viewer, operator, admin
    Column("password_hash", String(200)),
    Column("pin_hash", String(200)),
    Column("created_at", UtcDateTime, nullable=False),
    Column("disabled_at", UtcDateTime),
)

sessions = Table(
    "sessions",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("token_hash", String(64), nullable=False, unique=True),
    Column("previous_token_hash", String(64), unique=True),  # still good for a moment after a rotation
    Column("csrf_token", String(64), nullable=False),
    Column("user_id", String(36), ForeignKey("users.id"), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("rotated_at", UtcDateTime, nullable=False),
    Column("seen_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
)

login_failures = Table(
    "login_failures",
    metadata,
    Column("seq", SEQUENCE, primary_key=True, autoincrement=True),
    Column("name", String(100), nullable=False),
    Column("address", String(64), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Index("ix_login_failures_name", "name", "at"),
    Index("ix_login_failures_address", "address", "at"),
)

keys = Table(
    "keys",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("name", String(100), nullable=False),
    Column("prefix", String(16), nullable=False, unique=True),
    Column("secret_hash", String(64), nullable=False),  # SHA-256: the secret has 256 random bits, so a slow hash adds nothing
    Column("scope", String(16), nullable=False),  # grade
    Column("camera", String(100)),  # the only camera it may speak for, where given
    Column("created_by", String(100), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("last_used_at", UtcDateTime),
    Column("revoked_at", UtcDateTime),
)

batches = Table(
    "batches",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("name", String(100), nullable=False),
    Column("images", Integer, nullable=False),
    Column("report", JSON, nullable=False),
    Column("created_by", String(100), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)

batch_photographs = Table(
    # What a labelled batch names is never deleted
    "batch_photographs",
    metadata,
    Column("batch_id", String(36), ForeignKey("batches.id"), primary_key=True),
    Column("photograph", String(80), primary_key=True),
    Index("ix_batch_photographs_photograph", "photograph"),
)
