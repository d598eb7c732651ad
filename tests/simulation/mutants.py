"""Mistakes that could be made in the code under simulation, each of which a schedule has to show.

python -m tests.simulation.mutants "rescues nothing"
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType, ModuleType
from typing import Final, NamedTuple

SEEDS: Final = 3_000
"""So many schedules at most until a mutant is found out."""


class Mutant(NamedTuple):
    """A module with one mistake: a text that stands there once, and what it is replaced by."""

    name: str
    module: str
    right: str
    wrong: str
    first: int = 0
    """The seed to begin with: a rare mistake is shown soon after it."""


_SYNCER, _RESTORING, _COMPARING = "worldevents.syncer", "worldevents.restoring", "worldevents.comparing"
_ACKS, _BATCHER, _ENGINE = "worldevents.acks", "worldevents.batcher", "worldevents.engine"

MUTANTS: Final = (
    Mutant(
        "lets go of all that it saw, carried or not",
        _SYNCER,
        "Position(drained.watermark.epoch, drained.watermark.seq))\n        self._watermarks",
        "Position(drained.watermark.epoch, found.last))\n        self._watermarks",
    ),
    Mutant(
        "believes another process of the store's server its positions",
        _SYNCER,
        'if watermark.run_id not in ("", found.run_id):',
        "if False:",
        first=680,
    ),
    Mutant(
        "looks again only behind its watermark",
        _SYNCER,
        "found.run_id, seq=before)",
        "found.run_id, seq=watermark.seq)",
        first=3_200,
    ),
    Mutant(
        "takes an old memory for a current one", _SYNCER, "if found.last < watermark.reached:", "if False:", first=350
    ),
    Mutant(
        "takes a shut partition for a living one",
        _SYNCER,
        "found.epoch != watermark.epoch or not found.is_open:",
        "found.epoch != watermark.epoch:",
    ),
    Mutant(
        "takes another epoch for its own",
        _SYNCER,
        "watermark is None or found.epoch != watermark.epoch or",
        "watermark is None or",
        first=950,
    ),
    Mutant("takes nothing back", _SYNCER, "await self._store.take_back(repairs)", "pass"),
    Mutant(
        "says that it took back before it does",
        _SYNCER,
        "await self._store.take_back(repairs)\n            await self._ledger.repaired(repairs, at=self._clock.now())",
        "await self._ledger.repaired(repairs, at=self._clock.now())\n            await self._store.take_back(repairs)",
    ),
    Mutant(
        "never compares",
        _SYNCER,
        "finding = await self._comparer.find(goal_id)\n        if",
        "return Turn.DONE\n        if",
    ),
    Mutant("tells unlocks once only", _SYNCER, "if names or {one.threshold", "if names or False and {one.threshold"),
    Mutant(
        "dies of an error of the store",
        _SYNCER,
        "except WorldEventsError as error:\n                _log",
        "except ZeroDivisionError as error:\n                _log",
    ),
    Mutant("rescues nothing", _RESTORING, "if watermark is None or not found.entries:", "if True:"),
    Mutant("rescues one batch", _RESTORING, "after = found.entries[-1].position.seq", "return", first=3_200),
    Mutant(
        "rescues what is behind a watermark of another memory",
        _RESTORING,
        "if watermark is None or (watermark.epoch, watermark.run_id) != (found.epoch, found.run_id):",
        "if watermark is None:",
        first=3_820,
    ),
    Mutant("shuts whatever it finds", _RESTORING, "not epochs.items() >= seen.items() or not", "not", first=100),
    Mutant(
        "fills in without having shut",
        _RESTORING,
        "or not await self._store.shut(epochs, token=self._token):",
        "or False:",
    ),
    Mutant(
        "fills in one page of users",
        _RESTORING,
        "page = await self._ledger.users(goal_id, after=page[-1].user_id)",
        "page = []",
        first=270,
    ),
    Mutant(
        "compares while the ledger moves",
        _COMPARING,
        "if await self._ledger.standing(goal_id) == standing else None",
        "",
        first=410,
    ),
    Mutant(
        "compares what it looks at again",
        _COMPARING,
        "if any(one.is_rewound for one in standing.watermarks):",
        "if False:",
    ),
    Mutant(
        "takes what waits for carried",
        _COMPARING,
        "- sum(counted for counted, _ in moved)",
        "",
    ),
    Mutant(
        "finds that all agrees",
        _COMPARING,
        "agrees=False,\n        )",
        "agrees=True,\n        )\n        return finding",
    ),
    Mutant("acknowledges what the ledger does not have yet", _ACKS, "return LedgerBehind()", "return look.receipt"),
    Mutant("takes another amount for a repeat", _ACKS, "if held.amount != receipt.contribution.amount:", "if False:"),
    Mutant(
        "tells a repeat as if it were the first",
        _ACKS,
        "if held.position == receipt.position:",
        "if True:",
    ),
    Mutant("waits for the memory only", _ACKS, "if level is Ack.APPLIED or not waiting:", "if True:"),
    Mutant(
        "gives each the row of another",
        _ACKS,
        "zip(together, held, strict=True)",
        "zip(together, held[::-1], strict=True)",
    ),
    Mutant("gives all the first answers", _BATCHER, "start += len(call.items)\n", "\n"),
    Mutant(
        "stumbles over who went away",
        _BATCHER,
        "if not call.answered.done():\n                call.answered.set_result(own)",
        "call.answered.set_result(own)",
    ),
    Mutant("forgets that there is room again", _BATCHER, "self._waiting -= size", "pass"),
    Mutant(
        "forgets who comes while it is busy",
        _BATCHER,
        "taken.append(self._calls.popleft())",
        "taken.append(self._calls.popleft())\n            self._calls.clear()",
    ),
    Mutant("asks for less than its caller", _ENGINE, "level = self.ack(ack)", "level = Ack.APPLIED"),
)


class _Mistaken(SourceFileLoader):
    """Loads a module with its mistake, from the text and never from what was compiled of it before."""

    def __init__(self, mutant: Mutant, path: str) -> None:
        super().__init__(mutant.module, path)
        self._mutant = mutant

    def get_code(self, fullname: str) -> CodeType:
        mutant, source = self._mutant, self.get_source(fullname) or ""
        times = source.count(mutant.right)
        assert times == 1, f"{mutant.name}: the text stands there {times} times"
        return self.source_to_code(source.replace(mutant.right, mutant.wrong).encode(), self.path)


class _Finder(MetaPathFinder):
    """Finds the module with its mistake, whoever imports it."""

    def __init__(self, mutant: Mutant) -> None:
        self._mutant = mutant

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self._mutant.module:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        assert spec is not None
        assert spec.origin is not None
        spec.loader = _Mistaken(self._mutant, spec.origin)
        return spec


def install(mutant: Mutant) -> None:
    """Have the module loaded with its mistake, when it is imported for the first time from now on."""
    assert mutant.module not in sys.modules
    sys.meta_path.insert(0, _Finder(mutant))


def main(name: str) -> int:
    """1 where a schedule shows the mistake of this name."""
    mutant = next(one for one in MUTANTS if one.name == name)
    install(mutant)
    from worldevents.testing.simulation import run_seeds  # noqa: PLC0415 - what it imports is mutated now

    figures = run_seeds(range(mutant.first, mutant.first + SEEDS), stop_at_first=True)
    for seed, found in figures.failed.items():
        print(f"after {figures.seeds} schedules, --seed {seed}:", *found, sep="\n  ")
    return 1 if figures.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
