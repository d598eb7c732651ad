"""A memory in Redis that is built again: interrupted, taken over, begun twice; and what is said of what was lost."""

import re
from collections.abc import AsyncIterator, Sequence

import pytest

from tests.store.inside import VOLUME, Opened
from worldevents.errors import LedgerUnavailable
from worldevents.store.base import UserRecord
from worldevents.testing.builders import a_contribution
from worldevents.testing.store_buffering import ANOTHER, OWN, restoration


async def _interrupted(opened: Opened, how: str, after: str) -> bool:
    """Restore, and let something happen while the users are filled in, or the ids."""

    async def users() -> AsyncIterator[Sequence[UserRecord]]:
        if after == "wipe":
            _happen(opened, how)
        yield [UserRecord(user_id="ann", amount=3, pending=0)]
        if after == "users":
            _happen(opened, how)

    assert await opened.store.shut({VOLUME: opened.field("epoch") or None}, token=OWN)
    told = restoration("9-new", users())
    return await opened.store.restore("volume", told, token=OWN)


def _happen(opened: Opened, how: str) -> None:
    if how == "flush":
        opened.client.flushall()
    else:
        # The lease is over, and somebody else has shut it.
        opened.client.hset(opened.key("state"), "token", "another")


@pytest.mark.parametrize("how", ["flush", "takeover"])
@pytest.mark.parametrize("after", ["wipe", "users"])
async def test_an_interrupted_restoration_opens_nothing(opened: Opened, how: str, after: str) -> None:
    """Memory that was lost again, or that is somebody else's now: who comes too late opens nothing."""
    await opened.tell(a_contribution("a", 5))
    assert await opened.syncer.once()
    assert not await _interrupted(opened, how, after)
    assert "1" != opened.field("open")
    opened.client.hdel(opened.key("state"), "token")
    assert await opened.syncer.once()
    assert 5 == (await opened.store.state("volume")).total


async def test_an_attempt_from_before_opens_nothing(opened: Opened) -> None:
    """A call that was on its way while its goal was shut again comes too late."""
    base = opened.key("")[:-1]
    seen = opened.field("epoch")
    assert await opened.store.shut({VOLUME: seen}, token=OWN)
    assert 1 == opened.client.fcall("worldevents_wipe", 1, base, "own", "8-old")
    assert await opened.store.shut({VOLUME: None}, token=OWN)
    assert 0 == opened.client.fcall("worldevents_reopen", 1, base, "own", "8-old", "1", "0", "0", "[]")


async def test_who_is_silent_for_too_long_is_followed(opened: Opened) -> None:
    """After the lease somebody else may restore."""
    seen = opened.field("epoch")
    assert await opened.store.shut({VOLUME: seen}, token=OWN)
    assert not await opened.store.shut({VOLUME: seen}, token=ANOTHER)
    touched = int(opened.field("touched"))
    opened.client.hset(opened.key("state"), "touched", str(touched - 10_001))
    assert await opened.store.shut({VOLUME: seen}, token=ANOTHER)


async def test_how_much_is_lost_is_told(
    opened: Opened, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What waited when the memory was last seen is the most that can be lost with it, and that is said, once."""

    async def away(*_: object, **__: object) -> None:
        raise LedgerUnavailable

    await opened.tell(a_contribution("kept", 1))
    assert await opened.syncer.once()
    with monkeypatch.context() as patched:
        patched.setattr(opened.ledger, "drain", away)
        await opened.tell(a_contribution("a", 5), a_contribution("b", 6))
        assert not await opened.syncer.once()
    opened.client.flushall()
    assert await opened.syncer.once()
    assert await opened.syncer.once()
    assert ["2 contributions waited"] == re.findall(r"\d+ contributions waited", caplog.text)
    assert 1 == (await opened.store.state("volume")).total


async def test_what_somebody_else_restores_is_no_loss(
    opened: Opened, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A goal that is wiped by who restores it is not lost: what waited there was rescued first."""

    async def away(*_: object, **__: object) -> None:
        raise LedgerUnavailable

    with monkeypatch.context() as patched:
        patched.setattr(opened.ledger, "drain", away)
        await opened.tell(a_contribution("a", 5))
        assert not await opened.syncer.once()
    assert await opened.store.shut({VOLUME: opened.field("epoch")}, token=ANOTHER)
    assert 1 == opened.client.fcall("worldevents_wipe", 1, opened.key("")[:-1], ANOTHER, "9-new")
    assert not await opened.syncer.once()
    assert "lost" not in caplog.text
    opened.client.hset(opened.key("state"), "touched", "0")
    assert await opened.syncer.once()
    assert "a restoration was not finished" in caplog.text


async def test_names_are_there_again(opened: Opened) -> None:
    """The names of users went with the memory of all goals: the one who builds it again tells them again."""
    await opened.tell(a_contribution("a", 5, display_name="Ann"))
    assert await opened.syncer.once()
    opened.client.flushall()
    assert await opened.syncer.once()
    found = await opened.store.leaderboard("volume", limit=1)
    assert ["Ann"] == [row.display_name for row in found.contributors]
