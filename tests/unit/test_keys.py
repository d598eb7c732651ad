"""Keys as they are made and kept, and what a caller may do with one."""

import base64
import hashlib
import re
import secrets
from dataclasses import replace
from itertools import chain, combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.test_docs import ROOT, blocks
from worldevents.auth import Caller, KeyKind, NewKey, Right, new_key
from worldevents.auth.callers import OPEN, OPERATOR, caller_of, user_caller
from worldevents.errors import BodyInvalid, Forbidden
from worldevents.testing.builders import DURING, a_goal, a_key

READ, CONTRIBUTE, OPERATE = Right.READ, Right.CONTRIBUTE, Right.OPERATE
RIGHTS = [set(some) for some in chain.from_iterable(combinations(Right, size) for size in range(4))]
PLAYERS = {"volume": False, "workouts": True}
"""Which of two goals lets players contribute."""


def make(name: str = "test", **told: Any) -> NewKey:
    """Make a key of real randomness."""
    return new_key(name, created_at=DURING, randomness=secrets.token_bytes(32), **told)


def said(check: Any, *arguments: Any) -> str:
    """Whether a check passes, else the field that is forbidden."""
    try:
        check(*arguments)
    except Forbidden as error:
        return error.field or "forbidden"
    return "yes"


# Making.


@given(st.binary(min_size=32, max_size=32), st.sampled_from(KeyKind))
def test_a_key_holds_all_of_its_chance(randomness: bytes, kind: KeyKind) -> None:
    """The text is the kind's prefix and 43 letters, from which all 256 bits can be read; the digest is of all of it."""
    new = new_key("test", kind=kind, created_at=DURING, randomness=randomness)
    prefix = {KeyKind.SECRET: "we_secret_", KeyKind.PUBLIC: "we_pub_"}[kind]
    assert re.fullmatch(prefix + r"[A-Za-z0-9_-]{43}", new.text)
    assert randomness == base64.urlsafe_b64decode(new.text.removeprefix(prefix) + "=")
    assert hashlib.sha256(new.text.encode()).digest() == new.key.digest
    assert (new.key.digest.hex()[:12], f"{prefix}…{new.text[-4:]}") == (new.key.id, new.key.hint)


def test_what_is_kept_does_not_give_the_key_away() -> None:
    """Neither the kept key nor the new one shows the text or the digest when it is printed."""
    new = make()
    shown = f"{new!r} {new} {new.key!r}"
    assert new.text not in shown
    assert repr(new.key.digest) not in shown
    assert new.key.hint in shown


def test_a_key_has_the_rights_of_its_kind() -> None:
    """A server contributes, a page only reads, and nothing operates unless that is asked for."""
    assert {READ, CONTRIBUTE} == make().key.rights
    assert {READ} == make(kind=KeyKind.PUBLIC).key.rights
    assert set(Right) == make(rights=Right).key.rights
    assert {CONTRIBUTE} == make(rights=[CONTRIBUTE, CONTRIBUTE]).key.rights


@pytest.mark.parametrize("rights", RIGHTS, ids=lambda rights: "+".join(sorted(rights)) or "none")
@pytest.mark.parametrize("kind", KeyKind)
def test_only_some_rights_can_be_given(kind: KeyKind, rights: set[Right]) -> None:
    """A secret key has any but none, a public one reads."""
    allowed = rights == {READ} if kind is KeyKind.PUBLIC else bool(rights)
    if allowed:
        assert rights == make(kind=kind, rights=rights).key.rights
        return
    with pytest.raises(BodyInvalid) as refused:
        make(kind=kind, rights=rights)
    assert refused.value.field == "rights"


@pytest.mark.parametrize("name", ["a", "x" * 64, "the page", "Бот №1", "\N{SNOWMAN}"])
def test_a_name_is_what_can_be_shown(name: str) -> None:
    """1 to 64 printable characters."""
    assert name == make(name).key.name


@pytest.mark.parametrize("name", ["", " ", "x" * 65, "a\nb", "\x1b[31m", "a\u202eb", "\ud800"])
def test_a_name_that_cannot_be_shown_is_refused(name: str) -> None:
    """A name never moves a cursor, nor is it empty or long."""
    with pytest.raises(BodyInvalid) as refused:
        make(name)
    assert refused.value.field == "name"


@pytest.mark.parametrize("goal", ["", "A", "a b", "x" * 65, "volume\n", "ä"])
def test_a_goal_that_cannot_be_one_is_refused(goal: str) -> None:
    """A key is for goals by their ids."""
    with pytest.raises(BodyInvalid) as refused:
        make(goals=["volume", goal])
    assert refused.value.field == "goals"


def test_less_chance_is_a_mistake_of_the_program() -> None:
    """A key is never made of less than 256 bits."""
    with pytest.raises(ValueError, match="32 random bytes"):
        new_key("test", created_at=DURING, randomness=bytes(31))


# Callers.


def test_a_secret_key_is_trusted_and_a_public_one_reads() -> None:
    """A server says when something happened; a public key that claims more than reading does not get it."""
    server, page = caller_of(a_key("k1")), caller_of(a_key("k2", kind=KeyKind.PUBLIC, rights=Right))
    assert (True, True, None) == (server.trusted, server.is_unbounded, server.user_id)
    assert (frozenset({READ}), False, False) == (page.rights, page.trusted, page.is_unbounded)
    assert ("key:k1", "we_test_…k1") == (server.id, server.hint)


@pytest.mark.parametrize("rights", RIGHTS, ids=lambda rights: "+".join(sorted(rights)) or "none")
def test_a_right_is_had_or_not(rights: set[Right]) -> None:
    """For all goals: what is in the key may be done everywhere, what is not nowhere."""
    caller = caller_of(a_key(rights=rights))
    for right in Right:
        expected = "yes" if right in rights else "forbidden"
        assert (expected, expected) == (said(caller.require, right), said(caller.require, right, "volume"))
        assert (expected, right in rights) == (said(caller.require_any, right), caller.may(right))


@pytest.mark.parametrize("right", Right)
def test_a_key_for_some_goals_is_for_no_others(right: Right) -> None:
    """It has its rights there, not elsewhere, and not for what touches all."""
    caller = caller_of(a_key(rights=[right], goals=["volume", "workouts"]))
    told = [said(caller.require, right, goal) for goal in ("volume", "workouts", "spring", None)]
    assert ["yes", "yes", "goalId", "goalId"] == told
    assert ("yes", False) == (said(caller.require_any, right), caller.is_unbounded)


@pytest.mark.parametrize(
    ("caller", "expected"),
    [
        (OPEN, ("yes", "yes", "yes")),
        (OPERATOR, ("yes", "yes", "yes")),
        (caller_of(a_key()), ("yes", "yes", "yes")),
        (caller_of(a_key(goals=["volume"])), ("yes", "goalId", "goalId")),
        (caller_of(a_key(rights=[READ])), ("forbidden", "forbidden", "forbidden")),
        (caller_of(a_key(kind=KeyKind.PUBLIC, rights=[READ])), ("forbidden", "forbidden", "forbidden")),
        (user_caller("ann", DURING), ("goalId", "yes", "forbidden")),
    ],
    ids=["open", "run", "server", "one goal", "reader", "page", "user"],
)
def test_who_contributes(caller: Caller, expected: tuple[str, str, str]) -> None:
    """To a goal for servers, to one for players too, and with actions, which feed all goals."""
    goals = [replace(a_goal(name), players_contribute=players) for name, players in PLAYERS.items()]
    assert expected == (*(said(caller.require_contribute, goal) for goal in goals), said(caller.require_actions))


def test_a_user_is_one_user() -> None:
    """A user asks about nobody else and contributes as nobody else, and is never trusted with an instant."""
    ann = user_caller("ann", DURING)
    assert ["yes", "yes", "userId", "userId"] == [said(ann.check_user, one) for one in ("ann", None, "bob", "Ann")]
    assert (False, False, "yes") == (ann.trusted, ann.is_unbounded, said(ann.require_any, CONTRIBUTE))
    assert ["yes", "forbidden", "forbidden"] == [said(ann.require, right) for right in Right]
    assert ["yes", "yes", "forbidden"] == [said(ann.require_any, right) for right in Right]


@pytest.mark.parametrize("caller", [OPEN, OPERATOR, caller_of(a_key())])
def test_a_server_speaks_for_everybody(caller: Caller) -> None:
    """A key, open mode and the run token are no user."""
    assert "yes" == said(caller.check_user, "bob")


def test_the_program_of_the_docs_prints_what_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    """The Python block of docs/keys.md runs."""
    (program,) = blocks("docs/keys.md", "python")
    exec(program, {})  # noqa: S102 - our own page
    printed = capsys.readouterr().out.strip()
    assert f"prints `{printed}`" in (ROOT / "docs" / "keys.md").read_text()
