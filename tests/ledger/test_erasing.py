"""An erased user is in no column of any table: the list of places is whole, and each of them is seen to."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncIterator, Callable
from datetime import date
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio
from sqlalchemy import Connection, Text, insert, select, update

from worldevents import movements
from worldevents.ledger import open_ledger
from worldevents.ledger.database import Database, parse_url
from worldevents.ledger.erasing import NAMING
from worldevents.ledger.outward import FullLedger
from worldevents.ledger.schema import dead_letter, grant_job, metadata, repair, reward_grant
from worldevents.ledger.schema_outward import webhook_delivery, webhook_endpoint
from worldevents.ledger.schema_results import final_rank
from worldevents.model import ContributionStatus
from worldevents.movements import Note
from worldevents.prizes import message_id
from worldevents.testing.builders import DURING, a_contribution, a_goal, an_event
from worldevents.testing.ledger_counting import keep

pytestmark = pytest.mark.usefixtures("no_leaks")

USER, OTHER, NAME, RAW = "Zyx.the.Zeroth", "Zyx.the.Zeroth2", "Zed Zedly", "raw-contribution-1"
TOMBSTONE = "erased#0123456789abcdef"
FIRST = "tier~volume~25"
COUNTED, HELD, RELEASED = ContributionStatus.COUNTED, ContributionStatus.HELD, ContributionStatus.RELEASED

CLEAR: Final = {
    "access_key": {"id", "name", "kind", "rights", "goals", "hint"},
    "announcement": {"id", "kind", "document"},
    "audit": {"author", "action"},
    "ban": {"author"},
    "callback": {"holder"},
    "contribution": {"goal_id", "epoch"},
    "contributor": {"goal_id"},
    "dead_letter": {"goal_id", "epoch", "reason"},
    "erasure": {"tombstone"},
    "event_version": {"event_id", "author", "reason", "document"},
    "goal": {"id", "event_id"},
    "final_rank": {"goal_id"},
    "goal_epoch": {"goal_id", "epoch", "reason"},
    "goal_result": {"goal_id", "event_id", "outcome", "tiers"},
    "identity": {"epoch", "owner"},
    "promise": {"giver", "owner_id", "name", "event_id", "goal_id", "audience"},
    "promised_reward": {"document"},
    "repair": {"goal_id", "epoch"},
    "reward_grant": {"author", "outcome"},
    "tier": {"goal_id", "threshold"},
    "tier_unlock": {"goal_id", "threshold", "epoch"},
    "watermark": {"goal_id", "epoch", "run_id"},
    "webhook_change": {"endpoint_id", "what", "author", "reason"},
    "webhook_delivery": {"endpoint_id", "kind", "status"},
    "webhook_endpoint": {"id", "url", "kinds", "disabled_why"},
}
"""Texts in which nobody is named who contributes. A new column is here, or is erased."""


async def in_database(url: str, query: Callable[[Connection], Any]) -> Any:
    database = Database(parse_url(url))
    try:
        return await database.write(query)
    finally:
        await database.close()


def everything(connection: Connection) -> dict[str, list[dict[str, Any]]]:
    """Every row of every table."""
    return {
        table.name: [dict(row._mapping) for row in connection.execute(select(table))]
        for table in metadata.sorted_tables
    }


def naming(rows: dict[str, list[dict[str, Any]]], *texts: str) -> set[str]:
    """The columns in which one of these texts is."""
    return {
        f"{table}.{column}"
        for table, own in rows.items()
        for row in own
        for column, value in row.items()
        if any(text in str(value) for text in texts)
    }


def test_every_text_is_named_or_clear() -> None:
    """A new column that may name a user cannot be forgotten."""
    texts = [column for table in metadata.sorted_tables for column in table.columns if isinstance(column.type, Text)]
    clear = {(table, column) for table, columns in CLEAR.items() for column in columns}
    named = {(column.table.name, column.name) for column in NAMING}
    assert {(column.table.name, column.name) for column in texts} == clear | named
    assert clear & named == set()


@pytest_asyncio.fixture
async def full(ledger_url: str) -> AsyncIterator[FullLedger]:
    """A ledger in which every column that may name a user does."""
    async with open_ledger(ledger_url) as ledger:
        event = an_event(a_goal(), a_goal("workouts"))
        await ledger.publish(event, based_on=0, author="test", published_at=DURING, reason="")
        batch = [
            a_contribution(RAW, 300, user=USER, display_name=NAME),
            a_contribution("h", 50, user=USER),
            a_contribution("o", 300, user=OTHER),
        ]
        await ledger.append(batch, keep(COUNTED, HELD, COUNTED))
        await ledger.append([a_contribution(movements.decision("h"), 50, user=USER)], keep(RELEASED))
        while (page := await ledger.grant_page(DURING, size=10)) is not None and not page.is_done:
            continue
        await ledger.mark_active([(USER, date(2026, 12, 9)), (OTHER, date(2026, 12, 9))])
        await ledger.hide(USER, at=DURING)
        await ledger.ban_user(USER, at=DURING, reason=f"{USER} cheats", author="ops")
        await ledger.note(_note(USER, {"id": f"hold#{RAW}", "before": [{"who": USER}], "of": OTHER}))
        await ledger.note(_note(OTHER, {"goals": {"volume": 5}}))
        await in_database(ledger_url, _by_hand)
        yield ledger


def _note(subject: str, detail: dict[str, Any]) -> Note:
    return Note(at=DURING, author="ops", action="x", subject=subject, reason=f"about {subject}", detail=detail)


def _by_hand(connection: Connection) -> None:
    """What is only there after something went wrong, or where somebody listens."""
    place = {"goal_id": "volume", "number": 0, "epoch": "1-x"}
    for seq, payload in enumerate(
        (
            json.dumps({"goal_id": "volume", "user_id": USER, "contribution_id": RAW, "display_name": NAME}),
            json.dumps(f"{{b'u': b'{USER}', b'c': b'{RAW}'}}"),
            json.dumps(f"{{b'u': b'{OTHER}'}}"),
        )
    ):
        row = {**place, "place": seq, "payload": payload, "reason": "x", "at": 1}
        connection.execute(insert(dead_letter), row)
    row = {**place, "place": 9, "user_id": USER, "amount": 1, "status": 0, "found_at": 1}
    connection.execute(insert(repair), row)
    connection.execute(insert(final_rank), {"goal_id": "volume", "place": 1, "rank": 1, "user_id": USER, "amount": 300})
    connection.execute(update(grant_job).values(after_user=USER))
    own = reward_grant.c.user_id == USER
    connection.execute(update(reward_grant).where(own).values(reason=f"given to {USER}", author="ops"))
    endpoint = {"id": "e1", "url": "https://x", "kinds": "[]", "secret": b"x", "since": 0, "cursor": 9, "created_at": 0}
    connection.execute(insert(webhook_endpoint), {**endpoint, "disabled_why": ""})
    for number, user in connection.execute(select(reward_grant.c.number, reward_grant.c.user_id)).all():
        told = {"endpoint_id": "e1", "number": number, "kind": "reward.granted", "at": 1, "status": "due"}
        name = message_id("reward.granted", f"{FIRST}~{user}")
        rest = {"attempts": 1, "due_at": 1, "last_told": f"no {user} here"}
        connection.execute(insert(webhook_delivery), {**told, **rest, "message_id": name})


async def test_nothing_names_who_was_erased(full: FullLedger, ledger_url: str) -> None:
    """Every place had the id, the name or the contribution's id, and none has; others are named as before."""
    before = await in_database(ledger_url, everything)
    own = message_id("reward.granted", f"{FIRST}~{USER}")
    filled = naming(before, USER, NAME, RAW, own)
    told = await full.begin_erasing(USER, tombstone=TOMBSTONE, at=DURING)
    filled |= naming({"erasure": (await in_database(ledger_url, everything))["erasure"]}, USER)
    assert {f"{column.table.name}.{column.name}" for column in NAMING} == filled
    for goal_id in ("volume", "workouts"):
        await full.erase(goal_id, told, at=DURING)
    await full.erase_rest(told, at=DURING)
    await full.end_erasing(told)
    after = await in_database(ledger_url, everything)
    # The other one's id begins with the same letters.
    left = json.dumps(after, default=repr).replace(OTHER, "")
    assert [word for word in (USER, NAME, RAW, own) if word in left] == []
    assert naming(after, OTHER) == naming(before, OTHER)
    others = message_id("reward.granted", f"{FIRST}~{TOMBSTONE}")
    assert naming(after, others) == {"webhook_delivery.message_id"}


async def test_a_goal_of_the_same_name_keeps_it(full: FullLedger) -> None:
    """A user may be called like a goal: what was done says still in which one."""
    await full.note(_note("volume", {"goalId": "volume", "id": "correct#k", "goals": {"volume": {"x": "volume"}}}))
    told = await full.begin_erasing("volume", tombstone=TOMBSTONE, at=DURING)
    await full.erase_rest(told, at=DURING)
    (note,) = await full.notes(subject=TOMBSTONE)
    assert note.detail == {"goalId": "volume", "id": "correct#erased", "goals": {"volume": {"x": TOMBSTONE}}}


async def test_the_note_of_a_ban_names_nobody(full: FullLedger) -> None:
    """It has the ids of grants, which have their users in them; a goal of the same name keeps it."""
    await full.note(_note("volume", {"goals": {"volume": {}}, "grants": {"tier~volume~25~volume": "claimable"}}))
    told = await full.begin_erasing("volume", tombstone=TOMBSTONE, at=DURING)
    await full.erase_rest(told, at=DURING)
    (note,) = await full.notes(subject=TOMBSTONE)
    assert note.detail == {"goals": {"volume": {}}, "grants": {f"tier~volume~25~{TOMBSTONE}": "claimable"}}


async def test_a_compacted_file_has_no_trace(sqlite_url: str) -> None:
    """What a row had before it was changed is in the file until that is compacted: then it is nowhere in it."""
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    async with open_ledger(sqlite_url) as ledger:
        await ledger.publish(an_event(), based_on=0, author="test", published_at=DURING, reason="")
        batch = [a_contribution(f"{RAW}-{one}", 1, user=USER, display_name=NAME) for one in range(50)]
        await ledger.append(batch, keep(*[COUNTED] * 50))
        told = await ledger.begin_erasing(USER, tombstone=TOMBSTONE, at=DURING)
        await ledger.erase("volume", told, at=DURING)
        await ledger.erase_rest(told, at=DURING)
        await ledger.end_erasing(told)
    with sqlite3.connect(path) as connection:
        connection.execute("VACUUM")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    left = b"".join(one.read_bytes() for one in path.parent.iterdir())
    assert TOMBSTONE.encode() in left
    assert [word for word in (USER, NAME, RAW) if word.encode() in left] == []
