"""Events, goals, contributions, tiers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the first tables."""
    _declared()
    _counted()
    op.create_table(
        "player",
        sa.Column("user_id", sa.Text, primary_key=True),
        sa.Column("display_name", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "activity",
        sa.Column("day", sa.Date, primary_key=True),
        sa.Column("user_id", sa.Text, primary_key=True),
        sqlite_with_rowid=False,
    )


def _declared() -> None:
    op.create_table(
        "identity",
        sa.Column("id", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("digest_key", sa.LargeBinary, nullable=False),
        sa.Column("generation", sa.Integer, nullable=False),
        sa.Column("epoch", sa.Text, nullable=False),
        sa.Column("owner", sa.Text, nullable=True),
    )
    op.create_table(
        "event_version",
        sa.Column("event_id", sa.Text, primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("published_at", sa.BigInteger, nullable=False),
        sa.Column("document", sa.Text, nullable=False),
    )
    op.create_table(
        "goal",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("event_id", sa.Text, nullable=False, index=True),
        sa.Column("total", sa.BigInteger, nullable=False),
        sa.Column("pending", sa.BigInteger, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "tier",
        sa.Column("goal_id", sa.Text, sa.ForeignKey("goal.id"), primary_key=True),
        sa.Column("threshold", sa.Text, primary_key=True),
        sa.Column("threshold_value", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "tier_unlock",
        sa.Column("goal_id", sa.Text, sa.ForeignKey("goal.id"), primary_key=True),
        sa.Column("threshold", sa.Text, primary_key=True),
        sa.Column("unlocked_at", sa.BigInteger, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=True),
    )


def _counted() -> None:
    op.create_table(
        "contribution",
        sa.Column(
            "position",
            sa.BigInteger().with_variant(sa.Integer, "sqlite"),
            primary_key=True,
            autoincrement=False,
        ),
        sa.Column("digest", sa.LargeBinary, nullable=False, unique=True),
        sa.Column("goal_id", sa.Text, nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("contribution_id", sa.Text, nullable=False),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.Column("status", sa.SmallInteger, nullable=False),
        sa.Column("occurred_at", sa.BigInteger, nullable=False),
        sa.Column("received_at", sa.BigInteger, nullable=False),
        sa.Index(None, "goal_id", "user_id"),
    )
    op.create_table(
        "contributor",
        sa.Column("goal_id", sa.Text, primary_key=True),
        sa.Column("user_id", sa.Text, primary_key=True),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.Column("pending", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
