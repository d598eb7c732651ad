"""Behind a store with an outbox: where rows stood in it, watermarks, epochs, repairs, dead letters."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Widen the rows, and make the tables of the syncer."""
    op.add_column("contribution", sa.Column("epoch", sa.Text, nullable=True))
    op.add_column("contribution", sa.Column("place", sa.BigInteger, nullable=True))
    op.add_column("tier_unlock", sa.Column("epoch", sa.Text, nullable=True))
    op.create_table(
        "watermark",
        sa.Column("goal_id", sa.Text, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("epoch", sa.Text, nullable=False),
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("reached", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "goal_epoch",
        sa.Column("generation", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("goal_id", sa.Text, nullable=False),
        sa.Column("epoch", sa.Text, nullable=False),
        sa.Column("began_at", sa.BigInteger, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
    )
    op.create_table(
        "repair",
        *_place(),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.Column("status", sa.SmallInteger, nullable=False),
        sa.Column("found_at", sa.BigInteger, nullable=False),
        sa.Column("done_at", sa.BigInteger, nullable=True),
    )
    op.create_table(
        "dead_letter",
        *_place(),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
    )


def _place() -> list[sa.Column[object]]:
    return [
        sa.Column("goal_id", sa.Text, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("epoch", sa.Text, primary_key=True),
        sa.Column("place", sa.BigInteger, primary_key=True, autoincrement=False),
    ]
