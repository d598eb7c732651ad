"""Rewards at the command line."""

import pytest

from tests.cli.conftest import Run

KING = "slay-the-winter-king"
ADA = f"tier~{KING}~50~ada"


def test_rewards_are_listed_claimed_revoked_and_given(running: Run) -> None:
    """Each tells the grant as it stands then, and is kept."""
    assert (0, "No rewards were granted.\n") == (running("rewards", "list").code, running("rewards", "list").err)
    given = running("rewards", "grant", ADA, "--reason", "lost a boss", "--author", "eve", "--json").document
    assert ("claimable", "lost a boss", "eve") == (given["status"], given["reason"], given["author"])
    name = f"{given['reward']['name']} ({given['reward']['kind']})"
    assert f"{name} for ada: claimed\n" == running("rewards", "claim", ADA).out.splitlines(keepends=True)[0]
    assert f"{name} for ada: revoked\n" == running("rewards", "revoke", ADA, "--reason", "cheated").out
    refused = running("rewards", "claim", ADA)
    assert (1, "error grant_revoked: This grant was taken back by an operator. (grantId)\n") == (
        refused.code,
        refused.err,
    )
    for listed in (("--limit", "5"), ("--user", "ada")):
        said = running("rewards", "list", *listed)
        assert ["NUMBER  ID", f"     1  {ADA}"] == [
            line[: 8 + (2 if place == 0 else len(ADA))] for place, line in enumerate(said.out.splitlines())
        ]
    assert [ADA] == [one["id"] for one in running("rewards", "list", "--json").document["grants"]]
    assert 0 == running("rewards", "list", "--after", "1").code


@pytest.mark.parametrize("words", [("grant", ADA), ("revoke", ADA)])
@pytest.mark.parametrize("field", ["reason", "author"])
def test_who_and_why_are_texts(running: Run, words: tuple[str, ...], field: str) -> None:
    """As over HTTP; nothing is granted and nothing revoked."""
    told = {"reason": "lost a boss", "author": "eve", field: " "}
    said = running("rewards", *words, *(part for name in told for part in (f"--{name}", told[name])), "--json")
    assert (1, "body_invalid", field) == (said.code, said.problem["code"], said.problem["field"])
    assert [] == running("rewards", "list", "--json").document["grants"]


def test_what_is_no_grant(running: Run) -> None:
    """Is said to be unknown."""
    said = running("rewards", "claim", "nothing", "--json")
    assert (1, "unknown_grant") == (said.code, said.problem["code"])


def test_an_unlock_is_granted_before_the_list_is_shown(running: Run) -> None:
    """Without a server nobody works in the background: the command does."""
    running("contribute", KING, "bob", "500", "--id", "b1")
    assert [f"tier~{KING}~50~bob"] == [one["id"] for one in running("rewards", "list", "--json").document["grants"]]


def test_the_report_ends_with_1_while_anything_is_owed(running: Run) -> None:
    """On each way: how many there are, how many arrived, and since when the oldest waits."""
    assert 0 == running("rewards", "report").code
    running("rewards", "grant", ADA, "--reason", "lost a boss")
    told = running("rewards", "report", "--json")
    assert (1, 1, "deliver") == (told.code, told.document["owed"], told.document["channels"][0]["way"])
    said = running("rewards", "report")
    assert 1 == said.code
    heads, row = said.out.splitlines()
    assert ["WAY", "URL", "GRANTS", "DELIVERED", "OWED", "DEAD", "OLDEST", "OWED"] == heads.split()
    assert ["deliver", "1", "0", "1", "0"] == row.split()[:5]
