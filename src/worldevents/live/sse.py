"""Server-sent events: how a live message is written as lines of an event stream. Pure; made once for all readers."""

from __future__ import annotations

from typing import Final

from worldevents.live.messages import Message

CONTENT_TYPE: Final = b"text/event-stream; charset=utf-8"
KEEP_ALIVE: Final = b": ka\n\n"
"""A comment: it reaches whoever stands between, and no listener."""


def event(message: Message) -> bytes:
    """A message as an event. Every one carries an id: not every client remembers an earlier event's."""
    return b"id: %b\nevent: %b\ndata: %b\n\n" % (
        message.id.encode("ascii"),
        message.event.encode("ascii"),
        message.data,
    )


def retry(milliseconds: int) -> bytes:
    """How long a client is to wait before it comes again."""
    return b"retry: %d\n\n" % milliseconds
