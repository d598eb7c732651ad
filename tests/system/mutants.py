"""Mistakes that could be made in the package, each of which the lives of a system have to show.

python -m tests.system.mutants "a ban forgets what is held"
"""

from __future__ import annotations

import sys
from typing import Final

from tests.simulation.mutants import Mutant, install

_MOVEMENTS, _GRANTING, _GRANTS = "worldevents.movements", "worldevents.ledger.granting", "worldevents.ledger.grants"
_ERASING, _SETTLING, _RULES = "worldevents.ledger.erasing", "worldevents.ledger.settling", "worldevents.rules"
_JOBS, _EMBEDDED, _MODERATION = "worldevents.ledger.jobs", "worldevents.store.embedded", "worldevents.moderation"

MUTANTS: Final = (
    Mutant(
        "a ban forgets what is held",
        _MOVEMENTS,
        "[one for one in both if one.contribution.amount]",
        "[one for one in both[:1] if one.contribution.amount]",
    ),
    Mutant(
        "the end of a ban forgets what was held",
        _MOVEMENTS,
        'f"unban#{number}", counted, -held)',
        'f"unban#{number}", counted, 0)',
    ),
    Mutant(
        "what is released counts twice",
        _MOVEMENTS,
        "ContributionStatus.RELEASED: (1, -1)",
        "ContributionStatus.RELEASED: (2, -1)",
    ),
    Mutant(
        "a correction has the other sign",
        _MOVEMENTS,
        "ContributionStatus.CORRECTED: (1, 0)",
        "ContributionStatus.CORRECTED: (-1, 0)",
    ),
    Mutant("a reward is granted below its minimum", _GRANTING, "before < one.least <= after", "before < one.least"),
    Mutant("a job leaves out who has just enough", _JOBS, "users.amount >= job.least", "users.amount > job.least"),
    Mutant(
        "who claims twice takes two of a stock",
        _GRANTS,
        "if STATUSES[row.status] in (GrantStatus.CLAIMABLE, GrantStatus.PENDING):",
        "if True:",
    ),
    Mutant("what is taken back stays out of stock", _GRANTS, "taken=columns.taken - 1", "taken=columns.taken"),
    Mutant(
        "a tier locks again",
        _EMBEDDED,
        "live.unlocks += unlocked",
        "live.unlocks = (*live.unlocks, *unlocked)[: sum(t.threshold_value <= live.total for t in live.goal.tiers)]",
    ),
    Mutant(
        "a ban is forgotten in a restart",
        _EMBEDDED,
        "live.banned, live.barred = banned.copy(),",
        "live.banned, live.barred = set(),",
    ),
    Mutant(
        "a decision may be changed",
        _MODERATION,
        "if (found.amount, found.status) != (item.amount, wanted.status):",
        "if False:",
    ),
    Mutant("who is banned claims", _GRANTS, "if connection.scalar(select(is_banned(row.user_id))):", "if False:"),
    Mutant("an erasing forgets grants", _ERASING, "    _rename_grants(connection, goal_id, told)\n", "    pass\n"),
    Mutant("an erasing leaves ids in notes", _ERASING, "    _rename_notes(connection, told)\n", "    pass\n"),
    Mutant(
        "who was banned when erased comes back",
        _ERASING,
        "if row.lifted_at is None:",
        "if False:",
    ),
    Mutant(
        "an old id counts again after an erasing",
        _ERASING,
        ".values(contribution_id=digest, user_id=told.tombstone))",
        ".values(contribution_id=digest, user_id=told.tombstone, digest=func.randomblob(16)))",
    ),
    Mutant(
        "a tombstone has nothing in a settled goal",
        _ERASING,
        "(contributor, repair, final_rank)",
        "(contributor, repair)",
    ),
    Mutant(
        "everyone has a final rank of their own", _SETTLING, "rank = rank if own == amount else place", "rank = place"
    ),
    Mutant(
        "a goal that fell below its target is not met",
        _SETTLING,
        "completed=row.completed_at is not None",
        "completed=False",
    ),
    Mutant(
        "what is met consoles",
        _RULES,
        "tier is not None and ended is not Outcome.MET and total",
        "tier is not None and total",
    ),
    Mutant("nobody is told of a consolation", _SETTLING, "writing.granting.console(goal_id, at)", "pass"),
)


def main(name: str) -> int:
    """1 where the lives of `make test` show the mistake of this name."""
    mutant = next(one for one in MUTANTS if one.name == name)
    install(mutant)
    from tests.system.lives import IN_EMBEDDED, live, on_sqlite  # noqa: PLC0415 - what they import is mutated now

    with on_sqlite() as machine:
        try:
            live(machine, 0, IN_EMBEDDED, shrinks=False)
        except Exception as error:  # noqa: BLE001 - whatever a mistake leads to
            print(repr(error), *getattr(error, "__notes__", ()), sep="\n")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
