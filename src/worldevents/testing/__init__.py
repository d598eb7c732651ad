"""What tests need: a clock that stands still, builders of valid events, and the contract suites of the back ends.

    class TestMyStore(StoreLaws):
        @pytest.fixture
        def open_store(self) -> StoreOpener: ...

`LedgerLaws` asks for a fixture `open_ledger`, a `LedgerOpener`; `BufferLaws`, for a store in front of a ledger, for
`open_buffered`, a `BufferOpener`; `SpeakingLaws`, for what several processes have open, for `open_processes`, a
`ProcessesOpener`. All need `worldevents[testing]` and pytest-asyncio
in its auto mode; `pytest.register_assert_rewrite("worldevents.testing")` in a conftest shows both sides of a failure.
`StoreMachine` and `LedgerMachine` are hypothesis state machines: override `database`, then `run_state_machine_as_test`.
"""

from __future__ import annotations

from worldevents.testing.clock import ManualClock
from worldevents.testing.ledger_laws import LedgerLaws
from worldevents.testing.opened import LedgerOpener, OpenStore, StoreOpener
from worldevents.testing.stateful import LedgerMachine, StoreMachine
from worldevents.testing.store_buffering import BufferLaws, BufferOpener
from worldevents.testing.store_laws import StoreLaws
from worldevents.testing.store_speaking import ProcessesOpener, SpeakingLaws

__all__ = [
    "BufferLaws",
    "BufferOpener",
    "LedgerLaws",
    "LedgerMachine",
    "LedgerOpener",
    "ManualClock",
    "OpenStore",
    "ProcessesOpener",
    "SpeakingLaws",
    "StoreLaws",
    "StoreMachine",
    "StoreOpener",
]
