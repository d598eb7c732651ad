"""The tables of what hosts are told, and how far: endpoints of webhooks, and a callback. As in `schema`."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, SmallInteger, Table, Text, text

from worldevents.ledger.schema import metadata

# Where announcements go. The secrets sign, so they are kept as they are. `kinds` is a JSON list; `cursor` is the number
# up to which announcements are deliveries, or not for this endpoint; `since` is the first instant that is. `pruned`
# counts the delivered ones that were forgotten.
webhook_endpoint = Table(
    "webhook_endpoint",
    metadata,
    Column("id", Text, primary_key=True),
    Column("url", Text, nullable=False),
    Column("kinds", Text, nullable=False),
    Column("secret", LargeBinary, nullable=False),
    Column("previous_secret", LargeBinary, nullable=True),
    Column("previous_until", BigInteger, nullable=True),
    Column("since", BigInteger, nullable=False),
    Column("cursor", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("disabled_at", BigInteger, nullable=True),
    Column("disabled_why", Text, nullable=False),
    Column("removed_at", BigInteger, nullable=True),
    Column("pruned", BigInteger, nullable=False, server_default=text("0")),
)

# What was done to an endpoint, by whom and why.
webhook_change = Table(
    "webhook_change",
    metadata,
    Column("endpoint_id", Text, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("what", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
)

# An announcement at one endpoint. What it says is not copied: it stays in the feed. While one is claimed, `due_at` is
# the end of the claim's lease, and tells the claim apart from later ones.
webhook_delivery = Table(
    "webhook_delivery",
    metadata,
    Column("endpoint_id", Text, primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("message_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("status", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due_at", BigInteger, nullable=False),
    Column("last_at", BigInteger, nullable=True),
    Column("last_answer", Integer, nullable=True),
    Column("last_told", Text, nullable=False),
    Index(None, "endpoint_id", "status", "due_at"),
    Index(None, "endpoint_id", "message_id"),
)

# How far the grants are told by a host's callback, and by whom until when. It has one row, from the first call on.
callback = Table(
    "callback",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("cursor", BigInteger, nullable=False),
    Column("holder", Text, nullable=False),
    Column("held_until", BigInteger, nullable=False),
)
