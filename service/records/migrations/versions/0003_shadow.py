"""What a challenger would have said of the photographs that the champion graded.

Revision 0003, after 0002.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "shadow_gradings",
        sa.Column("grading_id", sa.String(36), nullable=False),
        sa.Column("model_version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("model_sha256", sa.String(64), nullable=False),
        sa.Column("grade", sa.String(2), nullable=False),
        sa.Column("confidence", sa.Float(), nullable=False),
        sa.Column("lane", sa.String(16), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("champion_version", sa.Integer(), nullable=False),
        sa.Column("champion_grade", sa.String(2), nullable=False),
        sa.Column("champion_confidence", sa.Float(), nullable=False),
        sa.Column("champion_lane", sa.String(16), nullable=False),
        sa.PrimaryKeyConstraint("grading_id", "model_version"),
    )
    op.create_index("ix_shadow_gradings_models", "shadow_gradings", ["model_version", "champion_version", "at"])
    op.create_index("ix_shadow_gradings_at", "shadow_gradings", ["at"])


def downgrade() -> None:
    op.drop_table("shadow_gradings")
