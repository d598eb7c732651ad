"""Corrections, holds and bans at the command line, in the words that a person reads."""

import re

from tests.cli.conftest import Run

LIFT = "lift-the-frost"
WHY = ("--reason", "ticket 41", "--author", "eve")


def _lines(text: str) -> list[str]:
    """Lines with their columns a space apart."""
    return [re.sub(" +", " ", line).strip() for line in text.splitlines()]


def test_a_correction_says_before_and_after(running: Run) -> None:
    """With the sign it was given, once for its id; a preview does nothing."""
    running("contribute", LIFT, "ada", "100", "--id", "w1")
    figures = ["BEFORE AFTER", "the goal 100 kg 87.5 kg", "held 0 kg 0 kg", "the user 100 kg 87.5 kg"]
    would = running("correct", LIFT, "ada", "-12.5", "--id", "k1", "--preview", *WHY)
    assert (would.code, _lines(would.out)) == (0, [f"-12.5 kg of ada for {LIFT}: would be corrected", *figures])
    done = running("correct", LIFT, "ada", "-12.5", "--id", "k1", *WHY)
    assert (done.code, _lines(done.out)) == (0, [f"-12.5 kg of ada for {LIFT}: corrected", *figures])
    again = running("correct", LIFT, "ada", "-12.5", "--id", "k1", *WHY)
    assert (again.code, _lines(again.out)[0]) == (0, f"-12.5 kg of ada for {LIFT}: already corrected")
    assert running("goals", "show", LIFT, "--user", "ada", "--json").document["userContribution"] == 87.5


def test_a_correction_below_zero_is_refused(running: Run) -> None:
    """The code says so, and nothing is changed."""
    running("contribute", LIFT, "ada", "100", "--id", "w1")
    said = running("correct", LIFT, "ada", "-100.001", "--id", "k1", *WHY)
    assert (said.code, said.err) == (1, "error below_zero: The user would have less than nothing. (amount)\n")
    assert running("users", "audit", "--json").document == {"entries": []}


def test_a_hold_is_listed_and_decided(running: Run) -> None:
    """What is over a limit waits until somebody releases or rejects it."""
    assert running("holds", "list").err == "Nothing waits for a decision.\n"
    running("contribute", LIFT, "ada", "200_000", "--id", "w1")
    heads, row = _lines(running("holds", "list").out)
    assert heads == "ID GOAL USER AMOUNT CONTRIBUTION RECEIVED"
    assert row.startswith(f"1 {LIFT} ada 200,000 w1 ")
    assert _lines(running("holds", "release", "1", *WHY).out)[0] == f"200,000 kg of ada for {LIFT}: released"
    assert running("holds", "reject", "1", *WHY).err.startswith("error hold_decided: ")
    assert running("holds", "list", "--json").document == {"holds": []}


def test_a_ban_is_asked_for_and_taken_back(running: Run) -> None:
    """Without a terminal --yes is a must; the list and the audit name who, when and why."""
    running("contribute", LIFT, "ada", "100", "--id", "w1")
    running("contribute", LIFT, "bob", "50", "--id", "w1")
    assert running("users", "ban", "ada", *WHY).err == "error usage: nobody is there to be asked: say --yes\n"
    assert _lines(running("users", "ban", "ada", "--preview", *WHY).out)[:2] == ["ada would be banned", LIFT]
    assert _lines(running("users", "ban", "ada", "--yes", *WHY).out)[:4] == [
        "ada is banned",
        LIFT,
        "BEFORE AFTER",
        "the goal 150 50",
    ]
    assert running("contribute", LIFT, "ada", "1", "--id", "w2").err.startswith("error user_banned: ")
    assert running("users", "hide", "bob", "--preview", *WHY).out == "bob would be hidden\n"
    assert running("users", "hide", "bob", *WHY).out == "bob is hidden\n"
    assert running("users", "unhide", "bob", "--preview", *WHY).out == "bob would be shown\n"
    listed = _lines(running("users", "list").out)[1:]
    assert [line.split()[:2] for line in listed] == [["ada", "banned"], ["bob", "hidden"]]
    assert running("users", "unhide", "bob", *WHY).out == "bob is shown\n"
    assert _lines(running("users", "unban", "ada", *WHY).out)[0] == "ada is taken again"
    told = running("users", "audit", "--json").document["entries"]
    assert [(one["action"], one["userId"], one["author"], one["reason"]) for one in reversed(told)] == [
        (action, user, "eve", "ticket 41")
        for action, user in (("ban", "ada"), ("hide", "bob"), ("unhide", "bob"), ("unban", "ada"))
    ]
    assert len(_lines(running("users", "audit", "--user", "bob", "--limit", "1").out)) == 2


def test_a_user_is_exported_and_erased(running: Run) -> None:
    """The export is one document; an erasing is asked for, says what is left, and once done there is nobody."""
    running("contribute", LIFT, "ada", "100", "--id", "w1", "--name", "Ada")
    running("contribute", LIFT, "bob", "150", "--id", "w1")
    told = running("users", "export", "ada").document
    assert (told["userId"], told["displayName"]) == ("ada", "Ada")
    assert [(one["contributionId"], one["amount"]) for one in told["contributions"]] == [("w1", 100)]
    assert running("users", "erase", "ada", *WHY).err == "error usage: nobody is there to be asked: say --yes\n"
    figures = ["1 contributions, 0 grants, 0 active days, 0 entries of the audit", "GOAL AMOUNT HELD RANK"]
    would = _lines(running("users", "erase", "ada", "--preview", *WHY).out)
    assert would == ["ada would be erased", *figures, f"{LIFT} 100 kg 0 kg 2"]
    done = _lines(running("users", "erase", "ada", "--yes", *WHY).out)
    assert done[1:] == would[1:]
    tombstone = done[0].removeprefix("erased: ").removesuffix(" is left")
    board = running("leaderboard", LIFT, "--json").document["contributors"]
    assert [(one["rank"], one["userId"]) for one in board] == [(1, "bob"), (2, tombstone)]
    assert running("users", "erase", "ada", "--yes", *WHY).out == "Nothing is known of ada.\n"
    assert running("users", "export", "ada").document["contributions"] == []
    assert len(running("users", "export", tombstone).document["contributions"]) == 1
    assert running("users", "audit", "--json").document["entries"][0]["userId"] == tombstone
