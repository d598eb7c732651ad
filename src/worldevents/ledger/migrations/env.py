"""Alembic's entry: runs the revisions on the connection it is handed, inside that connection's transaction."""

from __future__ import annotations

from alembic import context

from worldevents.ledger.migrate import VERSION_TABLE
from worldevents.ledger.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    render_as_batch=True,
)
context.run_migrations()
