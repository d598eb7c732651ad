"""Frames as text and words, without any connection: what is read, what is refused, and what never stands in one."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worldevents.live import phoenix
from worldevents.live.messages import Message
from worldevents.live.phoenix import Frame, FrameInvalid, Push, Version

FRAME = Frame(topic="realtime:x", event="phx_join", payload={"a": 1}, ref="2", join_ref="1")
HEARD = {
    Version.OBJECTS: '{"join_ref":"1","ref":"2","topic":"realtime:x","event":"phx_join","payload":{"a":1}}',
    Version.ARRAYS: '["1","2","realtime:x","phx_join",{"a":1}]',
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(max_size=8), inner, max_size=6),
    max_leaves=12,
)


def a_message(data: bytes = b'{"goalId":"volume","newValue":7}', **changes: Any) -> Message:
    return Message(
        **{"event": "goal_update", "id": "run:1", "data": data, "goal_id": "volume", "key": "e:volume:3", **changes}
    )


@pytest.mark.parametrize("vsn", list(Version))
def test_both_versions_say_the_same(vsn: Version) -> None:
    """An object and an array are one frame."""
    assert FRAME == phoenix.decode(HEARD[vsn], vsn)


def test_a_client_that_names_no_version_means_the_older_one() -> None:
    """As upstream; and what is unknown is refused."""
    assert [Version.OBJECTS, Version.OBJECTS, Version.ARRAYS] == [
        phoenix.version(told) for told in (None, "1.0.0", "2.0.0")
    ]
    with pytest.raises(FrameInvalid):
        phoenix.version("3.0.0")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        "null",
        "7",
        "[]",
        "{}",
        '["1","2","t"]',
        '["1","2","t","e",null]',
        '["1","2","t","e",[]]',
        '["1","2",null,"e",{}]',
        '["1","2","t",5,{}]',
        '[{},"2","t","e",{}]',
        '[true,"2","t","e",{}]',
        '{"topic":"t","event":"e","payload":null}',
        '{"topic":"t","event":"e","payload":{},"ref":[]}',
        "[" * 100_000,
        '["1","2","t","e",{"n":' + "9" * 5_000 + "}]",
    ],
)
@pytest.mark.parametrize("vsn", list(Version))
def test_what_is_no_frame_is_refused(text: str, vsn: Version) -> None:
    """With one kind of error, whatever is wrong."""
    with pytest.raises(FrameInvalid):
        phoenix.decode(text, vsn)


@given(JSON)
def test_any_json_is_a_frame_or_refused(told: Any) -> None:
    """Nothing else can happen."""
    for vsn in Version:
        try:
            frame = phoenix.decode(json.dumps(told), vsn)
        except FrameInvalid:
            continue
        assert isinstance(frame.payload, dict)


@given(st.binary(max_size=80) | st.binary(max_size=80).map(lambda rest: b"\x03" + rest))
def test_any_bytes_are_a_broadcast_or_refused(data: bytes) -> None:
    """Nothing else can happen."""
    try:
        frame = phoenix.decode_binary(data)
    except FrameInvalid:
        return
    assert "broadcast" == frame.event


def test_a_broadcast_in_bytes() -> None:
    """The layout of kind 3: five lengths and how the payload is written, the strings, the payload."""
    head = bytes([3, 1, 2, 10, 4, 0, 1])
    frame = phoenix.decode_binary(head + b"j" + b"r2" + b"realtime:x" + b"ping" + b'{"a":1}')
    assert Frame(topic="realtime:x", event="broadcast", payload={"event": "ping"}, ref="r2", join_ref="j") == frame


def test_answers_repeat_both_refs() -> None:
    """And hold an object, without which clients wait for ever."""
    assert (
        '["1","2","realtime:x","phx_reply",{"status":"ok","response":{}}]'
        == phoenix.reply(FRAME, Version.ARRAYS, {}).decode()
    )
    assert {
        "join_ref": "1",
        "ref": "2",
        "topic": "realtime:x",
        "event": "phx_reply",
        "payload": {"status": "error", "response": {"reason": "No: why"}},
    } == json.loads(phoenix.refusal(FRAME, Version.OBJECTS, "No: why"))


@pytest.mark.parametrize("vsn", list(Version))
@pytest.mark.parametrize("snapshot", [False, True])
def test_a_push_has_its_payload_nested_and_flat(vsn: Version, *, snapshot: bool) -> None:
    """Both ways of reading find the value; refs are there and null; nothing that kills a callback stands in it."""
    told = json.loads(Push("realtime:x", vsn)(a_message(snapshot=snapshot)))
    if vsn is Version.ARRAYS:
        assert [None, None, "realtime:x", "broadcast"] == told[:4]
        payload = told[4]
    else:
        assert ("realtime:x", "broadcast", None) == (told["topic"], told["event"], told["ref"])
        payload = told["payload"]
    assert (7, 7) == (payload["newValue"], payload["payload"]["newValue"])
    assert ("broadcast", "goal_update") == (payload["type"], payload["event"])
    assert {"id": "e:volume:3"} | ({"replayed": True} if snapshot else {}) == payload["meta"]
    assert "ids" not in payload


def test_what_a_host_says_has_an_envelope_alone() -> None:
    """Its names could be those of the envelope."""
    told = json.loads(Push("realtime:x", Version.ARRAYS)(a_message(b'{"type":"boss","ids":[1]}', is_ours=False)))
    assert {"type": "boss", "ids": [1]} == told[4].pop("payload")
    assert {"type", "event", "meta"} == told[4].keys()


def test_a_push_is_made_once_for_all_its_readers() -> None:
    """The same bytes, not equal ones."""
    message = a_message()
    first, second = (message.written(Push("realtime:x", Version.ARRAYS)) for _ in range(2))
    assert first is second
    assert first is not message.written(Push("realtime:x", Version.OBJECTS))
