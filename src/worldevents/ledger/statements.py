"""The statements of the append transaction: written in Core, compiled once per dialect, run on the driver's own cursor.

Everything else in the ledger is executed by SQLAlchemy as usual; here, once per commit of every contribution, building
and preparing the same six statements again would cost more than the database does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, Final, TypeVar

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Connection,
    Dialect,
    Executable,
    LargeBinary,
    Select,
    bindparam,
    cast,
    column,
    func,
    insert,
    literal_column,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import psycopg
from sqlalchemy.dialects.sqlite import pysqlite
from sqlalchemy.sql.dml import Insert
from sqlalchemy.sql.schema import Table

from worldevents.ledger import bulk
from worldevents.ledger.schema import contribution, contributor, goal, identity, player, tier, tier_unlock

LOOKUP_MAX: Final = 1_024
"""Ids asked for in one statement; a power of two, as every size of that statement is."""
COPY_LEAST: Final = 32
"""Rows from which PostgreSQL's COPY is quicker than an INSERT."""
ROWS_MAX: Final = 512
"""Rows written by one statement; a power of two, as every size of that statement is."""

Parameters = Mapping[str, object]
T = TypeVar("T")


class Prepared:
    """One statement as the driver takes it."""

    def __init__(self, statement: Executable, dialect: Dialect) -> None:
        compiled = statement.compile(dialect=dialect)  # type: ignore[attr-defined]
        self.sql: str = compiled.string
        self._order: Sequence[str] = compiled.positiontup

    def rows(self, cursor: Any, parameters: Parameters) -> list[Any]:
        """Run it and fetch everything it returns."""
        cursor.execute(self.sql, self._arranged(parameters))
        rows: list[Any] = cursor.fetchall()
        return rows

    def many(self, cursor: Any, parameters: Iterable[Parameters]) -> None:
        """Run it once per set of parameters."""
        cursor.executemany(self.sql, [self._arranged(one) for one in parameters])

    def _arranged(self, parameters: Parameters) -> Sequence[object]:
        return [parameters[name] for name in self._order]


class Rows:
    """An INSERT of many rows, each with its values in the order of the table's columns.

    Whole blocks go in one statement: SQLite then writes without this process's interpreter, and the event loop runs
    meanwhile. Sizes are powers of two, so that there are few statements to prepare.
    """

    def __init__(self, statement: Insert, dialect: Dialect) -> None:
        sql = Prepared(statement, dialect).sql
        self._returns = " RETURNING " in sql
        start = sql.index("(", sql.index(" VALUES "))
        end = sql.index(")", start) + 1
        self._before, self._one, self._after = sql[:start], sql[start:end], sql[end:]
        self._sql: dict[int, str] = {}

    def insert(self, cursor: Any, rows: Sequence[Sequence[object]]) -> list[Any]:
        """Write rows, and fetch what the statement returns of them."""
        returned: list[Any] = []
        start = 0
        while start < len(rows):
            size = min(ROWS_MAX, 1 << (len(rows) - start).bit_length() - 1)
            cursor.execute(self._sized(size), list(chain.from_iterable(rows[start : start + size])))
            if self._returns:
                returned += cursor.fetchall()
            start += size
        return returned

    def _sized(self, size: int) -> str:
        if size not in self._sql:
            self._sql[size] = self._before + ", ".join([self._one] * size) + self._after
        return self._sql[size]


class Columns:
    """The same on PostgreSQL: an array for each column, so that one statement does for every number of rows."""

    def __init__(self, statement: Executable, dialect: Dialect) -> None:
        self._sql = Prepared(statement, dialect).sql
        self._returns = " RETURNING " in self._sql

    def insert(self, cursor: Any, rows: Sequence[Sequence[object]]) -> list[Any]:
        """Write rows, and fetch what the statement returns of them."""
        if not rows:
            return []
        cursor.execute(self._sql, [bulk.array(column) for column in zip(*rows, strict=True)])
        returned: list[Any] = cursor.fetchall() if self._returns else []
        return returned


class Statements:
    """All of them, for one dialect."""

    def __init__(self, dialect: Dialect) -> None:
        # Positional parameters on both: they are handed on as they are.
        self._dialect: Dialect = (
            psycopg.dialect(paramstyle="format")  # type: ignore[no-untyped-call]
            if dialect.name == "postgresql"
            else pysqlite.dialect()
        )
        self._parts: dict[Callable[[Dialect], Any], Any] = {}
        self._look_up: dict[int, Prepared] = {}
        is_server = dialect.name == "postgresql"
        self._look_up_all = self._prepare(_LOOK_UP_ALL) if is_server else None
        self.lock = self._prepare(_LOCK) if is_server else None
        self.last_position = self._prepare(_LAST_POSITION)
        self.insert_contributions = Rows(_INSERT_CONTRIBUTIONS, self._dialect)
        self.add_to_contributors = (
            Columns(_add_columns_to_contributors(), self._dialect)
            if is_server
            else Rows(_add_to_contributors(upsert(dialect, contributor)), self._dialect)
        )
        self.name_players = self._prepare(_name_players(dialect))
        self.below_zero = self._prepare(_BELOW_ZERO)
        self.move_goal = self._prepare(_MOVE_GOAL)
        self.reached_tiers = self._prepare(_REACHED_TIERS)
        self.insert_unlocks = self._prepare(insert(tier_unlock))

    def part(self, make: Callable[[Dialect], T]) -> T:
        """The statements of another file, made once."""
        if make not in self._parts:
            self._parts[make] = make(self._dialect)
        part: T = self._parts[make]
        return part

    def copy_contributions(self, cursor: Any, rows: Sequence[Sequence[object]]) -> None:
        """Write many rows the quickest way that the database has."""
        if self._dialect.name == "postgresql" and len(rows) >= COPY_LEAST:
            bulk.copy(cursor, contribution, rows)
        else:
            self.insert_contributions.insert(cursor, rows)

    def look_up(self, cursor: Any, digests: Sequence[bytes]) -> Iterable[Any]:
        """(digest, position, amount, status) of those that the ledger holds."""
        if self._look_up_all is not None:
            cursor.execute(self._look_up_all.sql, [bulk.array(digests)])
            yield from cursor.fetchall()
            return
        for start in range(0, len(digests), LOOKUP_MAX):
            some = digests[start : start + LOOKUP_MAX]
            # Sizes are powers of two, filled up with a repeat: few statements, each prepared once.
            size = 1 << (len(some) - 1).bit_length()
            if size not in self._look_up:
                self._look_up[size] = self._prepare(_look_up(size))
            cursor.execute(self._look_up[size].sql, [*some, *[some[0]] * (size - len(some))])
            yield from cursor.fetchall()

    def _prepare(self, statement: Executable) -> Prepared:
        return Prepared(statement, self._dialect)


def cursor_of(connection: Connection) -> Any:
    """The driver's own cursor, inside the connection's transaction."""
    return connection.connection.cursor()


def upsert(dialect: Dialect, table: Table) -> sqlite.Insert | postgresql.Insert:
    """The dialect's INSERT that knows ON CONFLICT."""
    return postgresql.insert(table) if dialect.name == "postgresql" else sqlite.insert(table)


_HELD = select(contribution.c.digest, contribution.c.position, contribution.c.amount, contribution.c.status)
_LOOK_UP_ALL = _HELD.where(contribution.c.digest == func.any(cast(bindparam("digests"), ARRAY(LargeBinary))))


def _look_up(size: int) -> Executable:
    digest = contribution.c.digest
    return _HELD.where(digest.in_([bindparam(f"d{place}", type_=digest.type) for place in range(size)]))


def of_arrays(table: Table) -> Select[*tuple[Any, ...]]:
    """Rows of a table on PostgreSQL, from an array for each of its columns: what `Columns` takes."""
    columns = [column(one.name, one.type) for one in table.columns]
    arrays = [cast(bindparam(one.name), ARRAY(one.type)) for one in columns]
    return select(func.unnest(*arrays).table_valued(*columns).render_derived())


def _add_columns_to_contributors() -> Insert:
    names = [one.name for one in contributor.columns]
    return _add_to_contributors(postgresql.insert(contributor).from_select(names, of_arrays(contributor)))


def _add_to_contributors(new: sqlite.Insert | postgresql.Insert) -> Insert:
    return new.on_conflict_do_update(
        index_elements=["goal_id", "user_id"],
        set_={
            "amount": contributor.c.amount + new.excluded.amount,
            "pending": contributor.c.pending + new.excluded.pending,
        },
    ).returning(contributor.c.goal_id, contributor.c.user_id, contributor.c.amount)


def _name_players(dialect: Dialect) -> Executable:
    new = upsert(dialect, player)
    return new.on_conflict_do_update(index_elements=["user_id"], set_={"display_name": new.excluded.display_name})


_LOCK = select(identity.c.owner).with_for_update()

# Without OR FAIL, SQLite would keep a copy of every page that the statement touches, to undo it alone. Whatever fails
# here undoes the whole transaction.
_INSERT_CONTRIBUTIONS = insert(contribution).prefix_with("OR FAIL", dialect="sqlite")

_LAST_POSITION = select(func.max(contribution.c.position))

_ZERO: ColumnElement[int] = literal_column("0")
_BELOW_ZERO = select(contributor.c.user_id).where(
    contributor.c.goal_id == bindparam("goal_id"),
    contributor.c.user_id == bindparam("user_id"),
    or_(contributor.c.amount < _ZERO, contributor.c.pending < _ZERO),
)

# Says as well whether the total went past a tier. (SQLAlchemy leaves the tables' names out of what SQLite returns: no
# column that stands in the subquery may be in both tables.)
_MOVE_GOAL = (
    update(goal)
    .where(goal.c.id == bindparam("goal_id"))
    .values(
        total=goal.c.total + bindparam("counted"),
        pending=goal.c.pending + bindparam("held"),
        seq=goal.c.seq + bindparam("changes"),
    )
    .returning(
        goal.c.total,
        goal.c.pending,
        goal.c.seq,
        select(tier.c.threshold_value)
        .where(
            tier.c.goal_id == goal.c.id,
            tier.c.threshold_value <= goal.c.total - bindparam("counted") + bindparam("highest"),
            tier.c.threshold_value > goal.c.total - bindparam("counted"),
        )
        .exists(),
        # Compared by who asks: SQLite 3.40 finds that no added column IS NULL here.
        goal.c.target,
        goal.c.completed_at,
        goal.c.promises,
        goal.c.settling_at,
    )
)

# Thresholds that a total has reached and no unlock names yet, lowest first.
_REACHED_TIERS = (
    select(tier.c.threshold, tier.c.threshold_value)
    .where(
        tier.c.goal_id == bindparam("goal_id"),
        tier.c.threshold_value <= bindparam("total"),
        ~select(tier_unlock.c.threshold)
        .where(tier_unlock.c.goal_id == tier.c.goal_id, tier_unlock.c.threshold == tier.c.threshold)
        .exists(),
    )
    .order_by(tier.c.threshold_value)
)
