"""All that a packing house relies on: exactly-once gradings, resources, people, an audit trail.

Revision 0002, after 0001.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

SEQUENCE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)
REORDERED = ("ix_gradings_received_at", "ix_gradings_lot", "ix_gradings_line")


def upgrade() -> None:
    op.create_table(
        "alarms",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("severity", sa.String(16), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("since", MOMENT, nullable=False),
        sa.Column("until", MOMENT),
        sa.Column("acknowledged_by", sa.String(100)),
        sa.Column("acknowledged_at", MOMENT),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "ix_alarms_open",
        "alarms",
        ["name"],
        unique=True,
        sqlite_where=sa.text("until IS NULL"),
        postgresql_where=sa.text("until IS NULL"),
    )
    op.create_index("ix_alarms_since", "alarms", ["since", "id"])

    op.create_table(
        "audit",
        sa.Column("seq", SEQUENCE, autoincrement=True, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("actor", sa.String(100), nullable=False),
        sa.Column("address", sa.String(64)),
        sa.Column("action", sa.String(64), nullable=False),
        sa.Column("subject", sa.String(200), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "batches",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("images", sa.Integer(), nullable=False),
        sa.Column("report", sa.JSON(), nullable=False),
        sa.Column("created_by", sa.String(100), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "cameras",
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("line", sa.String(100)),
        sa.Column("note", sa.Text()),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "grading_aliases",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("grading_id", sa.String(36), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "growers",
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("note", sa.Text()),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "keys",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("prefix", sa.String(16), nullable=False),
        sa.Column("secret_hash", sa.String(64), nullable=False),
        sa.Column("scope", sa.String(16), nullable=False),
        sa.Column("camera", sa.String(100)),
        sa.Column("created_by", sa.String(100), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("last_used_at", MOMENT),
        sa.Column("revoked_at", MOMENT),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("prefix"),
    )
    op.create_table(
        "lines",
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("lot", sa.String(100)),
        sa.Column("note", sa.Text()),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "login_failures",
        sa.Column("seq", SEQUENCE, autoincrement=True, nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("address", sa.String(64), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("seq"),
    )
    op.create_index("ix_login_failures_address", "login_failures", ["address", "at"])
    op.create_index("ix_login_failures_name", "login_failures", ["name", "at"])

    op.create_table(
        "lots",
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("grower", sa.String(100)),
        sa.Column("note", sa.Text()),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("closed_at", MOMENT),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "models",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("card", sa.JSON(), nullable=False),
        sa.Column("first_served_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("name", "version", "sha256"),
    )
    op.create_table(
        "photograph_shares",
        sa.Column("photograph", sa.String(80), nullable=False),
        sa.Column("grading_id", sa.String(36), nullable=False),
        sa.PrimaryKeyConstraint("photograph", "grading_id"),
    )
    op.create_table(
        "profiles",
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("rules", sa.JSON(), nullable=False),
        sa.Column("created_by", sa.String(100), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("version"),
    )
    op.create_table(
        "tallies",
        sa.Column("hour", MOMENT, nullable=False),
        sa.Column("line", sa.String(100), nullable=False),
        sa.Column("lot", sa.String(100), nullable=False),
        sa.Column("camera", sa.String(100), nullable=False),
        sa.Column("grade", sa.String(2), nullable=False),
        sa.Column("lane", sa.String(16), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("confidence_sum", sa.Float(), nullable=False),
        sa.Column("first_received_at", MOMENT, nullable=False),
        sa.Column("last_received_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("hour", "line", "lot", "camera", "grade", "lane"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "confidence_tallies",
        sa.Column("grade", sa.String(2), nullable=False),
        sa.Column("day", MOMENT, nullable=False),
        sa.Column("line", sa.String(100), nullable=False),
        sa.Column("lot", sa.String(100), nullable=False),
        sa.Column("camera", sa.String(100), nullable=False),
        sa.Column("lane", sa.String(16), nullable=False),
        sa.Column("band", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("confidence_sum", sa.Float(), nullable=False),
        sa.Column("first_received_at", MOMENT, nullable=False),
        sa.Column("last_received_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("grade", "day", "line", "lot", "camera", "lane", "band"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "tally_marks",
        sa.Column("name", sa.String(32), nullable=False),
        sa.Column("seq", SEQUENCE, autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "users",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("password_hash", sa.String(200)),
        sa.Column("pin_hash", sa.String(200)),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("disabled_at", MOMENT),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name"),
    )
    op.create_table(
        "batch_photographs",
        sa.Column("batch_id", sa.String(36), nullable=False),
        sa.Column("photograph", sa.String(80), nullable=False),
        sa.ForeignKeyConstraint(
            ["batch_id"],
            ["batches.id"],
        ),
        sa.PrimaryKeyConstraint("batch_id", "photograph"),
    )
    op.create_index("ix_batch_photographs_photograph", "batch_photographs", ["photograph"])

    op.create_table(
        "corrections",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("grading_id", sa.String(36), nullable=False),
        sa.Column("grade", sa.String(16), nullable=False),
        sa.Column("note", sa.Text()),
        sa.Column("by", sa.String(100), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("undone_by", sa.String(100)),
        sa.Column("undone_at", MOMENT),
        sa.ForeignKeyConstraint(
            ["grading_id"],
            ["gradings.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_corrections_at", "corrections", ["at", "id"])
    op.create_index("ix_corrections_grading", "corrections", ["grading_id"])

    op.create_table(
        "sessions",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("token_hash", sa.String(64), nullable=False),
        sa.Column("previous_token_hash", sa.String(64)),
        sa.Column("csrf_token", sa.String(64), nullable=False),
        sa.Column("user_id", sa.String(36), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("rotated_at", MOMENT, nullable=False),
        sa.Column("seen_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["users.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("previous_token_hash"),
        sa.UniqueConstraint("token_hash"),
    )
    op.add_column("gradings", sa.Column("profile_version", sa.Integer()))
    op.add_column("gradings", sa.Column("photograph_bytes", sa.Integer()))
    op.add_column("gradings", sa.Column("photograph_interest", sa.SmallInteger()))
    op.add_column("gradings", sa.Column("photograph_deleted_at", MOMENT))
    op.add_column("gradings", sa.Column("idempotency_key", sa.String(300)))
    op.add_column("gradings", sa.Column("body_sha256", sa.String(64)))
    op.add_column("gradings", sa.Column("key_id", sa.String(36)))
    for name in REORDERED:
        op.drop_index(name, "gradings")
    op.create_index("ix_gradings_received_at", "gradings", ["received_at", "seq", "confidence", "grade", "lane"])
    op.create_index("ix_gradings_lot", "gradings", ["lot", "received_at", "seq"])
    op.create_index(
        "ix_gradings_unsure",
        "gradings",
        ["received_at", "seq", "confidence"],
        sqlite_where=sa.text("confidence < 0.5"),
        postgresql_where=sa.text("confidence < 0.5"),
    )
    op.create_index("ix_gradings_line", "gradings", ["line", "received_at", "seq"])
    _count_what_is_there()
    _enter_names()
    op.create_index("ix_gradings_idempotency_key", "gradings", ["idempotency_key"], unique=True)
    op.create_index(
        "ix_gradings_kept",
        "gradings",
        ["photograph_interest", "received_at"],
        sqlite_where=sa.text("photograph IS NOT NULL AND photograph_deleted_at IS NULL"),
        postgresql_where=sa.text("photograph IS NOT NULL AND photograph_deleted_at IS NULL"),
    )

    if op.get_bind().dialect.name == "sqlite":
        for verb in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER audit_no_{verb.lower()} BEFORE {verb} ON audit "
                "BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END"
            )
    else:
        op.execute(
            "CREATE FUNCTION senka_audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'the audit trail is append-only'; END $$"
        )
        op.execute(
            "CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit "
            "FOR EACH STATEMENT EXECUTE FUNCTION senka_audit_is_append_only()"
        )


def _count_what_is_there() -> None:
    """Tallies of the gradings of the revision before."""
    sqlite = op.get_bind().dialect.name == "sqlite"
    hour = "substr(received_at, 1, 13) || ':00:00.000000'" if sqlite else "date_trunc('hour', received_at, 'UTC')"
    day = "substr(received_at, 1, 10) || ' 00:00:00.000000'" if sqlite else "date_trunc('day', received_at, 'UTC')"
    places = "COALESCE(line, ''), COALESCE(lot, ''), COALESCE(camera, '')"
    figures = "COUNT(*), COALESCE(SUM(confidence), 0.0), MIN(received_at), MAX(received_at)"
    near = "CAST(confidence * 100 AS INTEGER)"  # cut off on one, rounded on the other
    bands = (f"WHEN confidence <= ({near} + {step}) / CAST(100 AS FLOAT) THEN {near} + {step}" for step in (-1, 0, 1))
    band = f"CASE {' '.join(bands)} ELSE {near} + 2 END"
    op.execute(
        f"INSERT INTO tallies SELECT {hour}, {places}, COALESCE(grade, ''), lane, {figures} "  # noqa: S608 - nothing that anybody sent is in it
        "FROM gradings GROUP BY 1, 2, 3, 4, 5, 6"
    )
    op.execute(
        f"INSERT INTO confidence_tallies SELECT COALESCE(grade, ''), {day}, {places}, lane, {band}, {figures} "  # noqa: S608
        "FROM gradings WHERE confidence IS NOT NULL GROUP BY 1, 2, 3, 4, 5, 6, 7"
    )
    op.execute("INSERT INTO tally_marks SELECT 'confidence_tallies', COALESCE(MAX(seq), 0) FROM gradings")


def _enter_names() -> None:
    """The names that gradings carry, as the recorder enters them from now on: the first ten thousand of each kind."""
    first = "MIN(first_received_at)"
    for table, name, columns, values in (
        ("cameras", "camera", "name, line, created_at", f"camera, NULLIF(MAX(line), ''), {first}"),
        ("lines", "line", "name, created_at", f"line, {first}"),
        ("lots", "lot", "name, created_at", f"lot, {first}"),
    ):
        op.execute(
            f"INSERT INTO {table} ({columns}) SELECT {values} FROM tallies WHERE {name} <> '' "  # noqa: S608
            f"GROUP BY {name} ORDER BY {first} LIMIT 10000"
        )


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TRIGGER audit_no_update")
        op.execute("DROP TRIGGER audit_no_delete")
    else:
        op.execute("DROP TRIGGER audit_append_only ON audit")
        op.execute("DROP FUNCTION senka_audit_is_append_only")
    op.drop_table("batch_photographs")
    op.drop_table("corrections")
    op.drop_table("sessions")
    op.drop_table("users")
    op.drop_table("tallies")
    op.drop_table("confidence_tallies")
    op.drop_table("tally_marks")
    op.drop_table("profiles")
    op.drop_table("photograph_shares")
    op.drop_table("models")
    op.drop_table("lots")
    op.drop_table("login_failures")
    op.drop_table("lines")
    op.drop_table("keys")
    op.drop_table("growers")
    op.drop_table("grading_aliases")
    op.drop_table("cameras")
    op.drop_table("batches")
    op.drop_table("audit")
    op.drop_table("alarms")
    op.drop_index("ix_gradings_idempotency_key", "gradings")
    op.drop_index("ix_gradings_kept", "gradings")
    op.drop_index("ix_gradings_unsure", "gradings")
    for name in REORDERED:
        op.drop_index(name, "gradings")
    op.create_index("ix_gradings_received_at", "gradings", ["received_at"])
    op.create_index("ix_gradings_lot", "gradings", ["lot", "received_at"])
    op.create_index("ix_gradings_line", "gradings", ["line", "received_at"])
    op.drop_column("gradings", "key_id")
    op.drop_column("gradings", "body_sha256")
    op.drop_column("gradings", "idempotency_key")
    op.drop_column("gradings", "photograph_deleted_at")
    op.drop_column("gradings", "photograph_interest")
    op.drop_column("gradings", "photograph_bytes")
    op.drop_column("gradings", "profile_version")
