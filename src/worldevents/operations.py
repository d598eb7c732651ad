"""What an operator does to a database that no engine is using: migrate it, and look for what is wrong with it.

A check changes nothing, and creates nothing that is not there.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from worldevents.errors import WorldEventsError
from worldevents.ledger import HEAD, Address, find_server, migrate_ledger, open_ledger, schema_revision
from worldevents.ledger.health import SQLITE_LEAST, database_file, owner, server_version, sqlite_version

if TYPE_CHECKING:
    from collections.abc import Sequence

    from worldevents.store.redis import Inspection

DISK_WARN_BYTES: Final = 1_000_000_000
DISK_FAIL_BYTES: Final = 100_000_000
CLOCK_TOLERANCE: Final = timedelta(seconds=60)
NOT_BEFORE: Final = datetime(2026, 1, 1, tzinfo=UTC)
"""A clock that shows less has not been set: this program is younger."""


@dataclass(frozen=True, slots=True)
class Schema:
    """The revision that a database is at (None: it has none yet), and the one that this version needs."""

    revision: str | None
    head: str = HEAD

    @property
    def is_pending(self) -> bool:
        return self.revision != self.head


@dataclass(frozen=True, slots=True)
class Check:
    """What was looked at and found; `cure` says what to do about it."""

    name: str
    status: Literal["ok", "warn", "fail"]
    detail: str
    cure: str | None = None


async def schema(url: str) -> Schema:
    """Which schema a database is at. Raises ConfigurationInvalid, LedgerUnavailable."""
    # Connecting would make the file.
    return Schema(None if is_absent(url) else await schema_revision(url))


def server_of(url: str) -> Address | None:
    """Where on this machine a database is served right now; None where it is not. Raises ConfigurationInvalid."""
    return find_server(url)


def is_absent(url: str) -> bool:
    """Whether a database is a file that is not there yet. Raises ConfigurationInvalid."""
    return _is_absent(database_file(url))


def _is_absent(file: Path | None) -> bool:
    return file is not None and not file.exists()


async def migrate(url: str) -> None:
    """Bring a database to the newest schema; does nothing where it is."""
    await migrate_ledger(url)


async def checks(url: str, now: datetime, *, redis_url: str = "") -> list[Check]:
    """Everything that can be wrong with this installation, its database, and its Redis where it has one."""
    found = await _checks(url, now)
    return found + await _redis(redis_url) if redis_url else found


async def _checks(url: str, now: datetime) -> list[Check]:
    found = [Check("python", "ok", sys.version.partition(" ")[0])]
    try:
        file = database_file(url)
    except WorldEventsError as error:
        return [*found, Check("database", "fail", error.detail, "set WORLDEVENTS_DATABASE_URL or give --database")]
    if file is not None:
        folder = file.absolute().parent
        found += [_sqlite(), *_folder(folder)]
        if not folder.is_dir():
            return [*found, _clock(now, None)]
    return found + await _database(url, file, now)


def _sqlite() -> Check:
    version = ".".join(map(str, sqlite_version()))
    if sqlite_version() >= SQLITE_LEAST:
        return Check("sqlite", "ok", version)
    return Check("sqlite", "fail", version, f"use a Python with SQLite {'.'.join(map(str, SQLITE_LEAST))} or newer")


def _folder(folder: Path) -> list[Check]:
    if not folder.is_dir():
        return [Check("folder", "fail", f"there is no {folder}", "make it, or choose another database")]
    free = shutil.disk_usage(folder).free
    enough: Literal["ok", "warn", "fail"] = "ok"
    if free < DISK_WARN_BYTES:
        enough = "warn" if free >= DISK_FAIL_BYTES else "fail"
    disk = Check("disk", enough, f"{free / 1e9:,.1f} GB free", None if enough == "ok" else "make room")
    if not os.access(folder, os.W_OK):
        return [Check("folder", "fail", f"{folder} cannot be written", "SQLite writes beside its file: let it"), disk]
    return [Check("folder", "ok", f"{folder} can be written"), disk]


async def _database(url: str, file: Path | None, now: datetime) -> list[Check]:
    """The checks that ask the database itself, as far as it answers."""
    clock = _clock(now, None)
    if _is_absent(file):
        return [
            Check("database", "warn", f"there is no {file} yet", "it is made when first used: apply an event"),
            clock,
        ]
    try:
        at, version = await schema(url), await server_version(url)
    except WorldEventsError as error:
        cure = "is it a database, and may you read it?" if file else "is the server up, and is the URL right?"
        return [Check("database", "fail", error.detail, cure), clock]
    found = [Check("database", "ok", f"{file or 'PostgreSQL ' + version} answers"), _schema(at), await _owner(url)]
    if at.is_pending:
        return [*found, clock]
    return found + await _ledger(url, now)


def _schema(at: Schema) -> Check:
    if at.is_pending:
        detail = f"at {at.revision or 'none'}, this version needs {at.head}"
        return Check("schema", "fail", detail, "run `worldevents migrate`")
    return Check("schema", "ok", f"at {at.head}, the newest")


async def _owner(url: str) -> Check:
    try:
        told = await asyncio.to_thread(owner, url)
    except WorldEventsError as error:
        return Check("owner", "fail", error.detail, "let this user write beside the database")
    return Check("owner", "ok", told or "nobody uses it now")


async def _ledger(url: str, now: datetime) -> list[Check]:
    try:
        async with open_ledger(url, migrate=False) as ledger:
            versions, audits = await ledger.events(), await ledger.audit()
    except WorldEventsError as error:
        cure = "keep a copy of the database, and restore a backup"
        return [_clock(now, None), Check("sums", "fail", error.detail, cure)]
    latest = max((version.published_at for version in versions), default=None)
    wrong = [audit.goal_id for audit in audits if not audit.agrees]
    if wrong:
        detail = f"totals, rows and contributors disagree in {', '.join(wrong)}"
        sums = Check("sums", "fail", detail, "take no contributions, and restore a backup beside it to compare")
    else:
        goals = f"{len(audits)} goal" + ("" if len(audits) == 1 else "s")
        sums = Check("sums", "ok", f"{goals} counted again from the rows, all agree")
    return [_clock(now, latest), sums]


async def _redis(url: str) -> list[Check]:
    try:
        from worldevents.store.redis import inspect  # noqa: PLC0415 - its driver is there only where it is wanted
    except ImportError:
        return [Check("redis", "fail", "its driver is not installed", "pip install 'worldevents[redis]'")]
    try:
        masters = await inspect(url)
    except WorldEventsError as error:
        return [Check("redis", "fail", error.detail, "is the server up, and is the URL right?")]
    versions = ", ".join(sorted({one.version for one in masters}))
    kind = "Redis" if len(masters) == 1 else f"{len(masters)} masters of a Redis Cluster"
    return [Check("redis", "ok", f"{kind} {versions} answers"), *_settings(masters), _functions(masters)]


def _settings(masters: Sequence[Inspection]) -> list[Check]:
    policies = ", ".join(sorted({one.policy for one in masters}))
    found = [Check("memory", "ok", policies)]
    if any(one.evicts for one in masters):
        found = [Check("memory", "fail", policies, "set maxmemory-policy noeviction: counters are no cache")]
    if not all(one.has_file for one in masters):
        detail = "no append-only file: a restart forgets what was not handed on"
        return [*found, Check("file", "warn", detail, "set appendonly yes, or take contributions with ack=ledger")]
    syncs = ", ".join(sorted({one.appendfsync or "unknown" for one in masters}))
    return [*found, Check("file", "ok", f"append-only file, appendfsync {syncs}")]


def _functions(masters: Sequence[Inspection]) -> Check:
    there = {one.functions for one in masters}
    if None in there:
        return Check("functions", "ok", "not loaded yet: the first to connect does that")
    return Check("functions", "ok", f"version {', '.join(str(one) for one in sorted(filter(None, there)))}")


def _clock(now: datetime, latest: datetime | None) -> Check:
    shown, cure = f"{now:%Y-%m-%d %H:%M:%S} UTC", "set the machine's clock: windows open and close by it"
    if now < NOT_BEFORE:
        return Check("clock", "fail", f"{shown} is before this program was written", cure)
    if latest is not None and latest > now + CLOCK_TOLERANCE:
        return Check(
            "clock", "fail", f"{shown} is before the last change of an event, {latest:%Y-%m-%d %H:%M:%S}", cure
        )
    return Check("clock", "ok", shown)
