"""What tests need: a clock that stands still, builders of valid events, and the contract suites of the back ends.

    class TestMyStore(StoreLaws):
        @pytest.fixture
        def open_store(self) -> StoreOpener: ...

`LedgerLaws` asks for a fixture `open_ledger`, a `LedgerOpener`; `BufferLaws`, for a store in front of a ledger, for
`open_buffered`, a `BufferOpener`; `SpeakingLaws`, for what several processes have open, for `open_processes`, a
`ProcessesOpener`. All need `worldevents[testing]` and pytest-asyncio
in its auto mode; `pytest.register_assert_rewrite("worldevents.testing")` in a conftest shows both sides of a failure.
`SystemMachine` and `LedgerMachine` are hypothesis machines: override `database`, then `run_state_machine_as_test`.
The first is a whole system over a store and its ledger, as `system_over` and `buffered_system_over` put it together.
"""

from __future__ import annotations

from worldevents.testing.clock import ManualClock
from worldevents.testing.ledger_laws import LedgerLaws
from worldevents.testing.opened import LedgerOpener, OpenStore, StoreOpener
from worldevents.testing.stateful import LedgerMachine
from worldevents.testing.store_buffering import BufferLaws, BufferOpener
from worldevents.testing.store_laws import StoreLaws
from worldevents.testing.store_speaking import ProcessesOpener, SpeakingLaws
from worldevents.testing.system import System, SystemOpener, buffered_system_over, system_over
from worldevents.testing.system_machine import SystemMachine

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
    "StoreOpener",
    "System",
    "SystemMachine",
    "SystemOpener",
    "buffered_system_over",
    "system_over",
]
