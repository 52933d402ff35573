"""Gradings.

Revision 0001, the first.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "gradings",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("id", sa.String(36), nullable=False, unique=True),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("captured_at", sa.DateTime(timezone=True)),
        sa.Column("camera", sa.String(100)),
        sa.Column("line", sa.String(100)),
        sa.Column("lot", sa.String(100)),
        sa.Column("grade", sa.String(2)),
        sa.Column("confidence", sa.Float),
        sa.Column("runner_up_grade", sa.String(2)),
        sa.Column("runner_up_probability", sa.Float),
        sa.Column("probabilities", sa.JSON, nullable=False),
        sa.Column("lane", sa.String(16), nullable=False),
        sa.Column("reasons", sa.JSON, nullable=False),
        sa.Column("measurement", sa.JSON),
        sa.Column("model_name", sa.String(64), nullable=False),
        sa.Column("model_version", sa.Integer, nullable=False),
        sa.Column("model_sha256", sa.String(64), nullable=False),
        sa.Column("timing_ms", sa.JSON, nullable=False),
        sa.Column("batch_size", sa.Integer, nullable=False),
        sa.Column("photograph", sa.String(80)),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_gradings_received_at", "gradings", ["received_at"])
    op.create_index("ix_gradings_lot", "gradings", ["lot", "received_at"])
    op.create_index("ix_gradings_line", "gradings", ["line", "received_at"])


def downgrade() -> None:
    op.drop_table("gradings")
