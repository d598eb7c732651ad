"""Who is let in: keys by their text, open mode, the run token, and a view that follows the table."""

import asyncio
import logging
import secrets
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worldevents.auth import Access, AccessKey, Caller, KeyKind, NewKey, Right, new_key
from worldevents.auth.access import bearer_of
from worldevents.auth.callers import OPEN, OPERATOR
from worldevents.errors import LedgerUnavailable, Unauthorized
from worldevents.testing.builders import DURING

RUN_TOKEN = "run-" + "t" * 40


class Table:
    """The table of keys, as a ledger would give it; tells who waits when it was read."""

    def __init__(self, *new: NewKey) -> None:
        self.keys = [one.key for one in new]
        self.failing = False
        self._read: dict[int, asyncio.Event] = {}
        self._reads = 0

    async def load(self) -> list[AccessKey]:
        self._reads += 1
        self._read.setdefault(self._reads, asyncio.Event()).set()
        if self.failing:
            raise LedgerUnavailable
        return list(self.keys)

    async def read_again(self) -> None:
        """Wait until it has been read by who did not start reading before this call."""
        # The second from now: what the first one found may still be on its way.
        await self._read.setdefault(self._reads + 2, asyncio.Event()).wait()


def a_new_key(**told: Any) -> NewKey:
    return new_key("test", created_at=DURING, randomness=secrets.token_bytes(32), **told)


def revoked(new: NewKey) -> NewKey:
    return replace(new, key=replace(new.key, revoked_at=DURING + timedelta(hours=1)))


async def an_access(*new: NewKey, **told: Any) -> Access:
    """Open the view of a table with these keys."""
    access = Access(Table(*new).load, **told)
    await access.refresh()
    return access


async def who(access: Access, authorization: str | None = None, apikey: str | None = None) -> Caller | None:
    """Who is let in, or None."""
    try:
        return await access.caller(authorization, apikey)
    except Unauthorized:
        return None


# Keys.


async def test_a_key_is_known_by_its_text() -> None:
    """As a bearer, as an apikey, in a header's bytes: the same caller, the same object."""
    server, page = a_new_key(), a_new_key(kind=KeyKind.PUBLIC)
    access = await an_access(server, page)
    for new in (server, page):
        caller = await access.caller(f"Bearer {new.text}")
        assert (f"key:{new.key.id}", new.key.hint, new.key.rights) == (caller.id, caller.hint, caller.rights)
        assert caller is await access.caller(None, new.text)
        assert caller is await access.caller(f"bearer   {new.text} ", "whatever")
        assert caller is access.caller_of_key(new.text)
        assert caller is access.caller_of_key(new.text.encode())


async def test_nobody_else_is_let_in() -> None:
    """Without a key, with a part of one, a letter more, another prefix; revoked, or made elsewhere."""
    known, gone, elsewhere = a_new_key(), revoked(a_new_key()), a_new_key()
    access = await an_access(known, gone)
    text = known.text
    wrong = [
        text[:-1],
        text + "A",
        text.upper(),
        text[:-1] + ("A" if text[-1] != "A" else "B"),
        text.replace("we_secret_", "we_pub_"),
        known.key.hint,
        known.key.digest.hex(),
        known.key.id,
        gone.text,
        elsewhere.text,
        "we_",
        "",
        "*",
        "x" * 100_000,
    ]
    assert [None] * 2 == [await who(access), await who(access, None, "")]
    for one in wrong:
        assert (None, None) == (await who(access, f"Bearer {one}"), await who(access, None, one))
        assert access.caller_of_key(one) is None


@given(st.text() | st.binary())
async def test_any_text_is_a_key_or_is_none(text: str | bytes) -> None:
    """Whatever is sent, nothing but None comes of what is no key; nothing but Unauthorized of a header."""
    access = await an_access(a_new_key(), run_token=RUN_TOKEN)
    assert access.caller_of_key(text) is None
    told = text if isinstance(text, str) else text.decode("latin-1")
    assert (None, None, None) == (
        await who(access, told),
        await who(access, f"Bearer {told}"),
        await who(access, None, told),
    )


@pytest.mark.parametrize(
    "header", ["Basic dTpw", "we_secret_x", "Bearer", "Bearer ", "Bearer a b", "Bearera b", "Token abc", ","]
)
async def test_another_scheme_is_refused(header: str) -> None:
    """What is no bearer is a mistake that is named, in open mode too."""
    for access in (await an_access(a_new_key()), await an_access()):
        with pytest.raises(Unauthorized, match="word Bearer"):
            await access.caller(header)


@pytest.mark.parametrize(
    ("expected", "header"), [(None, None), (None, ""), (None, "  "), ("x", "Bearer x"), ("x", "\tBEARER\tx")]
)
def test_a_bearer_is_read_from_its_header(expected: str | None, header: str | None) -> None:
    """The word in any case, spaces around it, and no header at all."""
    assert expected == bearer_of(header)


# Open mode.


async def test_without_any_key_everybody_may_do_everything() -> None:
    """Nothing shown, or any apikey, also said twice as a Supabase client does: trusted, with all rights."""
    access = await an_access()
    assert access.is_open
    for apikey in (None, "", "anything", "we_pub_wrong", "x" * 100_000):
        assert OPEN is await access.caller(None, apikey)
    assert OPEN is await access.caller("Bearer anything", "anything")
    assert (frozenset(Right), True) == (OPEN.rights, OPEN.is_unbounded)


async def test_a_wrong_key_is_refused_in_open_mode_too() -> None:
    """A key as a bearer is never silently ignored, said twice or not; nor is another bearer."""
    access, text = await an_access(), a_new_key().text
    for authorization, apikey in ((text, None), (text, text), ("anything", None), ("anything", "else")):
        assert await who(access, f"Bearer {authorization}", apikey) is None


async def test_a_revoked_key_keeps_the_door_closed() -> None:
    """Revoking the last key lets nobody in; it does not open what was closed."""
    access = await an_access(revoked(a_new_key()))
    assert not access.is_open
    assert [None, None] == [await who(access), await who(access, None, "anything")]


async def test_before_the_table_was_read_nobody_is_let_in() -> None:
    """A server that does not know its keys yet is not open."""
    access = Access(Table().load, run_token=RUN_TOKEN)
    assert not access.is_open
    assert await who(access) is None
    assert OPERATOR is await who(access, f"Bearer {RUN_TOKEN}")


# The run token.


async def test_the_run_token_operates() -> None:
    """The command line on the same machine has all rights, in open mode and with keys; its token is no user's."""
    for access in (await an_access(run_token=RUN_TOKEN), await an_access(a_new_key(), run_token=RUN_TOKEN)):
        assert OPERATOR is await access.caller(f"Bearer {RUN_TOKEN}")
        assert await who(access, f"Bearer {RUN_TOKEN[:-1]}") is None
    assert (frozenset(Right), True) == (OPERATOR.rights, OPERATOR.is_unbounded)


@pytest.mark.parametrize("empty", [None, ""])
async def test_no_run_token_is_no_way_in(empty: str | None) -> None:
    """An empty token is not a token."""
    access = await an_access(a_new_key(), run_token=empty)
    assert [None, None] == [await who(access, "Bearer "), await who(access, None, "")]
    assert access.caller_of_key("") is None


# Following the table.


async def test_the_view_follows_the_table() -> None:
    """A new key is known after the next reading, a revoked one is not; the first key ends open mode."""
    first, second = a_new_key(), a_new_key()
    table = Table()
    access = Access(table.load, refresh_s=0.001)
    await access.refresh()
    running = asyncio.create_task(access.run())
    try:
        assert OPEN is await who(access)
        table.keys = [first.key, second.key]
        await table.read_again()
        assert (None, False) == (await who(access), access.is_open)
        assert await who(access, f"Bearer {first.text}") is not None
        table.keys = [revoked(first).key, second.key]
        await table.read_again()
        assert await who(access, f"Bearer {first.text}") is None
        assert await who(access, f"Bearer {second.text}") is not None
    finally:
        running.cancel()
        await asyncio.wait([running])


async def test_known_keys_hold_while_the_ledger_is_away(caplog: pytest.LogCaptureFixture) -> None:
    """A reading that fails changes nothing and is logged once, until one works again."""
    new, table = a_new_key(), Table()
    table.keys = [new.key]
    access = Access(table.load, refresh_s=0.001)
    await access.refresh()
    running = asyncio.create_task(access.run())
    try:
        for count in (1, 2):
            table.failing = True
            await table.read_again()
            await table.read_again()
            assert await who(access, f"Bearer {new.text}") is not None
            assert count == len([one for one in caplog.records if one.levelno == logging.WARNING])
            table.failing = False
            await table.read_again()
    finally:
        running.cancel()
        await asyncio.wait([running])


async def test_a_failure_that_is_no_ledgers_is_loud() -> None:
    """What nobody has thought of ends the task, and with it the server."""

    async def broken() -> list[AccessKey]:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        await Access(broken, refresh_s=0).run()


async def test_no_key_is_ever_shown(caplog: pytest.LogCaptureFixture) -> None:
    """Neither logs nor errors nor reprs hold a key that was shown, right or wrong, nor the run token."""
    caplog.set_level(logging.DEBUG)
    known, wrong = a_new_key(), a_new_key()
    access = await an_access(known, run_token=RUN_TOKEN)
    shown = [repr(access), repr(await access.caller(f"Bearer {known.text}")), repr(await who(access, RUN_TOKEN))]
    shown.append(repr(await access.caller(f"Bearer {RUN_TOKEN}")))
    for authorization, apikey in ((f"Bearer {wrong.text}", None), (wrong.text, None), (None, wrong.text)):
        with pytest.raises(Unauthorized) as refused:
            await access.caller(authorization, apikey)
        shown += [repr(refused.value), str(refused.value), refused.value.detail]
    told = "\n".join([*shown, caplog.text])
    for canary in (known.text, wrong.text, RUN_TOKEN, known.text[-20:], wrong.text[-20:]):
        assert canary not in told
