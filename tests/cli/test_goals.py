"""Goals, contributions and the leaderboard at the command line."""

import pytest

from tests.cli.conftest import Run

LIFT = "lift-the-frost"


def _contribute(run: Run, amounts: dict[str, str]) -> None:
    for user, amount in amounts.items():
        assert run("contribute", LIFT, user, amount, "--id", f"w-{user}", "--name", user.title()).code == 0


def test_a_contribution_is_answered_with_its_receipt(running: Run) -> None:
    """The amount is exact, underscores or not."""
    said = running("contribute", LIFT, "ada", "1_000.125", "--id", "w1", "--json")
    assert said.code == 0
    expected = {"goalId": LIFT, "userId": "ada", "amount": 1000.125, "status": "counted", "duplicate": False}
    assert expected.items() <= said.document.items()


def test_a_repeat_counts_once(running: Run) -> None:
    """The same id and amount again is no error and changes nothing."""
    running("contribute", LIFT, "ada", "100", "--id", "w1")
    said = running("contribute", LIFT, "ada", "100.000", "--id", "w1")
    assert said.code == 0
    assert said.out == f"100 kg for {LIFT} by ada: already counted\n{LIFT} stands at 100 kg, ada at 100 kg\n"


def test_another_amount_under_the_same_id_is_refused(running: Run) -> None:
    """The first amount stands."""
    running("contribute", LIFT, "ada", "100", "--id", "w1")
    said = running("contribute", LIFT, "ada", "101", "--id", "w1", "--json")
    assert (said.code, said.out) == (1, "")
    assert said.problem == {
        "code": "contribution_conflict",
        "detail": "This contribution id was counted with another amount; the first stands.",
        "field": "contributionId",
        "retryable": False,
    }


@pytest.mark.parametrize("amount", ["0", "1e3", "1.0005", "ten", "1__0", "_1", "Infinity"])
def test_an_amount_that_is_none_is_refused(running: Run, amount: str) -> None:
    """Only an exact positive decimal is an amount."""
    said = running("contribute", LIFT, "ada", amount, "--id", "w1")
    assert said.code == 1
    assert said.err.startswith("error amount_invalid: ")


def test_an_amount_over_the_limit_is_held(running: Run) -> None:
    """It is kept beside the total, and shown as pending."""
    said = running("contribute", LIFT, "ada", "200_000", "--id", "w1")
    assert (said.code, said.out.splitlines()[0]) == (
        0,
        f"200,000 kg for {LIFT} by ada: held for an operator to release, because it is over a limit",
    )
    shown = running("goals", "show", LIFT, "--user", "ada").out
    assert "0 of 10,000,000 kg · 200,000 kg pending · 0 contributors" in shown
    assert "ada: 0 kg, no rank yet, 200,000 kg pending" in shown


def test_what_happened_outside_the_window_is_refused(running: Run) -> None:
    """--occurred-at is the contribution's instant."""
    said = running("contribute", LIFT, "ada", "1", "--id", "w1", "--occurred-at", "2020-01-01T12:00:00+01:00")
    assert said.code == 1
    assert said.err.startswith("error goal_not_open: lift-the-frost starts at ")


def test_an_unknown_goal_is_said_so(running: Run) -> None:
    """The error has its code and field, whatever command asked."""
    for command in (
        ["contribute", "nope", "ada", "1", "--id", "x"],
        ["leaderboard", "nope"],
        ["goals", "show", "nope"],
        ["standing", "nope", "ada"],
    ):
        said = running(*command)
        assert (said.code, said.out) == (1, "")
        assert said.err.startswith("error unknown_goal: ")


def test_the_goals_are_listed(running: Run) -> None:
    """By default the active ones, as outsiders read them."""
    _contribute(running, {"ada": "99_000"})
    goals = running("goals", "list", "--json").document["goals"]
    told = [(goal["id"], goal["status"], goal["percent"]) for goal in goals]
    assert told == [(LIFT, "active", 0.99), ("slay-the-winter-king", "active", 0.0), ("iron-march", "active", 0.0)]
    expected = [LIFT, "active", "0.99", "99,000", "10,000,000", "kg"]
    assert running("goals", "list").out.splitlines()[1].split() == expected


def test_goals_of_another_status_are_not_listed(running: Run) -> None:
    """An empty list is an empty document, and a word on stderr for people."""
    assert running("goals", "list", "--status", "settled", "--json").document == {"goals": []}
    said = running("goals", "list", "--status", "settled")
    assert (said.code, said.out) == (0, "")
    assert said.err == "No settled goals; `--status all` lists every one.\n"
    assert len(running("goals", "list", "--status", "all", "--json").document["goals"]) == 3


def test_a_status_is_one_of_six(running: Run) -> None:
    """Any other word is a usage error that lists them."""
    said = running("goals", "list", "--status", "over")
    assert said.code == 2
    assert "'grace'" in said.err


def test_a_goal_past_its_target_has_its_true_percent(running: Run) -> None:
    """Counting goes on past 100 %."""
    running("contribute", "slay-the-winter-king", "ada", "1_250", "--id", "b1")
    shown = running("goals", "show", "slay-the-winter-king", "--user", "ada")
    assert "125.00 %" in shown.out
    assert "1,250 of 1,000 bosses · 1 contributor" in shown.out
    assert "ada: 1,250 bosses, rank 1" in shown.out
    told = running("goals", "show", "slay-the-winter-king", "--user", "ada", "--json").document
    assert (told["userContribution"], told["userRank"], told["goal"]["percent"]) == (1250, 1, 125.0)
    assert [tier["unlocked"] for tier in told["goal"]["rewardTiers"]] == [True, True]


def test_equal_amounts_share_a_rank(running: Run) -> None:
    """The board is ordered by amount, then user."""
    _contribute(running, {"ada": "10", "bob": "30", "cyd": "30", "dan": "20.5"})
    rows = [line.split() for line in running("leaderboard", LIFT).out.splitlines()[1:]]
    assert rows == [
        ["1", "bob", "Bob", "30"],
        ["1", "cyd", "Cyd", "30"],
        ["3", "dan", "Dan", "20.5"],
        ["4", "ada", "Ada", "10"],
    ]


def test_the_board_can_be_asked_around_a_user(running: Run) -> None:
    """--around moves the rows, --user adds one."""
    _contribute(running, {"ada": "10", "bob": "20", "cyd": "30", "dan": "40", "eve": "50"})
    around = running("leaderboard", LIFT, "--around", "bob", "--limit", "3", "--json").document
    assert [row["userId"] for row in around["contributors"]] == ["cyd", "bob", "ada"]
    assert (around["participantCount"], around["user"]) == (5, None)
    own = running("leaderboard", LIFT, "--user", "ada", "--limit", "1", "--json").document
    assert [row["rank"] for row in own["contributors"]] == [1]
    assert own["user"] == {"rank": 5, "userId": "ada", "displayName": "Ada", "amount": 10.0}
    shown = running("leaderboard", LIFT, "--user", "ada", "--limit", "1")
    assert [line.split()[1] for line in shown.out.splitlines()] == ["USER", "eve", "ada"]
    assert shown.err == "1 of 5 contributors\n"


def test_a_standing_is_explained(running: Run) -> None:
    """Rank, tie, share, what is missing, and which tiers are the user's."""
    _contribute(running, {"ada": "1_000", "bob": "3_000", "cyd": "1_000", "dan": "5"})
    running("contribute", LIFT, "ada", "200_000", "--id", "w2")
    assert running("standing", LIFT, "ada").out.splitlines() == [
        f"ada in {LIFT}: 1,000 kg",
        "rank 2 shared by 2, ahead of 1 of 4 contributors (25.00 %)",
        "19.980019 % of all that counts, 0.010000 % of the target",
        "200,000 kg pending: held for an operator to release",
        "2,000 kg to rank 1 shared by 2",
        "2,494,995 kg of all to the tier at 25 %",
        "",
        " TIER  ASKS FOR  OTHERS  YOURS",
        " 25 %  anything       3  no: not unlocked yet",
        " 50 %  anything       3  no: not unlocked yet",
        "100 %  anything       3  no: not unlocked yet",
    ]
    told = running("standing", LIFT, "ada", "--json").document
    assert (told["userRank"], told["ahead"]) == (2, {"count": 1, "of": 4, "percent": 25})


def test_a_standing_without_a_contribution(running: Run) -> None:
    """It says what the first one would give; a tier that is unlocked says what is missing."""
    running("contribute", "slay-the-winter-king", "ada", "1_250", "--id", "b1")
    shown = running("standing", "slay-the-winter-king", "zoe")
    assert (shown.code, shown.out.splitlines()[:3]) == (
        0,
        ["zoe in slay-the-winter-king: 0 bosses", "no rank yet, of 1 contributor", "1 bosses to rank 2"],
    )
    assert "no: nothing counted" in shown.out
    assert "yes" in running("standing", "slay-the-winter-king", "ada").out


@pytest.mark.parametrize("limit", ["0", "1001", "many"])
def test_a_board_has_1_to_1000_rows(running: Run, limit: str) -> None:
    """Another limit is a usage error."""
    assert running("leaderboard", LIFT, "--limit", limit).code == 2


def test_a_name_is_never_read_as_markup(running: Run) -> None:
    """What players call themselves is shown as it is."""
    running("contribute", LIFT, "ada", "1", "--id", "w1", "--name", "[red]:smile:")
    assert running("leaderboard", LIFT).out.splitlines()[1].split() == ["1", "ada", "[red]:smile:", "1"]


def test_a_command_publishes_nothing_elsewhere(running: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only servers do: a command does not even look whether that could be done."""
    monkeypatch.setenv("WORLDEVENTS_SUPABASE_URL", "no address at all")
    _contribute(running, {"ada": "100"})
    assert running("goals", "list").code == 0
