"""Who was erased: what stands for them, and whom nothing is taken of any more."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Make the table of erasures."""
    op.create_table(
        "erasure",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("tombstone", sa.Text, nullable=False, unique=True),
        sa.Column("user_id", sa.Text, nullable=True, unique=True),
        sa.Column("digest", sa.LargeBinary, nullable=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("done_at", sa.BigInteger, nullable=True),
    )
