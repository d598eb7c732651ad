"""What the ledger writes down of an event is read back as the same event."""

import json
from datetime import UTC, datetime
from decimal import Decimal

from hypothesis import given, settings

from tests.unit.declared import events
from worldevents.catalog import load_event
from worldevents.ledger.document import event_document, event_from_document
from worldevents.model import SeasonalEvent


@settings(max_examples=50)
@given(events())
def test_an_event_comes_back_as_it_was(event: SeasonalEvent) -> None:
    """Nothing that can be declared is lost or changed on its way through JSON."""
    assert event == event_from_document(json.loads(json.dumps(event_document(event))))


def test_the_shipped_event_comes_back_as_it_was() -> None:
    """So does the Winter Event, with instants in UTC and exact numbers."""
    winter = load_event("winter")
    told = event_from_document(json.loads(json.dumps(event_document(winter))))
    assert winter == told
    assert told.starts_at.tzinfo is UTC
    assert type(told.goals[0].tiers[0].threshold) is Decimal


# A document of the first version, cut down to what every goal has.
OLD = """
{"id": "winter", "name": "Winter", "description": "", "startsAt": "2026-12-01T00:00:00+00:00",
 "endsAt": "2027-01-01T00:00:00+00:00", "graceSeconds": 86400.0, "cancelledAt": null, "challenges": [],
 "goals": [{"id": "frost", "name": "Frost", "description": "", "target": 10000000000, "hidden": false,
   "targetMayRise": false,
   "metric": {"key": "totalVolume", "unit": "kg", "decimals": 3, "perContribution": 100000000, "perUserDay": null,
     "perUser": null, "over": "hold"},
   "tiers": [{"threshold": "33.33", "thresholdValue": 3333000000, "audience": "everyone", "minimum": 5,
     "reward": {"kind": "boost", "name": "XP", "nature": "quantity",
       "fields": {"multiplier": {"decimal": "1.5"}, "minutes": 60, "scope": "world"}}}]}]}
"""


def test_documents_of_old_stay_readable() -> None:
    """A document that is already in somebody's ledger reads as it was meant."""
    event = event_from_document(json.loads(OLD))
    tier = event.goals[0].tiers[0]
    assert (event.starts_at, event.grace.days) == (datetime(2026, 12, 1, tzinfo=UTC), 1)
    assert (event.goals[0].target, event.goals[0].metric.decimals) == (10_000_000_000, 3)
    assert (tier.threshold, tier.threshold_value, tier.minimum) == (Decimal("33.33"), 3_333_000_000, 5)
    assert tier.reward.fields == {"multiplier": Decimal("1.5"), "minutes": 60, "scope": "world"}
    expected = json.loads(OLD)
    expected["goals"][0] |= {"playersContribute": False, "outliers": None, "nearMiss": "90", "consolation": None}
    assert expected == event_document(event)
