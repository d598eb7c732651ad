"""The routes that take contributions and actions: bare ASGI callables, because most of all requests end here.

Each reads the body within its limit, decodes strictly, calls one verb of the engine and answers. What is wrong with one
item of a batch is said in that item's place.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from functools import partial
from typing import Any, Final

from worldevents import codec, documents
from worldevents.actions import Action
from worldevents.api import bodies
from worldevents.api.answers import RawHeaders, Send, encode, send_json
from worldevents.api.bodies import Headers, Receive
from worldevents.auth import Caller
from worldevents.engine import Engine, Offer
from worldevents.errors import BodyInvalid, Forbidden, IdInvalid, TooLarge, WorldEventsError
from worldevents.model import Ack
from worldevents.problems import WHOLE_BODY
from worldevents.settings import Settings

LINES_PER_CALL: Final = 1_000
"""Lines of one stream that go to the engine together."""
_NDJSON_HEADERS: Final = [(b"content-type", bodies.NDJSON.encode()), (b"x-accel-buffering", b"no")]


class ContributionRoutes:
    """`POST` of one contribution, of many, and of actions."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self._engine = engine
        self._settings = settings

    async def one(self, goal_id: str, caller: Caller, headers: Headers, receive: Receive, send: Send) -> None:
        """One contribution to one goal -> 201 Receipt; a repeat 200; held or late 202."""
        bodies.media_type(headers, bodies.JSON)
        item = bodies.decode_object(await bodies.read(headers, receive, self._settings.body_max))
        _take_id_from(headers, item)
        offer = documents.offer(item, goal_id=goal_id)
        self._check(caller, offer)
        ack = preferred_ack(headers)
        (answer,) = await self._engine.contribute_many([offer], ack=ack)
        if isinstance(answer, WorldEventsError):
            raise answer
        status = documents.receipt_status(answer)
        await send_json(send, status, codec.receipt(answer), self._applied(ack))

    async def many(self, caller: Caller, headers: Headers, receive: Receive, send: Send) -> None:
        """Contributions to any goals, as one JSON document or as lines."""
        if bodies.media_type(headers, bodies.JSON, bodies.NDJSON) == bodies.NDJSON:
            await self._stream(caller, headers, receive, send)
            return
        body = await bodies.read(headers, receive, self._settings.batch_body_max)
        items = bodies.items(body, self._settings.items_max)
        ack = preferred_ack(headers)
        answers = await documents.contribute_many(self._engine, items, partial(self._offer, caller), ack=ack)
        await send_json(send, 200, {"results": [documents.result(one) for one in answers]}, self._applied(ack))

    async def actions(self, caller: Caller, headers: Headers, receive: Receive, send: Send) -> None:
        """Game actions, each to every open goal that it feeds. Raises Forbidden for who may not feed them all."""
        caller.require_actions()
        bodies.media_type(headers, bodies.JSON)
        body = await bodies.read(headers, receive, self._settings.batch_body_max)
        items = bodies.items(body, self._settings.items_max)
        ack = preferred_ack(headers)
        told = await documents.record_many(self._engine, items, partial(_action, caller), ack=ack)
        await send_json(send, 200, {"results": [documents.recorded(one) for one in told]}, self._applied(ack))

    def _applied(self, asked: Ack | None) -> RawHeaders:
        """What is answered to who asked for an acknowledgement: the one that was given, which may be a safer one."""
        return [] if asked is None else [(b"preference-applied", f"ack={self._engine.ack(asked)}".encode())]

    def _offer(self, caller: Caller, item: object) -> Offer:
        offer = documents.offer(item)
        self._check(caller, offer)
        return offer

    def _check(self, caller: Caller, offer: Offer) -> None:
        """What this caller may not say or do is refused. Raises Forbidden, UnknownGoal."""
        if caller.is_unbounded:
            return
        caller.require_contribute(self._engine.goal(offer.goal_id))
        caller.check_user(offer.user_id)
        if offer.occurred_at is not None and not caller.trusted:
            raise Forbidden("only a trusted caller says when something happened", field="occurredAt")

    # Lines.

    async def _stream(self, caller: Caller, headers: Headers, receive: Receive, send: Send) -> None:
        bodies.check_length(headers, self._settings.stream_body_max)
        answers = _Answers(send)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(answers.run())
            try:
                await self._act_on_lines(caller, receive, answers, preferred_ack(headers))
            except bodies.Gone:
                # What was acted on is kept, as after every answer that is lost.
                return
            except WorldEventsError as error:
                answers.fail(error)
            finally:
                answers.end()
        if answers.failure is not None:
            raise answers.failure

    async def _act_on_lines(self, caller: Caller, receive: Receive, answers: _Answers, ack: Ack | None) -> None:
        settings = self._settings
        found = bodies.lines(receive, limit=settings.stream_body_max, longest=settings.body_max)
        async with aclosing(found):
            async for lines in found:
                taken = lines[: settings.lines_max - answers.lines]
                for start in range(0, len(taken), LINES_PER_CALL):
                    answers.put(await self._act(caller, taken[start : start + LINES_PER_CALL], ack))
                if len(taken) < len(lines):
                    raise TooLarge(f"at most {settings.lines_max:,} lines in one call", field=WHOLE_BODY)
        if not answers.lines:
            raise BodyInvalid("a stream has at least one line", field=WHOLE_BODY)

    async def _act(self, caller: Caller, lines: Sequence[bytes], ack: Ack | None) -> list[dict[str, Any]]:
        def read(line: object) -> Offer:
            assert isinstance(line, bytes)  # noqa: S101 - of our own making
            return self._offer(caller, bodies.decode_object(line))

        answers = await documents.contribute_many(self._engine, lines, read, ack=ack)
        return [documents.result(one) for one in answers]


class _Answers:
    """The result lines of a stream, on their way out while its lines still come in.

    A client that reads nothing before it has sent everything must not be waited for: what it has not read yet is kept.
    """

    def __init__(self, send: Send) -> None:
        self._send = send
        self._ready: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.lines = 0
        self.failure: WorldEventsError | None = None
        """What went wrong before any line was answered: then there is no 200 to be taken back."""

    def put(self, results: Sequence[dict[str, Any]]) -> None:
        self.lines += len(results)
        self._ready.put_nowait(b"".join(encode(one) + b"\n" for one in results))

    def fail(self, error: WorldEventsError) -> None:
        if self.lines:
            self.put([documents.refusal(error)])
        else:
            self.failure = error

    def end(self) -> None:
        self._ready.put_nowait(None)

    async def run(self) -> None:
        started = False
        while (chunk := await self._ready.get()) is not None:
            if not started:
                await self._send({"type": "http.response.start", "status": 200, "headers": _NDJSON_HEADERS})
                started = True
            await self._send({"type": "http.response.body", "body": chunk, "more_body": True})
        if started:
            await self._send({"type": "http.response.body", "body": b""})


def _action(caller: Caller, item: object) -> Action:
    action = documents.action(item)
    if action.occurred_at is not None and not caller.trusted:
        raise Forbidden("only a trusted caller says when something happened", field="occurredAt")
    return action


def preferred_ack(headers: Headers) -> Ack | None:
    """The acknowledgement of a `Prefer` header (RFC 7240), or None; other preferences are not for us.

    Raises BodyInvalid for one that there is not.
    """
    told = headers.get(b"prefer")
    for preference in () if told is None else told.decode("latin-1").split(","):
        name, _, value = preference.partition(";")[0].partition("=")
        if name.strip().lower() == "ack":
            try:
                return Ack(value.strip().strip('"'))
            except ValueError:
                raise BodyInvalid(f"an ack is {', '.join(Ack)}", field="Prefer") from None
    return None


def _take_id_from(headers: Headers, item: dict[str, Any]) -> None:
    """`Idempotency-Key` stands for the contribution's id; it may be quoted, as structured fields are."""
    told = headers.get(b"idempotency-key")
    if told is None:
        return
    text = told.decode("latin-1").strip()
    key = text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text
    if item.setdefault("contributionId", key) != key:
        raise IdInvalid("the body and Idempotency-Key name different ids", field="contributionId")
