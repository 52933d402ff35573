"""What a farm says of itself, and tallies that tell which model graded.

Revision 0004, after 0003.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
KEY = ("hour", "line", "lot", "camera", "grade", "lane")


def upgrade() -> None:
    op.create_table(
        "farm_settings",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("value", sa.JSON(), nullable=False),
        sa.Column("changed_by", sa.String(100), nullable=False),
        sa.Column("changed_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    _count_anew(sa.Column("model_version", sa.Integer(), autoincrement=False, nullable=False))


def downgrade() -> None:
    _count_anew()
    op.drop_table("farm_settings")


def _count_anew(*further: "sa.Column[int]") -> None:
    """The hourly tallies once more from the gradings, told apart by further columns of theirs."""
    op.drop_table("tallies")
    op.create_table(
        "tallies",
        sa.Column("hour", MOMENT, nullable=False),
        sa.Column("line", sa.String(100), nullable=False),
        sa.Column("lot", sa.String(100), nullable=False),
        sa.Column("camera", sa.String(100), nullable=False),
        sa.Column("grade", sa.String(2), nullable=False),
        sa.Column("lane", sa.String(16), nullable=False),
        *further,
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("confidence_sum", sa.Float(), nullable=False),
        sa.Column("first_received_at", MOMENT, nullable=False),
        sa.Column("last_received_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint(*KEY, *(column.name for column in further)),
        sqlite_with_rowid=False,
    )
    sqlite = op.get_bind().dialect.name == "sqlite"
    hour = "substr(received_at, 1, 13) || ':00:00.000000'" if sqlite else "date_trunc('hour', received_at, 'UTC')"
    keys = (
        *(hour, "COALESCE(line, '')", "COALESCE(lot, '')", "COALESCE(camera, '')", "COALESCE(grade, '')", "lane"),
        *(column.name for column in further),
    )
    figures = "COUNT(*), COALESCE(SUM(confidence), 0.0), MIN(received_at), MAX(received_at)"
    places = ", ".join(str(place) for place in range(1, len(keys) + 1))
    op.execute(f"INSERT INTO tallies SELECT {', '.join(keys)}, {figures} FROM gradings GROUP BY {places}")  # noqa: S608 - our own names
