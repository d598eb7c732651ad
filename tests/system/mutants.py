"""Mistakes that could be made in the package, each of which the lives of a system have to show.

python -m tests.system.mutants "a ban forgets what is held"
"""

from __future__ import annotations

import sys
from typing import Final

from tests.simulation.mutants import Mutant, install

_MOVEMENTS, _GRANTING, _GRANTS = "worldevents.movements", "worldevents.ledger.granting", "worldevents.ledger.grants"
_JOBS, _EMBEDDED, _JUDGING = "worldevents.ledger.jobs", "worldevents.store.embedded", "worldevents.store.judging"

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
    Mutant("a ban is forgotten in a restart", _EMBEDDED, "live.banned = banned.copy()", "live.banned |= set()"),
    Mutant(
        "a decision may be changed",
        _JUDGING,
        "if row is not None and (row.amount, row.status) != (one.contribution.amount, one.status):",
        "if False:",
    ),
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
