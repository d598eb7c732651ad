"""Messages as lines of an event stream."""

import json

import pytest

from worldevents.live import sse
from worldevents.live.messages import Message


def a_message(data: bytes = b'{"a":1}') -> Message:
    return Message(event="goal_update", id="run1:7", data=data, goal_id="volume")


def test_an_event_has_an_id_a_name_and_one_line_of_data() -> None:
    """The fields as a browser reads them, and an empty line behind them."""
    assert sse.event(a_message()) == b'id: run1:7\nevent: goal_update\ndata: {"a":1}\n\n'


def test_a_message_is_written_once_for_all() -> None:
    """Whoever asks gets the very same bytes."""
    message = a_message()
    assert message.written(sse.event) is message.written(sse.event)
    assert message.written(sse.event) == sse.event(message)


def test_the_time_to_wait_and_the_sign_of_life_reach_no_listener() -> None:
    """Neither has data."""
    assert (b"retry: 2000\n\n", b": ka\n\n") == (sse.retry(2_000), sse.KEEP_ALIVE)


@pytest.mark.parametrize("text", ["two\nlines", "a\r\nb", "\u2028", "🏋️", "\ud800"])
def test_no_text_breaks_a_line(text: str) -> None:
    """Data is JSON in ASCII, so that every line end in it is escaped."""
    from worldevents.live.messages import json_bytes  # noqa: PLC0415 - what the hub writes with

    written = sse.event(a_message(json_bytes({"text": text})))
    (line,) = [line for line in written.splitlines() if line.startswith(b"data: ")]
    assert {"text": text} == json.loads(line.removeprefix(b"data: "))
