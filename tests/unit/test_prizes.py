"""What a grant is called, and what claiming gives."""

from collections import Counter
from datetime import timedelta
from types import MappingProxyType

import pytest

from worldevents import prizes
from worldevents.catalog import read_event, table
from worldevents.errors import EventInvalid, UnknownGrant
from worldevents.model import Nature, Reward
from worldevents.prizes import Giver, Source
from worldevents.testing.builders import DURING

SECRET = bytes(32)
FILE = """\
[event]
id = "e"
name = "E"
starts_at = 2026-12-01T00:00:00Z
ends_at = 2026-12-22T00:00:00Z

[[challenges]]
id = "ton"
name = "Ton"
metric = "totalVolume"
target = 1_000
reward = {{ kind = "title", name = "Ton" }}
claim_within = "12h"

[[goals]]
id = "g"
name = "G"
metric = "totalVolume"
target = 10
  [[goals.tiers]]
  threshold = 33.33
  claim_within = "7d"
  reward = {{ kind = "crate", name = "Crate", {fields} }}
"""


@pytest.mark.parametrize(
    ("source", "user", "expected"),
    [
        (Source(Giver.TIER, "lift-the-frost", "33.33"), "ann.b:c@d-e_f", "tier~lift-the-frost~33.33~ann.b:c@d-e_f"),
        (Source(Giver.CHALLENGE, "winter", "25"), "ann", "challenge~winter~25~ann"),
        (Source(Giver.TIER, "g", "10000"), "", "tier~g~10000"),
        (Source(Giver.CONSOLATION, "lift-the-frost", ""), "ann", "consolation~lift-the-frost~ann"),
        (Source(Giver.CONSOLATION, "g", ""), "", "consolation~g"),
    ],
)
def test_an_id_is_read_as_it_was_made(source: Source, user: str, expected: str) -> None:
    """Of all that ids may have in them."""
    assert expected == prizes.grant_id(source, user)
    assert (source, user) == prizes.read_grant_id(expected)


@pytest.mark.parametrize(
    "text", ["", "tier", "tier~g~x~ann", "tier~G~25~ann", "tier~g~25~a b", "tier~g~25~", "world~g~1", "consolation~g~"]
)
def test_what_is_no_id(text: str) -> None:
    """Is nobody's grant."""
    with pytest.raises(UnknownGrant):
        prizes.read_grant_id(text)


def test_crates_are_as_their_odds() -> None:
    """Over many grants each prize comes as often as its weight says, within what chance does."""
    odds = ("70 Ice Shard", "25 Frost Orb", "5 Crown")
    crate = Reward(kind="crate", name="C", nature=Nature.QUANTITY, fields=MappingProxyType({"odds": odds}))
    found: Counter[str] = Counter()
    for number in range(4_000):
        found.update(prizes.outcome(crate, f"tier~g~25~u{number}", secret=SECRET, at=DURING)["prizes"])
    assert {"Ice Shard": 2_800, "Frost Orb": 1_000, "Crown": 200} == pytest.approx(found, abs=130)


def test_another_secret_is_another_crate() -> None:
    """Who knows a grant's id alone cannot tell what is in it."""
    crate = Reward(kind="crate", name="C", nature=Nature.QUANTITY, fields=MappingProxyType({"odds": ("1 A",)}))
    seeds = {prizes.outcome(crate, "tier~g~25~a", secret=bytes([n] * 32), at=DURING)["seed"] for n in range(5)}
    assert 5 == len(seeds)


def test_a_boost_beyond_the_calendar_has_no_end() -> None:
    """Instead of an error at the claim."""
    boost = Reward(kind="boost", name="B", nature=Nature.QUANTITY, fields=MappingProxyType({"minutes": 2**53 - 1}))
    assert None is prizes.outcome(boost, "tier~g~25~a", secret=SECRET, at=DURING)["endsAt"]


def test_odds_and_times_to_claim_are_declared() -> None:
    """In an event file, and written into one again."""
    event = read_event(FILE.format(fields='odds = ["70 Ice Shard", "30 Orb"], quantity = 2'))
    (tier,), (challenge,) = event.goals[0].tiers, event.challenges
    assert {"quantity": 2, "odds": ("70 Ice Shard", "30 Orb")} == dict(tier.reward.fields)
    assert (timedelta(days=7), timedelta(hours=12)) == (tier.claim_within, challenge.claim_within)
    written = table(event)
    assert ("7d", "12h") == (written["goals"][0]["tiers"][0]["claim_within"], written["challenges"][0]["claim_within"])


@pytest.mark.parametrize(
    "fields", ["odds = []", 'odds = ["Ice Shard"]', 'odds = ["0 Ice"]', 'odds = ["1 A"], quantity = 101']
)
def test_odds_that_are_none(fields: str) -> None:
    """Complain with their line."""
    with pytest.raises(EventInvalid) as refused:
        read_event(FILE.format(fields=fields))
    assert 23 == refused.value.complaints[0].line
