"""The ledger's tables, the same on SQLite and PostgreSQL. Migrations make them; a test holds the two equal.

Amounts are in smallest units, instants in microseconds since 1970 (exact on both databases, and sortable).
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    and_,
    text,
)

HOLDS = "status IN (1, 6)"
OPEN = "lifted_at IS NULL"

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pk",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ix": "%(table_name)s_%(column_0_N_name)s_index",
        "fk": "%(table_name)s_%(column_0_N_name)s_fk",
    }
)

# One row: who this ledger is. `digest_key` keys the digests of contribution ids; `owner` names the one process that
# may write, where one has claimed that. Writers lock the row.
identity = Table(
    "identity",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("digest_key", LargeBinary, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("epoch", Text, nullable=False),
    Column("owner", Text, nullable=True),
)

# Every published state of every event; the newest is the one that holds.
event_version = Table(
    "event_version",
    metadata,
    Column("event_id", Text, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("author", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("published_at", BigInteger, nullable=False),
    Column("document", Text, nullable=False),
)

# `target` follows the newest version of the event; `completed_at` is when the total first reached it, a fact.
# `promises` changes with every change of what the goal promises: who knows its value knows the open promises.
# From `settling_at` on nothing moves its sums.
goal = Table(
    "goal",
    metadata,
    Column("id", Text, primary_key=True),
    Column("event_id", Text, nullable=False, index=True),
    Column("total", BigInteger, nullable=False),
    Column("pending", BigInteger, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("target", BigInteger, nullable=True),
    Column("completed_at", BigInteger, nullable=True),
    Column("promises", BigInteger, nullable=True),
    Column("settling_at", BigInteger, nullable=True),
)

# What unlocks when: follows the newest version of the event. `threshold` is the percent as declared.
tier = Table(
    "tier",
    metadata,
    Column("goal_id", Text, ForeignKey("goal.id"), primary_key=True),
    Column("threshold", Text, primary_key=True),
    Column("threshold_value", BigInteger, nullable=False),
)

# A fact, never taken back. `position` is the contribution that reached the tier; null where an edit did. With an
# `epoch` it is that one's place in a store's outbox.
tier_unlock = Table(
    "tier_unlock",
    metadata,
    Column("goal_id", Text, ForeignKey("goal.id"), primary_key=True),
    Column("threshold", Text, primary_key=True),
    Column("unlocked_at", BigInteger, nullable=False),
    Column("position", BigInteger, nullable=True),
    Column("epoch", Text, nullable=True),
)

# One row per contribution, for ever. `digest` is the keyed digest of (goal, user, id) and alone makes it unique.
# `epoch` and `place` say where it stood in a store's outbox; null where it was appended without one.
contribution = Table(
    "contribution",
    metadata,
    Column("position", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("goal_id", Text, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("contribution_id", Text, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("status", SmallInteger, nullable=False),
    Column("occurred_at", BigInteger, nullable=False),
    Column("received_at", BigInteger, nullable=False),
    Column("epoch", Text, nullable=True),
    Column("place", BigInteger, nullable=True),
    Index(None, "goal_id", "user_id"),
    # The few rows that somebody has to decide about: held, or withheld by an operator.
    Index("contribution_holds_index", "position", sqlite_where=text(HOLDS), postgresql_where=text(HOLDS)),
)

# Sums of a user's rows in one goal.
contributor = Table(
    "contributor",
    metadata,
    Column("goal_id", Text, primary_key=True),
    Column("user_id", Text, primary_key=True),
    Column("amount", BigInteger, nullable=False),
    Column("pending", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

player = Table(
    "player",
    metadata,
    Column("user_id", Text, primary_key=True),
    Column("display_name", Text, nullable=False),
    sqlite_with_rowid=False,
)

# Days (UTC) on which a user did anything at all, contributing or not: the base of the participation rate.
activity = Table(
    "activity",
    metadata,
    Column("day", Date, primary_key=True),
    Column("user_id", Text, primary_key=True),
    sqlite_with_rowid=False,
)

# What operators did or set out to do, for ever; `detail` is JSON. Written before it is done.
audit = Table(
    "audit",
    metadata,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("author", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Index(None, "subject"),
)

# Every ban that there ever was; a user has one at a time that is not lifted.
ban = Table(
    "ban",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("user_id", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("lifted_at", BigInteger, nullable=True),
    Index("ban_open_index", "user_id", unique=True, sqlite_where=text(OPEN), postgresql_where=text(OPEN)),
)

# Who is left out of boards.
hidden = Table(
    "hidden",
    metadata,
    Column("user_id", Text, primary_key=True),
    Column("since", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# Every erasing of a user that there ever was. `user_id` is there until it is done everywhere; `digest`, keyed, stays
# only where the user was banned, so that nobody comes back by being erased.
erasure = Table(
    "erasure",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("tombstone", Text, nullable=False, unique=True),
    Column("user_id", Text, nullable=True, unique=True),
    Column("digest", LargeBinary, nullable=True),
    Column("at", BigInteger, nullable=False),
    Column("done_at", BigInteger, nullable=True),
)

# Who may ask: a row for every key that was ever made. `rights` and `goals` are JSON lists; no goals are all goals.
access_key = Table(
    "access_key",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("rights", Text, nullable=False),
    Column("goals", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("hint", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("revoked_at", BigInteger, nullable=True),
)

# How far the outbox of a partition is in the ledger: valid for one epoch, and one process of the store's server.
watermark = Table(
    "watermark",
    metadata,
    Column("goal_id", Text, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("epoch", Text, nullable=False),
    Column("run_id", Text, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("reached", BigInteger, nullable=False),
)

# Every epoch that a goal's store has had: when, and why the one before it ended.
goal_epoch = Table(
    "goal_epoch",
    metadata,
    Column("generation", Integer, primary_key=True, autoincrement=False),
    Column("goal_id", Text, nullable=False),
    Column("epoch", Text, nullable=False),
    Column("began_at", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
)

# What the store counted and the ledger did not, to be taken back; a fact once `done_at` is there.
repair = Table(
    "repair",
    metadata,
    Column("goal_id", Text, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("epoch", Text, primary_key=True),
    Column("place", BigInteger, primary_key=True, autoincrement=False),
    Column("user_id", Text, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("status", SmallInteger, nullable=False),
    Column("found_at", BigInteger, nullable=False),
    Column("done_at", BigInteger, nullable=True),
)

# An entry of an outbox that the database does not take.
dead_letter = Table(
    "dead_letter",
    metadata,
    Column("goal_id", Text, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("epoch", Text, primary_key=True),
    Column("place", BigInteger, primary_key=True, autoincrement=False),
    Column("payload", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
)

# What a tier of a goal or a personal challenge of an event promises, as it is declared now. It is open from the unlock
# on, a challenge from its publishing on. `least` is the own amount in the goal that qualifies; `stock`, where there is
# one, how many may claim it, and `taken` how many have.
promise = Table(
    "promise",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("giver", Text, nullable=False),
    Column("owner_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("event_id", Text, nullable=False),
    Column("goal_id", Text, nullable=False, index=True),
    Column("audience", Text, nullable=False),
    Column("least", BigInteger, nullable=False),
    Column("version", Integer, nullable=False),
    Column("claim_within", BigInteger, nullable=True),
    Column("stock", BigInteger, nullable=True),
    Column("taken", BigInteger, nullable=False),
    Column("is_open", SmallInteger, nullable=False),
    UniqueConstraint("giver", "owner_id", "name"),
)

# Every reward that a promise has had, as JSON: a grant names the one that was declared when it was made.
promised_reward = Table(
    "promised_reward",
    metadata,
    Column("promise_id", BigInteger, ForeignKey("promise.id"), primary_key=True, autoincrement=False),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("document", Text, nullable=False),
)

# Who has qualified before a promise was opened or made easier is granted page by page: all up to `after_user` are done.
grant_job = Table(
    "grant_job",
    metadata,
    Column("promise_id", BigInteger, ForeignKey("promise.id"), primary_key=True, autoincrement=False),
    Column("after_user", Text, nullable=False),
    Column("asked_at", BigInteger, nullable=False),
    Column("done_at", BigInteger, nullable=True),
)

# A fact that is never deleted, one for each promise and user; the empty user is the world. `number` is the order of
# granting, one series with that of the announcements: a grant is its own announcement.
reward_grant = Table(
    "reward_grant",
    metadata,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("promise_id", BigInteger, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("status", SmallInteger, nullable=False),
    Column("granted_at", BigInteger, nullable=False),
    Column("claim_until", BigInteger, nullable=True),
    Column("claimed_at", BigInteger, nullable=True),
    Column("delivered_at", BigInteger, nullable=True),
    Column("revoked_at", BigInteger, nullable=True),
    Column("reason", Text, nullable=True),
    Column("author", Text, nullable=True),
    Column("outcome", Text, nullable=True),
    # By user first: it serves a user's own list, and pages of users in their order are written one behind the other.
    UniqueConstraint("user_id", "promise_id"),
)

# What waits to be claimed by itself: only where that was declared, so that it costs nothing elsewhere.
Index(
    "reward_grant_claim_until_index",
    reward_grant.c.claim_until,
    sqlite_where=and_(reward_grant.c.claim_until.is_not(None), reward_grant.c.status == 0),
    postgresql_where=and_(reward_grant.c.claim_until.is_not(None), reward_grant.c.status == 0),
)

# What else a host may act on: tiers that were unlocked, goals that reached their target.
announcement = Table(
    "announcement",
    metadata,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("id", Text, nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("document", Text, nullable=False),
)
