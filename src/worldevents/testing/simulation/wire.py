"""The way from a process to a server: it takes its time, and loses calls and answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Generic, NamedTuple, TypeVar, TypeVarTuple

from worldevents.errors import WorldEventsError
from worldevents.testing.simulation.loop import VirtualLoop

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

DELAY_S = 0.004
"""A call and its answer take up to this, each; one in SLOW_ONE_IN takes SLOW_TIMES as long."""
SLOW_ONE_IN = 24
SLOW_TIMES = 40
AT_ONCE = 0.5
"""How many answers, of one, come back before anything else happens."""
LATEST_S = 2 * DELAY_S * SLOW_TIMES**2
"""After so long everything has arrived."""


@dataclass(slots=True)
class Process:
    """What can be killed; from then on it calls nothing, and what it had called may still be done."""

    name: str
    is_dead: bool = False


@dataclass(slots=True)
class Trouble:
    """How often a call does not go well, of one; 0 once the faults are over."""

    refused: float
    """It fails, and nothing is done."""
    late: float
    """It fails, and is done all the same, later."""
    lost: float
    """It is done, and its answer is lost."""

    def end(self) -> None:
        """No more of it."""
        self.refused = self.late = self.lost = 0.0


class _Call(NamedTuple, Generic[T]):
    """A call on its way."""

    answered: asyncio.Future[T]
    process: Process
    do: Callable[..., T]
    arguments: tuple[object, ...]
    run: int
    """The run of the server that it is meant for."""


class Wire:
    """Calls to one server, from everywhere."""

    def __init__(
        self,
        name: str,
        loop: VirtualLoop,
        rng: Random,
        trouble: Trouble,
        *,
        failure: Callable[[], WorldEventsError],
        say: Callable[[str], None] | None,
    ) -> None:
        self.is_away = False
        self.runs = 1
        """Calls to an earlier run of the server fail, and are not done."""
        self._name = name
        self._loop = loop
        self._after = loop.after
        self._random = rng.random
        self._trouble = trouble
        self._failure = failure
        self._say = say

    def call(self, process: Process, function: Callable[[*Ts], T], *arguments: *Ts) -> asyncio.Future[T]:
        """Have this done in one step over there, and say what it said."""
        if process.is_dead:
            raise asyncio.CancelledError
        answered: asyncio.Future[T] = asyncio.Future(loop=self._loop)
        self._after(self._delay(), self._arrive, _Call(answered, process, function, arguments, self.runs))
        return answered

    def _delay(self) -> float:
        random = self._random
        return DELAY_S * random() * (SLOW_TIMES if random() * SLOW_ONE_IN < 1 else 1)

    def _arrive(self, call: _Call[T]) -> None:
        trouble, fate = self._trouble, self._random()
        if call.run != self.runs or self.is_away or fate < trouble.refused:
            self._note(call, "refused")
            self._after(self._delay(), _fail, call.answered, self._failure())
        elif fate < trouble.refused + trouble.late:
            self._note(call, "late")
            _fail(call.answered, self._failure())
            self._after(self._delay() * SLOW_TIMES, self._afterwards, call)
        else:
            self._do(call, is_lost=fate > 1 - trouble.lost)

    def _do(self, call: _Call[T], *, is_lost: bool) -> None:
        answered, _, do, arguments, _ = call
        try:
            value = do(*arguments)
        except WorldEventsError as error:
            self._note(call, error.code)
            self._after(self._delay(), _fail, answered, error)
            return
        if self._say is not None:
            self._note(call, "answer lost" if is_lost else _told(value))
        if is_lost:
            self._after(self._delay(), _fail, answered, self._failure())
        elif self._random() < AT_ONCE:
            _answer(answered, value)
        else:
            self._after(self._delay(), _answer, answered, value)

    def _afterwards(self, call: _Call[T]) -> None:
        if call.run != self.runs or self.is_away:
            return
        try:
            call.do(*call.arguments)
        except WorldEventsError as error:
            self._note(call, f"late: {error.code}")
        else:
            self._note(call, "late: done")

    def _note(self, call: _Call[T], outcome: str) -> None:
        if self._say is not None:
            self._say(f"{call.process.name} {self._name}.{call.do.__name__}: {outcome}")


def _told(value: object) -> str:
    """The same in any process."""
    return str(sorted(value) if isinstance(value, frozenset) else value)


def _answer(answered: asyncio.Future[T], value: T) -> None:
    if not answered.done():
        answered.set_result(value)


def _fail(answered: asyncio.Future[T], error: WorldEventsError) -> None:
    if not answered.done():
        answered.set_exception(error)
