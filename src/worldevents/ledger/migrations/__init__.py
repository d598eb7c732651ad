"""Alembic's environment and the schema's revisions, carried in the wheel. Run by `ledger.migrate`, never by hand."""
