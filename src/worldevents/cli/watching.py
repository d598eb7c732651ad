"""Staying with a goal: what it stands at, shown again at every change until Ctrl-C."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractContextManager, aclosing, contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING, Any

from worldevents.cli import output
from worldevents.cli.system import Place, Server, asked, server_of
from worldevents.errors import DatabaseOwned

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.table import Table
    from rich.text import Text

LOOK_S = 1.0
"""Without a server somebody has to look; in between, the database is left to others."""

Document = dict[str, Any]
Picture = Callable[[Document], "Sequence[Text | Table]"]
Show = Callable[[Document], None]


def watch(place: Place, goal: str, user: str | None, *, drawn: Picture, as_json: bool) -> None:
    """Show a goal's progress now and at every change: drawn for a terminal, else a line each; Ctrl-C ends it."""
    showing: AbstractContextManager[Show] = nullcontext(output.document_line if as_json else _tell)
    if output.has_bars() and not as_json:
        showing = _drawing(drawn)
    with suppress(KeyboardInterrupt), showing as show:
        asyncio.run(_watch(place, goal, user, show))


async def _watch(place: Place, goal: str, user: str | None, show: Show) -> None:
    server = server_of(place)
    told = _looked(place, goal, user) if server is None else _streamed(server, goal, user)
    shown: Document | None = None
    async with aclosing(told) as documents:
        async for document in documents:
            # When it was told is no change of it.
            state = {**document, "goal": {**document["goal"], "serverTime": None}}
            if state != shown:
                show(document)
                shown = state


async def _streamed(server: Server, goal: str, user: str | None) -> AsyncGenerator[Document]:
    from worldevents.client import Client

    async with Client(server.url, server.key) as client:
        # First of all, so that an unknown goal is told like everywhere else.
        yield await client.progress(goal, user)
        async with aclosing(client.updates(goal)) as updates:
            async for _ in updates:
                yield await client.progress(goal, user)


async def _looked(place: Place, goal: str, user: str | None) -> AsyncGenerator[Document]:
    yield await asked(place, lambda verbs: verbs.progress(goal, user))
    while True:
        await asyncio.sleep(LOOK_S)
        # Another command has it for the moment.
        with suppress(DatabaseOwned):
            yield await asked(place, lambda verbs: verbs.progress(goal, user))


@contextmanager
def _drawing(drawn: Picture) -> Iterator[Show]:
    from rich.console import Group
    from rich.live import Live

    with Live(console=output.console(), auto_refresh=False) as live:
        yield lambda document: live.update(Group(*drawn(document)), refresh=True)


def _tell(progress: Document) -> None:
    goal = progress["goal"]
    output.line(
        f"{goal['serverTime']}  {goal['percent']:.2f} %  {output.amount(goal['currentValue'])} of"
        f" {output.amount(goal['targetValue'], goal['unit'])} · {output.people(goal['participantCount'])}"
    )
