"""Results: what a settled goal came to, and everyone's final rank in it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Widen the goals, and make the tables of results; goals that are over settle when a server starts."""
    op.add_column("goal", sa.Column("settling_at", sa.BigInteger, nullable=True))
    op.create_table(
        "goal_result",
        _goal(),
        sa.Column("event_id", sa.Text, nullable=False, index=True),
        sa.Column("total", sa.BigInteger, nullable=False),
        sa.Column("pending", sa.BigInteger, nullable=False),
        sa.Column("late", sa.BigInteger, nullable=False),
        sa.Column("participants", sa.BigInteger, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("completed_at", sa.BigInteger, nullable=True),
        sa.Column("tiers", sa.Text, nullable=False),
        sa.Column("consoled", sa.SmallInteger, nullable=False),
        sa.Column("begun_at", sa.BigInteger, nullable=False),
        sa.Column("settled_at", sa.BigInteger, nullable=True),
    )
    op.create_table(
        "final_rank",
        _goal(),
        sa.Column("place", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("rank", sa.BigInteger, nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("goal_id", "user_id"),
        sqlite_with_rowid=False,
    )


def _goal() -> sa.Column[str]:
    return sa.Column("goal_id", sa.Text, sa.ForeignKey("goal.id"), primary_key=True)
