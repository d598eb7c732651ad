"""Rewards: what is promised, who was granted what, and what is announced of it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Widen the goals, and make the tables of rewards; a server that starts fills them."""
    for name in ("target", "completed_at", "promises"):
        op.add_column("goal", sa.Column(name, sa.BigInteger, nullable=True))
    _promises()
    _grants()
    op.create_table(
        "announcement",
        _number("number"),
        sa.Column("id", sa.Text, nullable=False, unique=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("document", sa.Text, nullable=False),
    )


def _promises() -> None:
    op.create_table(
        "promise",
        _number("id"),
        sa.Column("giver", sa.Text, nullable=False),
        sa.Column("owner_id", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("event_id", sa.Text, nullable=False),
        sa.Column("goal_id", sa.Text, nullable=False, index=True),
        sa.Column("audience", sa.Text, nullable=False),
        sa.Column("least", sa.BigInteger, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("claim_within", sa.BigInteger, nullable=True),
        sa.Column("stock", sa.BigInteger, nullable=True),
        sa.Column("taken", sa.BigInteger, nullable=False),
        sa.Column("is_open", sa.SmallInteger, nullable=False),
        sa.UniqueConstraint("giver", "owner_id", "name"),
    )
    op.create_table(
        "promised_reward",
        _promise(),
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("document", sa.Text, nullable=False),
    )
    op.create_table(
        "grant_job",
        _promise(),
        sa.Column("after_user", sa.Text, nullable=False),
        sa.Column("asked_at", sa.BigInteger, nullable=False),
        sa.Column("done_at", sa.BigInteger, nullable=True),
    )


def _grants() -> None:
    op.create_table(
        "reward_grant",
        _number("number"),
        sa.Column("promise_id", sa.BigInteger, nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("status", sa.SmallInteger, nullable=False),
        sa.Column("granted_at", sa.BigInteger, nullable=False),
        sa.Column("claim_until", sa.BigInteger, nullable=True),
        sa.Column("claimed_at", sa.BigInteger, nullable=True),
        sa.Column("delivered_at", sa.BigInteger, nullable=True),
        sa.Column("revoked_at", sa.BigInteger, nullable=True),
        sa.Column("reason", sa.Text, nullable=True),
        sa.Column("author", sa.Text, nullable=True),
        sa.Column("outcome", sa.Text, nullable=True),
        sa.UniqueConstraint("user_id", "promise_id"),
    )
    due = sa.text("claim_until IS NOT NULL AND status = 0")
    op.create_index(
        "reward_grant_claim_until_index", "reward_grant", ["claim_until"], sqlite_where=due, postgresql_where=due
    )


def _number(name: str) -> sa.Column[int]:
    whole = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    return sa.Column(name, whole, primary_key=True, autoincrement=False)


def _promise() -> sa.Column[int]:
    return sa.Column("promise_id", sa.BigInteger, sa.ForeignKey("promise.id"), primary_key=True, autoincrement=False)
