"""What is wrong with a whole body or its headers: the table, for every route that takes JSON."""

from __future__ import annotations

from collections.abc import Iterator
from types import MappingProxyType
from typing import NamedTuple

from tests.api.door import Body, Headers

CANARY = "canary"
"""Stands in what cannot be decoded, and in no answer."""
MEGABYTES = 60_000_000
OBJECT = b'{"reason": "canary", "items": []}'


AS_JSON: Headers = MappingProxyType({"content-type": "application/json"})


class Endless:
    """A body of 60 MB in parts of 64 kB, with no length told; it knows how much of it was taken."""

    def __init__(self, part: bytes) -> None:
        self._part = part * (65_536 // len(part))
        self.taken = 0

    def __iter__(self) -> Iterator[bytes]:
        self.taken = 0
        for _ in range(MEGABYTES // len(self._part)):
            self.taken += len(self._part)
            yield self._part


class BodyFault(NamedTuple):
    """One row: a request's body and headers, and the refusal they are to get."""

    name: str
    body: Body
    status: int = 400
    code: str = "body_invalid"
    field: str = "body"
    headers: Headers = AS_JSON

    @property
    def refusal(self) -> tuple[int, str, str]:
        return self.status, self.code, self.field


def _headers(content_type: str, **others: str) -> Headers:
    return {"content-type": content_type, **{name.replace("_", "-"): value for name, value in others.items()}}


NO_JSON = [
    BodyFault("empty", b""),
    BodyFault("blank", b" \r\n\t "),
    BodyFault("a word", b"canary"),
    BodyFault("truncated object", b'{"canary": 1'),
    BodyFault("truncated key", b'{"canary'),
    BodyFault("truncated list", b'{"items": ["canary", '),
    BodyFault("truncated escape", b'{"canary": "\\u12'),
    BodyFault("truncated number", b'{"canary": -'),
    BodyFault("truncated word", b'{"canary": tru'),
    BodyFault("no value", b'{"canary":}'),
    BodyFault("no key", b"{canary: 1}"),
    BodyFault("number as key", b'{1: "canary"}'),
    BodyFault("single quotes", b"{'canary': 1}"),
    BodyFault("comma at the end", b'{"canary": 1,}'),
    BodyFault("two objects", b'{"canary": 1}{"canary": 2}'),
    BodyFault("text behind", b'{"items": []} canary'),
    BodyFault("comment", b'{"canary": 1} // canary'),
    BodyFault("leading zero", b'{"canary": 007}'),
    BodyFault("leading plus", b'{"canary": +7}'),
    BodyFault("hexadecimal", b'{"canary": 0x7}'),
    BodyFault("bare point", b'{"canary": 7.}'),
    BodyFault("unknown escape", b'{"canary": "\\x41"}'),
    BodyFault("raw NUL", b'{"canary": "\x00"}'),
    BodyFault("raw line break", b'{"canary": "a\nb"}'),
    BodyFault("NUL behind", OBJECT + b"\x00"),
    BodyFault("form", b"canary=1&reason=canary"),
    BodyFault("XML", b"<canary/>"),
]
NO_UTF8 = [
    BodyFault("lone byte", b'{"canary": "\xff"}'),
    BodyFault("truncated letter", b'{"canary": "\xc3"}'),
    BodyFault("overlong NUL", b'{"canary": "\xc0\x80"}'),
    BodyFault("raw surrogate", b'{"canary": "\xed\xa0\x80"}'),
    BodyFault("latin-1", '{"canary": "ä"}'.encode("latin-1")),
    BodyFault("UTF-16", OBJECT.decode().encode("utf-16")),
    BodyFault("UTF-16 LE", OBJECT.decode().encode("utf-16-le")),
    BodyFault("UTF-32", OBJECT.decode().encode("utf-32")),
    BodyFault("byte order mark", b"\xef\xbb\xbf" + OBJECT),
    BodyFault("compressed", b"\x1f\x8b\x08\x00canary"),
]
NO_OBJECT = [
    BodyFault(name, body)
    for name, body in (
        ("null", b"null"),
        ("true", b"true"),
        ("number", b"5"),
        ("NaN", b"NaN"),
        ("text", b'"canary"'),
        ("list", b'[{"canary": 1}]'),
    )
]
TOO_MUCH = [
    BodyFault("lists without end", b"[" * 60_000),
    BodyFault("objects without end", b'{"a":' * 12_000),
    BodyFault("nested and closed", b'{"a":' + b"[" * 30_000 + b"]" * 30_000 + b"}"),
    BodyFault("a number of 5,000 digits", b'{"canary": ' + b"9" * 5_000 + b"}"),
    BodyFault("an exponent of 20 digits", b'{"canary": 1e99999999999999999999}'),
    BodyFault("a negative exponent of 20 digits", b'{"canary": 1e-99999999999999999999}'),
]
TWICE = [
    BodyFault("a key twice", b'{"reason": "a", "reason": "a"}', 422, field="reason"),
    BodyFault("items twice", b'{"items": [], "items": []}', 422, field="items"),
    BodyFault("a nested key twice", b'{"items": [{"userId": "a", "userId": "b"}]}', 422, field="userId"),
    BodyFault("a key and its escape", b'{"reason": "a", "re\\u0061son": "a"}', 422, field="reason"),
    BodyFault("an odd key twice", b'{"<canary>": 1, "<canary>": 1}'),
    BodyFault("a lone surrogate twice", b'{"\\ud800": 1, "\\ud800": 1}'),
]
MEDIA_TYPES = [
    BodyFault(f"type {told}", OBJECT, 415, "unsupported_media_type", "Content-Type", _headers(told))
    for told in (
        "text/plain",
        "text/html",
        "application/xml",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=canary",
        "application/octet-stream",
        "application/jsonx",
        "application/json, text/plain",
        "json",
        "*/*",
        "application/json; charset=utf-16",
        "application/json; charset=latin-1",
        'application/json; charset="iso-8859-1"',
        "application/json; charset=canary",
        "application/json; charset=",
        "\xe4\xff",
    )
]
JSON_BODIES = [*NO_JSON, *NO_UTF8, *NO_OBJECT, *TOO_MUCH, *TWICE, *MEDIA_TYPES]
"""For every route that takes JSON."""
LENGTHS = [
    BodyFault(
        "60 MB told", b"a" * 100, 413, "too_large", headers=_headers("application/json", content_length=str(MEGABYTES))
    ),
    BodyFault("60 MB not told", Endless(b"canary"), 413, "too_large"),
    BodyFault("60 MB of blanks", Endless(b" "), 413, "too_large"),
    BodyFault("negative length", OBJECT, 413, "too_large", headers=_headers("application/json", content_length="-1")),
    BodyFault(
        "length that is none", OBJECT, 413, "too_large", headers=_headers("application/json", content_length="x")
    ),
    BodyFault("empty length", OBJECT, 413, "too_large", headers=_headers("application/json", content_length="")),
    BodyFault(
        "length of 5,000 digits",
        OBJECT,
        413,
        "too_large",
        headers=_headers("application/json", content_length="9" * 5_000),
    ),
    BodyFault(
        "length in other digits", OBJECT, 413, "too_large", headers=_headers("application/json", content_length="\xb2")
    ),
]
ENVELOPES = [
    *(
        BodyFault(f"items {raw or 'missing'}", f'{{"items": {raw}}}'.encode() if raw else b"{}", 422, field="items")
        for raw in ("", "null", "5", "true", '"canary"', "{}", '{"0": {}}', "[]", "NaN")
    ),
    BodyFault("1,001 items", b'{"items": [' + b"{}," * 1_000 + b"{}]}", 413, "too_large", "items"),
    BodyFault("a field beside items", b'{"items": [{}], "itms": 1}', 422, field="itms"),
    BodyFault("an odd field beside items", b'{"items": [{}], "<canary>": 1}'),
    BodyFault("one item without a batch", b'{"userId": "ann"}', 422, field="userId"),
]
"""For the routes that take batches."""
LINES = [
    BodyFault(name, body, status, code, headers=_headers("application/x-ndjson"))
    for name, body, status, code in (
        ("no line", b"", 400, "body_invalid"),
        ("blank lines", b"\n \n\r\n\t\n", 400, "body_invalid"),
        ("a line of 70 kB", b'"' + b"a" * 70_000 + b'"\n', 413, "too_large"),
        ("a line that never ends", Endless(b"canary"), 413, "too_large"),
        ("blanks that never end", Endless(b" "), 413, "too_large"),
    )
] + [
    BodyFault(
        "60 MB of lines told",
        b"{}\n",
        413,
        "too_large",
        headers=_headers("application/x-ndjson", content_length=str(MEGABYTES)),
    ),
    BodyFault(
        "lines in UTF-16",
        b"{}\n",
        415,
        "unsupported_media_type",
        "Content-Type",
        _headers("application/x-ndjson; charset=utf-16"),
    ),
]
"""For the stream of lines, before one of them is answered."""
BAD_LINES = [
    fault
    for fault in (*NO_JSON, *NO_UTF8, *NO_OBJECT, *TOO_MUCH, *TWICE)
    if isinstance(fault.body, bytes) and fault.body.strip() and b"\n" not in fault.body
]
"""For one line among others."""
