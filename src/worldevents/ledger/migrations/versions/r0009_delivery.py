"""Delivery of grants: how far a host's callback is, and how many deliveries of an endpoint were forgotten."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Make the callback's table, and count what is pruned."""
    op.create_table(
        "callback",
        sa.Column("id", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("cursor", sa.BigInteger, nullable=False),
        sa.Column("holder", sa.Text, nullable=False),
        sa.Column("held_until", sa.BigInteger, nullable=False),
    )
    op.add_column("webhook_endpoint", sa.Column("pruned", sa.BigInteger, nullable=False, server_default=sa.text("0")))
