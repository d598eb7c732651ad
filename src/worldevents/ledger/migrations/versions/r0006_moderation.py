"""What operators do: what they did, who is banned, who is hidden, and what is held."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

HOLDS = sa.text("status IN (1, 6)")
OPEN = sa.text("lifted_at IS NULL")


def upgrade() -> None:
    """Make the tables of moderation, and find holds quickly."""
    op.create_index(
        "contribution_holds_index", "contribution", ["position"], sqlite_where=HOLDS, postgresql_where=HOLDS
    )
    op.create_table(
        "audit",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
    )
    op.create_index("audit_subject_index", "audit", ["subject"])
    op.create_table(
        "ban",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("lifted_at", sa.BigInteger, nullable=True),
    )
    op.create_index("ban_open_index", "ban", ["user_id"], unique=True, sqlite_where=OPEN, postgresql_where=OPEN)
    op.create_table(
        "hidden",
        sa.Column("user_id", sa.Text, primary_key=True),
        sa.Column("since", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
