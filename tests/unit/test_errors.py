"""Every way of saying no: one root, a stable code, a message of its own."""

import inspect

import pytest

from worldevents import errors
from worldevents.errors import Complaint, EventInvalid, IdInvalid, WorldEventsError

EVERY = sorted(
    (one for one in vars(errors).values() if inspect.isclass(one) and issubclass(one, WorldEventsError)),
    key=lambda one: one.__name__,
)

CONTRACT = {
    "body_invalid",
    "amount_invalid",
    "id_invalid",
    "occurred_at_future",
    "limit_exceeded",
    "unknown_goal",
    "goal_not_open",
    "contribution_conflict",
}


def test_codes_are_stable_and_each_belongs_to_one_error() -> None:
    """The code is the contract: no two errors share one, and those that callers know are there."""
    codes = [error.code for error in EVERY]
    assert len(codes) == len(set(codes))
    assert CONTRACT - set(codes) == set()


@pytest.mark.parametrize("error", EVERY)
def test_every_error_has_a_message_of_its_own(error: type[WorldEventsError]) -> None:
    """Raised without a word, an error says in one sentence what went wrong."""
    said = error()
    assert said.detail == str(said)
    assert said.detail.endswith(".")
    assert "\n" not in said.detail
    assert said.field is None


@pytest.mark.parametrize("error", [error for error in EVERY if error is not EventInvalid])
def test_what_is_said_at_the_raise_wins(error: type[WorldEventsError]) -> None:
    """A detail and a field are kept as they are given."""
    said = error("the words", field="amount")
    assert (said.detail, str(said), said.field) == ("the words", "the words", "amount")


def test_what_may_be_repeated_says_so() -> None:
    """Only errors of the moment invite a second try; what a caller sent stays wrong."""
    assert {error.code for error in EVERY if error.retryable} >= {"ledger_unavailable", "closed", "event_conflict"}
    assert [error.code for error in EVERY if error.retryable and error.code in CONTRACT] == []


def test_an_invalid_event_carries_every_complaint() -> None:
    """The message is the first complaint; without complaints it is the only one."""
    told = EventInvalid(Complaint("one", ("goals", 0, "id"), 1), Complaint("two", line=2))
    assert (told.detail, told.field) == ("line 1: goals[0].id: one", "goals[0].id")
    assert list(map(str, told.complaints)) == ["line 1: goals[0].id: one", "line 2: two"]
    assert EventInvalid("not TOML").complaints == (Complaint("not TOML"),)
    assert EventInvalid().detail == EventInvalid.__doc__


def test_an_error_is_caught_by_its_root() -> None:
    """A host that wants to know nothing more catches one class."""
    with pytest.raises(WorldEventsError):
        raise IdInvalid(field="userId")
