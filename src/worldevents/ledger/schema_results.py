"""The tables of what settled goals came to: written once, and read for ever. As in `schema`."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, SmallInteger, Table, Text, UniqueConstraint

from worldevents.ledger.schema import metadata

# What a goal came to: written when it begins to settle, and never changed but for `settled_at`, the instant from which
# it is told. `tiers` is a JSON list of [threshold, unlocked_at].
goal_result = Table(
    "goal_result",
    metadata,
    Column("goal_id", Text, ForeignKey("goal.id"), primary_key=True),
    Column("event_id", Text, nullable=False, index=True),
    Column("total", BigInteger, nullable=False),
    Column("pending", BigInteger, nullable=False),
    Column("late", BigInteger, nullable=False),
    Column("participants", BigInteger, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("completed_at", BigInteger, nullable=True),
    Column("tiers", Text, nullable=False),
    Column("consoled", SmallInteger, nullable=False),
    Column("begun_at", BigInteger, nullable=False),
    Column("settled_at", BigInteger, nullable=True),
)

# The final rank of everyone with a counted amount. `place` is 1, 2, 3, ... down the board.
final_rank = Table(
    "final_rank",
    metadata,
    Column("goal_id", Text, ForeignKey("goal.id"), primary_key=True),
    Column("place", BigInteger, primary_key=True, autoincrement=False),
    Column("rank", BigInteger, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("amount", BigInteger, nullable=False),
    UniqueConstraint("goal_id", "user_id"),
    sqlite_with_rowid=False,
)
