"""Access keys in the ledger: kept for ever, by digest; revoked once (law 8).

They take no part in the order of appends: a command may write them beside the process that owns the database.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select, update

from worldevents.access_keys import AccessKey, KeyKind, Right
from worldevents.errors import BodyInvalid, UnknownKey
from worldevents.ledger.instants import instant, microseconds
from worldevents.ledger.schema import access_key
from worldevents.ledger.statements import upsert


def keys(connection: Connection) -> list[AccessKey]:
    """See `Ledger.keys`."""
    columns = access_key.c
    return list(map(_key_from, connection.execute(select(access_key).order_by(columns.created_at, columns.id))))


def add_key(connection: Connection, key: AccessKey) -> None:
    """See `Ledger.add_key`."""
    connection.execute(upsert(connection.dialect, access_key).on_conflict_do_nothing(), _key_row(key))
    digests = connection.scalars(select(access_key.c.digest).where(access_key.c.id == key.id))
    if [bytes(one) for one in digests] != [key.digest]:
        raise BodyInvalid("another key has this id", field="id")


def revoke_key(connection: Connection, key_id: str, at: datetime) -> AccessKey:
    """See `Ledger.revoke_key`."""
    columns = access_key.c
    connection.execute(
        update(access_key).where(columns.id == key_id, columns.revoked_at.is_(None)).values(revoked_at=microseconds(at))
    )
    row = connection.execute(select(access_key).where(columns.id == key_id)).one_or_none()
    if row is None:
        raise UnknownKey(field="id")
    return _key_from(row)


def _key_row(key: AccessKey) -> dict[str, object]:
    return {
        "id": key.id,
        "name": key.name,
        "kind": key.kind.value,
        "rights": json.dumps(sorted(key.rights)),
        "goals": json.dumps(sorted(key.goals)),
        "digest": key.digest,
        "hint": key.hint,
        "created_at": microseconds(key.created_at),
        "revoked_at": None if key.revoked_at is None else microseconds(key.revoked_at),
    }


def _key_from(row: Row[Any]) -> AccessKey:
    return AccessKey(
        id=row.id,
        name=row.name,
        kind=KeyKind(row.kind),
        rights=frozenset(map(Right, json.loads(row.rights))),
        goals=frozenset(json.loads(row.goals)),
        digest=bytes(row.digest),
        hint=row.hint,
        created_at=instant(row.created_at),
        revoked_at=None if row.revoked_at is None else instant(row.revoked_at),
    )
