"""Frames of Phoenix channels as Supabase's clients speak them, versions 1.0.0 and 2.0.0. Pure: text in, words out.

A push carries its payload twice, nested as Supabase does and flat beside it: a callback that reads `payload.goalId`
and one that reads `payload.payload.goalId` are both served. It must never be null, nor have a key `ids`: either kills
the callbacks of a page.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from worldevents.live.messages import Message

PREFIX: Final = "realtime:"
"""What clients put before a topic's name."""
HEARTBEAT_TOPIC: Final = "phoenix"
BROADCAST: Final = "broadcast"

_FIELDS: Final = 5
_USER_BROADCAST: Final = 3
_HEAD: Final = 7
"""The bytes of a binary frame before its strings: its kind, five lengths, and how the payload is written."""

Ref = str | int | None


class Version(StrEnum):
    """How frames are written."""

    OBJECTS = "1.0.0"
    ARRAYS = "2.0.0"


class FrameInvalid(ValueError):
    """What a client sent is no frame."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What a client says."""

    topic: str
    event: str
    payload: dict[str, Any]
    ref: Ref = None
    join_ref: Ref = None


def version(told: str | None) -> Version:
    """The version that a client asks for; one that names none means the older. Raises FrameInvalid."""
    try:
        return Version(told or Version.OBJECTS)
    except ValueError:
        raise FrameInvalid("vsn is 1.0.0 or 2.0.0") from None


def decode(text: str, vsn: Version) -> Frame:
    """A text frame. Raises FrameInvalid."""
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        raise FrameInvalid("a frame is JSON") from None
    if vsn is Version.OBJECTS:
        if not isinstance(told, dict):
            raise FrameInvalid("a frame of version 1.0.0 is an object")
        fields = [told.get(name) for name in ("join_ref", "ref", "topic", "event", "payload")]
    elif isinstance(told, list) and len(told) == _FIELDS:
        fields = told
    else:
        raise FrameInvalid("a frame of version 2.0.0 is an array of five")
    return _frame(*fields)


def _frame(join_ref: object, ref: object, topic: object, event: object, payload: object) -> Frame:
    if not isinstance(topic, str) or not isinstance(event, str):
        raise FrameInvalid("topic and event are text")
    if not isinstance(payload, dict):
        raise FrameInvalid("a payload is an object")
    return Frame(topic=topic, event=event, payload=payload, ref=_ref(ref), join_ref=_ref(join_ref))


def _ref(told: object) -> Ref:
    if told is None or (isinstance(told, str | int) and not isinstance(told, bool)):
        return told
    raise FrameInvalid("a ref is text, a number or null")


def decode_binary(data: bytes) -> Frame:
    """A binary frame: a client's own broadcast, and nothing else. Its payload is not read. Raises FrameInvalid."""
    if len(data) < _HEAD or data[0] != _USER_BROADCAST:
        raise FrameInvalid("a binary frame is a broadcast of kind 3")
    texts, start = [], _HEAD
    for length in data[1:5]:
        texts.append(data[start : start + length])
        start += length
    if start + data[5] > len(data):
        raise FrameInvalid("a binary frame ends before its strings do")
    try:
        join_ref, ref, topic, event = (text.decode() for text in texts)
    except UnicodeDecodeError:
        raise FrameInvalid("strings of a binary frame are UTF-8") from None
    return Frame(topic=topic, event=BROADCAST, payload={"event": event}, ref=ref or None, join_ref=join_ref or None)


def reply(frame: Frame, vsn: Version, response: dict[str, Any], *, status: str = "ok") -> bytes:
    """The answer to a frame: `response` is an object, for without one clients wait for ever."""
    payload = {"status": status, "response": response}
    return _encoded(vsn, frame.topic, "phx_reply", payload, ref=frame.ref, join_ref=frame.join_ref)


def refusal(frame: Frame, vsn: Version, reason: str) -> bytes:
    """The answer that says why not; `reason` is a code, a colon and a sentence."""
    return reply(frame, vsn, {"reason": reason}, status="error")


def closing(topic: str, vsn: Version, join_ref: Ref) -> bytes:
    """The last word on a topic: a client does not join it again by itself."""
    return _encoded(vsn, topic, "phx_close", {}, ref=join_ref, join_ref=join_ref)


def system_error(topic: str, vsn: Version, join_ref: Ref, message: str) -> bytes:
    """What goes before a closing to say why."""
    channel = topic.removeprefix(PREFIX)
    payload = {"extension": "system", "status": "error", "message": message, "channel": channel}
    return _encoded(vsn, topic, "system", payload, ref=None, join_ref=join_ref)


def _encoded(vsn: Version, topic: str, event: str, payload: dict[str, Any], *, ref: Ref, join_ref: Ref) -> bytes:
    told: object
    if vsn is Version.ARRAYS:
        told = [join_ref, ref, topic, event, payload]
    else:
        told = {"topic": topic, "event": event, "payload": payload, "ref": ref, "join_ref": join_ref}
    return json.dumps(told, separators=(",", ":")).encode("ascii")


@dataclass(frozen=True, slots=True)
class Push:
    """Writes live messages as broadcasts on one topic: for `Message.written`, so that all its readers share bytes."""

    topic: str
    """As clients say it, with the prefix."""
    vsn: Version

    def __call__(self, message: Message) -> bytes:
        meta: dict[str, Any] = {"id": message.key}
        if message.snapshot:
            meta["replayed"] = True
        flat = message.data[1:-1] + b"," if message.is_ours else b""
        told = flat, _bytes(message.event), message.data, _bytes(meta)
        payload = b'{%b"type":"broadcast","event":%b,"payload":%b,"meta":%b}' % told
        topic = _bytes(self.topic)
        if self.vsn is Version.ARRAYS:
            return b'[null,null,%b,"broadcast",%b]' % (topic, payload)
        return b'{"topic":%b,"event":"broadcast","payload":%b,"ref":null}' % (topic, payload)


def _bytes(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode("ascii")
