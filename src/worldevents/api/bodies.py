"""Request bodies: read within a limit, decoded strictly. Nothing of what cannot be decoded is ever said back.

Amounts stay exact: a JSON number is an int or a Decimal here, never a float. NaN and the infinities, which are no JSON
but which some encoders write, become Decimals too, so that the field they stand in can be named when it refuses them.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, MutableMapping
from decimal import Decimal, InvalidOperation
from itertools import takewhile
from typing import Any, Final

from worldevents import documents
from worldevents.errors import BodyInvalid, TooLarge, UnsupportedMediaType
from worldevents.problems import WHOLE_BODY, named

Headers = Mapping[bytes, bytes]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

JSON: Final = "application/json"
NDJSON: Final = "application/x-ndjson"
TOML: Final = "application/toml"

_LENGTH_DIGITS_MAX: Final = 20


class Gone(Exception):
    """The client left before its request was complete."""


def media_type(headers: Headers, *known: str) -> str:
    """The body's type, which has to be one of these; none at all is the first. Raises UnsupportedMediaType."""
    told = headers.get(b"content-type", b"").decode("latin-1") or known[0]
    if told in known:
        return told
    plain, *parameters = (part.strip().lower() for part in told.split(";"))
    charset = [one.partition("=")[2].strip('"') for one in parameters if one.startswith("charset=")]
    if plain not in known or any(one not in ("utf-8", "utf8") for one in charset):
        raise UnsupportedMediaType(f"this takes {' or '.join(known)} in UTF-8", field="Content-Type")
    return plain


def check_length(headers: Headers, limit: int) -> None:
    """Refuse a body that says itself that it is too large, before a byte of it is read. Raises TooLarge."""
    told = headers.get(b"content-length", b"0")
    if not told.isdigit() or len(told) > _LENGTH_DIGITS_MAX or int(told) > limit:
        raise _too_large(limit)


async def read(headers: Headers, receive: Receive, limit: int) -> bytes:
    """The whole body, cut while it comes in if it is over the limit. Raises TooLarge; Gone if the client left."""
    check_length(headers, limit)
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body", False):
        body: bytes = message.get("body", b"")
        if len(body) > limit:
            raise _too_large(limit)
        return body
    parts = bytearray()
    while message["type"] == "http.request":
        parts += message.get("body", b"")
        if len(parts) > limit:
            raise _too_large(limit)
        if not message.get("more_body", False):
            return bytes(parts)
        message = await receive()
    raise Gone


async def lines(receive: Receive, *, limit: int, longest: int) -> AsyncGenerator[list[bytes]]:
    """The body's lines as they arrive, those of one chunk together; blank ones are left out.

    A last line needs no line break. Raises TooLarge for a longer line, when all before it are given out, and for a
    longer body; Gone if the client left: what it had not finished is never given out.
    """
    read_so_far, rest, more = 0, b"", True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            raise Gone
        chunk, more = message.get("body", b""), message.get("more_body", False)
        read_so_far += len(chunk)
        if read_so_far > limit:
            raise _too_large(limit)
        *whole, rest = (rest + chunk).split(b"\n")
        if not more:
            whole, rest = [*whole, rest], b""
        short = list(takewhile(lambda line: len(line) <= longest, whole))
        found = [line for line in short if line.strip()]
        if found:
            yield found
        if len(short) < len(whole) or len(rest) > longest:
            raise TooLarge(f"a line is at most {longest:,} bytes", field=WHOLE_BODY)


def decode(body: bytes, with_decoder: json.JSONDecoder | None = None) -> Any:
    """JSON of any kind. Raises BodyInvalid: for text that is none, keys that stand twice, and nesting without end."""
    try:
        return (with_decoder or _DECODER).decode(body.decode())
    except UnicodeDecodeError:
        raise BodyInvalid("the body is not UTF-8", field=WHOLE_BODY) from None
    except json.JSONDecodeError as error:
        raise BodyInvalid(f"this is not JSON from letter {error.pos + 1} on", field=WHOLE_BODY) from None
    except (ValueError, InvalidOperation):
        raise BodyInvalid("a number with too many digits", field=WHOLE_BODY) from None
    except RecursionError:
        raise BodyInvalid("nested too deeply", field=WHOLE_BODY) from None


def decode_object(body: bytes) -> dict[str, Any]:
    """A JSON object. Raises BodyInvalid."""
    told = decode(body)
    if not isinstance(told, dict):
        raise BodyInvalid("an object is wanted here", field=WHOLE_BODY)
    return told


def items(body: bytes, most: int) -> list[Any]:
    """The `items` of a batch, 1 to `most`. Raises BodyInvalid, TooLarge."""
    told = decode_object(body)
    documents.only(told, {"items"})
    found = told.get("items")
    if not isinstance(found, list) or not found:
        raise BodyInvalid(f"a list of 1 to {most:,} items", field="items")
    if len(found) > most:
        raise TooLarge(f"at most {most:,} items in one call", field="items")
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise BodyInvalid("stands twice in one object", field=named(name))
            seen.add(name)
    return found


def decoder(*, parse_float: Callable[[str], Any], parse_constant: Callable[[str], Any]) -> json.JSONDecoder:
    """What reads JSON in which no key stands twice, for `decode`."""
    return json.JSONDecoder(object_pairs_hook=_once, parse_float=parse_float, parse_constant=parse_constant)


_DECODER: Final = decoder(parse_float=Decimal, parse_constant=Decimal)


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"this takes at most {limit:,} bytes", field=WHOLE_BODY)
