"""Event files: what a live-ops team declares, checked line by line, and what changing it would mean."""

from __future__ import annotations

from worldevents.catalog.edits import changes, edit_complaints, with_window
from worldevents.catalog.form import REWARD_KINDS, RewardForm
from worldevents.catalog.reading import METRICS, event_from_table, load_event, located, read_event
from worldevents.catalog.writing import table, table_json

__all__ = [
    "METRICS",
    "REWARD_KINDS",
    "RewardForm",
    "changes",
    "edit_complaints",
    "event_from_table",
    "load_event",
    "located",
    "read_event",
    "table",
    "table_json",
    "with_window",
]
