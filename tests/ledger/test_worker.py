"""Where the ledger's writer runs: on the spot while that is quick, else in its thread, always in order."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from worldevents.ledger import worker
from worldevents.ledger.worker import Worker


@pytest.fixture
def writer() -> Iterator[Worker]:
    one = Worker("test-writer", on_the_spot=True)
    yield one
    one.close()


async def test_a_quick_job_is_run_on_the_spot(writer: Worker) -> None:
    """No thread is asked for what takes no time."""
    assert threading.current_thread() is await writer.run(threading.current_thread)


async def test_after_a_slow_job_the_thread_has_them(writer: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is slow stops the loop once; when it has rested, jobs are run on the spot again."""
    monkeypatch.setattr(worker, "SLOW_S", -1)
    await writer.run(lambda: None)
    monkeypatch.setattr(worker, "SLOW_S", 60)
    assert "test-writer" == (await writer.run(threading.current_thread)).name
    monkeypatch.setattr("time.monotonic", lambda: float("inf"))
    assert threading.current_thread() is await writer.run(threading.current_thread)


async def test_a_job_waits_for_those_before_it(writer: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes while the thread is at work is run after that, there."""
    monkeypatch.setattr(worker, "SLOW_S", -1)
    await writer.run(lambda: None)
    monkeypatch.setattr(worker, "SLOW_S", 60)
    go, order = threading.Event(), list[int]()

    def wait() -> None:
        go.wait(10)
        order.append(1)

    first = asyncio.create_task(writer.run(wait))
    await asyncio.sleep(0)
    monkeypatch.setattr(writer, "_slow_until", 0.0)
    second = asyncio.create_task(writer.run(lambda: order.append(2)))
    await asyncio.sleep(0)
    go.set()
    await asyncio.gather(first, second)
    assert [1, 2] == order


async def test_a_job_that_fails_says_so(writer: Worker) -> None:
    """Its error is raised where it was asked for, on the spot as in the thread."""
    with pytest.raises(ZeroDivisionError):
        await writer.run(lambda: 1 / 0)
