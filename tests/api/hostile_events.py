"""What is wrong with an event file: the tables, as JSON by place and as TOML by text."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

Path = tuple[str | int, ...]

_TIER = {"threshold": 25, "reward": {"kind": "crate", "name": "Crate", "quantity": 2}}
_GOAL = {"id": "extra-goal", "name": "Goal", "metric": "totalVolume", "target": 1_000, "tiers": [_TIER]}
_CHALLENGE = {
    "id": "ton",
    "name": "Ton",
    "metric": "totalVolume",
    "target": 5,
    "reward": {"kind": "title", "name": "Lifter"},
}
EVENT: dict[str, Any] = {
    "event": {
        "id": "extra",
        "name": "Extra",
        "starts_at": "2026-12-01T00:00:00Z",
        "ends_at": "2026-12-31T00:00:00Z",
        "grace": "24h",
    },
    "metrics": [{"key": "steps", "unit": "steps", "decimals": 0}],
    "goals": [_GOAL],
    "challenges": [_CHALLENGE],
}
"""A file that could be published."""


class EventFault(NamedTuple):
    """A place in the file, what stands in it as raw JSON, and the field that the refusal is to name."""

    path: Path
    raw: str | None
    """None: the field is left out."""
    told: str = ""

    @property
    def field(self) -> str:
        return self.told or "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in self.path)[1:]

    @property
    def name(self) -> str:
        raw = "missing" if self.raw is None else self.raw
        shown = raw if len(raw) < 40 else f"{raw[:20]}({len(raw)})"
        return f"{'.'.join(map(str, self.path))}={shown}".encode("ascii", "backslashreplace").decode()

    @property
    def body(self) -> bytes:
        *way, last = self.path
        document = json.loads(json.dumps(EVENT))
        place: Any = document
        for part in way:
            place = place[part]
        place[last] = "@"
        if self.raw is None:
            del place[last]
        return json.dumps(document).replace('"@"', self.raw or "").encode()


def _faults(path: Path, *raws: str | None, told: str = "") -> list[EventFault]:
    return [EventFault(path, raw, told) for raw in raws]


_NO_NUMBER = ("null", "true", '"5"', "[]", "{}", "NaN", "Infinity")
_NO_TEXT = ("null", "5", "true", "[]", "{}", "NaN", '"\\ud800"')
_NO_SLUG = (*_NO_TEXT, '""', '"A"', '"a b"', '"a_b"', '"\u00e4"', '"a\\u0000"', f'"{"a" * 65}"', None)
_NO_NAME = (*_NO_TEXT, '""', '" "', '"a\\nb"', '"a\\u0000"', '"\\u001b[31m"', f'"{"a" * 101}"', None)

EVENT_FAULTS = [
    *_faults(("event",), "null", "5", "[]", '"extra"', None),
    *_faults(("event", "id"), *_NO_SLUG),
    *_faults(("event", "name"), *_NO_NAME),
    *_faults(("event", "description"), *_NO_TEXT, f'"{"a" * 2_001}"', '"a\\u0000"'),
    *_faults(("event", "starts_at"), "null", "5", "1e400", "true", "[]", '""', '"soon"', '"2026-12-01"', None),
    *_faults(("event", "ends_at"), '"2026-12-31T00:00:00"', '"2026-W53-4T00:00:00Z"', '"\\ud800"', None),
    *_faults(("event", "ends_at"), '"2026-12-01T00:00:00Z"', '"1999-12-31T00:00:00Z"', '"9999-12-31T23:59:59-14:00"'),
    *_faults(("event", "grace"), *_NO_TEXT, '""', '"24"', '"1y"', '"1.5h"', '"-1h"', '"9999999d"', '"24 h"'),
    *_faults(("goals",), "null", "5", "[]", "{}", '"x"', None),
    *_faults(("goals",), "[5]", "[null]", "[[]]", told="goals[0]"),
    *_faults(("goals", 0, "id"), *_NO_SLUG),
    *_faults(("goals", 0, "name"), *_NO_NAME),
    *_faults(("goals", 0, "metric"), *_NO_TEXT, '"nowhere"', '"9lives"', '"a-b"', f'"{"a" * 65}"', None),
    *_faults(("goals", 0, "target"), *_NO_NUMBER, "0", "-1", "1e400", "1e-400", "0.0001", "9007199254741", None),
    *_faults(("goals", 0, "hidden"), "null", "1", '"yes"', "[]"),
    *_faults(("goals", 0, "tiers"), "null", "5", "{}"),
    *_faults(("goals", 0, "tiers"), "[5]", "[null]", told="goals[0].tiers[0]"),
    *_faults(("goals", 0, "tiers", 0, "threshold"), *_NO_NUMBER, "0", "-1", "10001", "1e400", "33.33333", "1e-9"),
    *_faults(("goals", 0, "tiers", 0, "reward"), "null", "5", "[]", '"crate"', None),
    *_faults(("goals", 0, "tiers", 0, "reward"), "{}", '{"name": "x"}', told="goals[0].tiers[0].reward.kind"),
    *_faults(("goals", 0, "tiers", 0, "reward", "kind"), *_NO_TEXT, '"nap"', '"Crate"', '["crate"]'),
    *_faults(("goals", 0, "tiers", 0, "reward", "name"), *_NO_NAME),
    *_faults(("goals", 0, "tiers", 0, "reward", "quantity"), *_NO_NUMBER, "0", "-1", "1.5", "9007199254740992"),
    *_faults(("goals", 0, "tiers", 0, "audience"), *_NO_TEXT, '"nobody"'),
    *_faults(("goals", 0, "tiers", 0, "minimum"), "true", '"5"', "[]", "NaN", "0", "-1", "1e400"),
    *_faults(("metrics",), "null", "5", "{}"),
    *_faults(("metrics", 0, "key"), *_NO_TEXT, '""', '"a b"', '"9"', None),
    *_faults(("metrics", 0, "decimals"), "true", '"1"', "1.5", "-1", "7", "NaN", "9" * 400),
    *_faults(("metrics", 0, "max_per_contribution"), "true", '"5"', "NaN", "0", "-1", "0.5", "1e400"),
    *_faults(("metrics", 0, "over_limit"), *_NO_TEXT, '"ask"'),
    *_faults(("challenges",), "null", "5", "{}"),
    *_faults(("challenges", 0, "id"), *_NO_SLUG),
    *_faults(("challenges", 0, "metric"), *_NO_TEXT, '"totalPRs"', '"nowhere"'),
    *_faults(("challenges", 0, "target"), *_NO_NUMBER, "0", "-1", "1e400"),
    *_faults(("evnt",), "1"),
    *_faults(("event", "strats_at"), "1"),
    *_faults(("goals", 0, "amount"), "1"),
    # A key of other letters is shown as TOML writes it.
    *_faults(("<script>",), "1", told='"<script>"'),
    *_faults(("event", "\ud800"), "1", told="event"),
    *_faults(("event", "a\nb"), "1", told='event."a\\nb"'),
]
"""For PUT /v1/admin/events as JSON; all are `event_invalid`."""

TOML = """\
[event]
id = "extra"
name = "Extra"
starts_at = 2026-12-01T00:00:00Z
ends_at = 2026-12-31T00:00:00Z
[[goals]]
id = "extra-goal"
name = "Goal"
metric = "totalVolume"
target = 1000
"""
"""A file that could be published."""

NO_TOML: list[tuple[str, bytes, str | None]] = [
    (name, text.encode() if isinstance(text, str) else text, field)
    for name, text, field in (
        ("empty", "", "event"),
        ("words", "canary", None),
        ("JSON", json.dumps(EVENT), None),
        ("truncated", TOML.replace("1000", '"10'), None),
        ("a table twice", TOML + "[event]\n", None),
        ("a key twice", TOML + "target = 5\n", None),
        ("raw NUL", TOML.replace("Extra", "a\x00b"), None),
        ("raw escape", TOML.replace("Extra", "\x1b[31m"), None),
        ("lone surrogate", TOML.replace("Extra", "\\ud800"), None),
        ("5,000 digits", TOML.replace("1000", "9" * 5_000), None),
        ("an exponent of 20 digits", TOML.replace("1000", "1e99999999999999999999"), None),
        ("arrays without end", TOML + "tiers = " + "[" * 20_000, None),
        ("tables without end", TOML + "tiers = " + "{a=" * 20_000, None),
        ("keys without end", TOML + ".".join(["a"] * 20_000) + " = 1", None),
        ("UTF-16", TOML.encode("utf-16"), "body"),
        ("latin-1", TOML.replace("Extra", "\u00e4").encode("latin-1"), "body"),
        ("a lone byte", TOML.encode() + b"\xff", "body"),
        ("NaN", TOML.replace("1000", "nan"), "goals[0].target"),
        ("infinity", TOML.replace("1000", "-inf"), "goals[0].target"),
        ("1e400", TOML.replace("1000", "1e400"), "goals[0].target"),
        ("1e-400", TOML.replace("1000", "1e-400"), "goals[0].target"),
        ("a text as number", TOML.replace("1000", '"1000"'), "goals[0].target"),
        ("a date as instant", TOML.replace("2026-12-31T00:00:00Z", "2026-12-31"), "event.ends_at"),
        ("an instant without offset", TOML.replace("2026-12-31T00:00:00Z", "2026-12-31T00:00:00"), "event.ends_at"),
        ("a time as instant", TOML.replace("2026-12-31T00:00:00Z", "12:00:00"), "event.ends_at"),
        ("no such day", TOML.replace("2026-12-31", "2026-02-30"), None),
        ("the last second", TOML.replace("2026-12-31T00:00:00Z", "9999-12-31T23:59:59-14:00"), "event.ends_at"),
    )
]
"""By name, text and field: for the same route as TOML."""
