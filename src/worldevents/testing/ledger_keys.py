"""Law 8 of the ledger: access keys, kept for ever and revoked once."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from worldevents.access_keys import AccessKey, KeyKind, Right
from worldevents.errors import BodyInvalid, UnknownKey
from worldevents.ledger.base import Ledger
from worldevents.testing.builders import DURING, a_contribution, a_key
from worldevents.testing.ledger_counting import keep
from worldevents.testing.opened import LedgerOpener, ledger_state

LATER = DURING + timedelta(hours=1)


class KeyLaws:
    """Law 8; `LedgerLaws` adds the fixtures."""

    async def test_law_8_a_key_comes_back_as_it_was(self, open_ledger: LedgerOpener, empty: Ledger) -> None:
        """Law 8: every field of every key is read back, also by who opens the ledger later."""
        kept = [
            a_key("k1"),
            a_key("k2", kind=KeyKind.PUBLIC, rights=[Right.READ], goals=["volume", "workouts"]),
            replace(
                a_key("k3", rights=Right), name="Бот “1” \N{SNOWMAN}", created_at=DURING + timedelta(microseconds=1)
            ),
        ]
        for key in kept:
            await empty.add_key(key)
        assert kept == await empty.keys()
        async with open_ledger() as reopened:
            assert kept == await reopened.keys()

    async def test_law_8_keys_come_oldest_first(self, empty: Ledger) -> None:
        """Law 8: by the time they were made, then by id."""
        assert await empty.keys() == []
        for key in (a_key("b"), a_key("c"), replace(a_key("d"), created_at=DURING - timedelta(days=1)), a_key("a")):
            await empty.add_key(key)
        assert ["d", "a", "b", "c"] == [key.id for key in await empty.keys()]

    async def test_law_8_a_key_added_again_is_the_same_key(self, empty: Ledger) -> None:
        """Law 8: a repeat changes nothing, and does not bring a revoked key back."""
        await empty.add_key(a_key("k1"))
        revoked = await empty.revoke_key("k1", LATER)
        await empty.add_key(a_key("k1"))
        assert [revoked] == await empty.keys()

    @pytest.mark.parametrize("change", [{"digest": b"another".ljust(32)}, {"id": "k2"}])
    async def test_law_8_an_id_is_one_keys_own(self, empty: Ledger, change: dict[str, object]) -> None:
        """Law 8: a second key with the id or the digest of a first one is refused; the first stands."""
        await empty.add_key(a_key("k1"))
        other: AccessKey = replace(a_key("k1"), **change)  # type: ignore[arg-type]
        with pytest.raises(BodyInvalid) as refused:
            await empty.add_key(other)
        assert refused.value.field == "id"
        assert [a_key("k1")] == await empty.keys()

    async def test_law_8_a_key_is_revoked_once(self, open_ledger: LedgerOpener, empty: Ledger) -> None:
        """Law 8: the first instant stays, other keys are left alone, and the row remains."""
        for name in ("k1", "k2"):
            await empty.add_key(a_key(name))
        expected = replace(a_key("k1"), revoked_at=LATER)
        assert expected == await empty.revoke_key("k1", LATER)
        assert expected == await empty.revoke_key("k1", LATER + timedelta(days=1))
        async with open_ledger() as reopened:
            assert [expected, a_key("k2")] == await reopened.keys()

    async def test_law_8_an_unknown_key_cannot_be_revoked(self, empty: Ledger) -> None:
        """Law 8: what was never made is said to be unknown."""
        await empty.add_key(a_key("k1"))
        with pytest.raises(UnknownKey):
            await empty.revoke_key("k2", LATER)
        assert [a_key("k1")] == await empty.keys()

    async def test_law_8_keys_are_written_beside_another_writer(
        self, open_ledger: LedgerOpener, ledger: Ledger
    ) -> None:
        """Law 8: a second process makes and revokes keys while the first appends; both see what was done."""
        async with open_ledger() as other:
            appends = (ledger.append([a_contribution(f"c{number}")], keep()) for number in range(20))
            await asyncio.gather(*appends, *(other.add_key(a_key(f"k{number}")) for number in range(5)))
            assert 5 == len(await ledger.keys())
            await other.revoke_key("k3", LATER)
        assert ["k3"] == [key.id for key in await ledger.keys() if key.revoked_at is not None]
        assert 200 == (await ledger.totals())["volume"].total

    async def test_law_8_keys_change_nothing_else(self, ledger: Ledger) -> None:
        """Law 8: totals, versions and everything that players see stay as they were."""
        before = await ledger_state(ledger)
        await ledger.add_key(a_key("k1"))
        await ledger.revoke_key("k1", LATER)
        assert before == await ledger_state(ledger)
