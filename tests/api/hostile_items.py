"""What is wrong with one contribution: the table. A row is a field, what stands in it as raw JSON, and the code.

Everything else about the item is right. `unless` gives another status than 422, another field than the row's.
"""

from __future__ import annotations

from typing import NamedTuple

from tests.api.door import OPEN_GOAL

GOOD = {"contributionId": '"c1"', "userId": '"ann"', "amount": "10"}
"""A contribution as raw JSON, field by field."""


class Fault(NamedTuple):
    """One row, and the refusal it is to get."""

    field: str
    raw: str | None
    """None: the field is left out."""
    code: str
    status: int = 422
    told: str | None = ""
    """The field that the refusal names; empty: the row's own."""

    @property
    def name(self) -> str:
        """A test's id."""
        raw = "missing" if self.raw is None else self.raw
        shown = raw if len(raw) < 40 else f"{raw[:20]}({len(raw)})"
        return f"{self.field or 'empty'}={shown}".encode("ascii", "backslashreplace").decode()

    @property
    def refusal(self) -> tuple[int, str, str | None]:
        """Status, code and field."""
        return self.status, self.code, self.field if self.told == "" else self.told

    def item(self, **fields: str) -> str:
        """The whole contribution as JSON, with this fault in it."""
        parts = {name: raw for name, raw in {**GOOD, **fields}.items() if name != self.field}
        if self.raw is not None:
            parts[self.field] = self.raw
        return "{" + ", ".join(f'"{name}": {raw}' for name, raw in parts.items()) + "}"


AMOUNTS = [
    Fault("amount", raw, "amount_invalid")
    for raw in (
        None,
        *("null", "true", "false", "[]", "[5]", "{}", '{"value": 5}'),
        *("NaN", "Infinity", "-Infinity", '"NaN"', '"Infinity"', '"-inf"', '"sNaN"'),
        *("0", "-0", "0.000", "0e9", '"0"', '"-0"', "1e-400", '"0.000"'),
        *("-1", "-0.001", '"-5"', "-1e400", "-" + "9" * 400),
        *("1e400", "1e64", "1e65", "9007199254740.992", "9007199254741", '"9007199254740.992"', "9" * 400),
        *("0.0001", "1.2345", '"0.0001"', "1e-4", f"0.{'0' * 60}1", f"1.{'0' * 70}1"),
        *('""', '" "', '" 5 "', '"5 "', '"5\\n"', '"5\\u0000"', '"+5"', '"5."', '".5"', '"1e3"', '"0x10"', '"1_000"'),
        *('"1,5"', '"1 000"', '"five"', '"5kg"', '"\u0663"', '"\u00b2"', '"\uff15"', '"\\ud800"', f'"{"9" * 65}"'),
    )
]
NO_IDS = (
    None,
    *("null", "5", "5.5", "true", "NaN", "Infinity", "1e400", "[]", '["ann"]', "{}"),
    *('""', '" "', '"a b"', '" ann"', '"ann\\n"', '"\\tann"', '"ann\\u0000"', '"\\u0000"', f'"{"a" * 129}"'),
    *('"a/b"', '"a\\\\b"', '"a%20b"', '"a,b"', '"a\\"b"', '"a\'b"', '"<script>"', '"{ann}"', '"ann;--"'),
    *('"\u00e4nn"', '"\u0430nn"', '"\u0661"', '"\U0001f600"', '"ann\u200b"', '"\ufeffann"'),
    *('"\\ud800"', '"\\udc00\\ud800"', '"ann\\udfff"'),
)
IDS = [Fault(field, raw, "id_invalid") for field in ("contributionId", "userId") for raw in NO_IDS]
INSTANTS = [
    *(
        Fault("occurredAt", raw, "body_invalid")
        for raw in (
            *("1765390000", "1.5", "true", "NaN", "1e400", "[]", "{}", '""', '"now"', '"1765390000"', '"\\ud800"'),
            *('"2026-12-10"', '"2026-12-10T18:00:00"', '"2026-12-10T18:00Z"', '"2026-12-10 18:00:00Z"'),
            *('"2026-W50-4T18:00:00Z"', '"2026-344T18:00:00Z"', '"20261210T180000Z"', '"2026-12-10T18:00:00+0100"'),
            *('"2026-13-01T00:00:00Z"', '"2026-02-30T00:00:00Z"', '"2026-12-10T24:00:01Z"', '"2026-12-10T18:00:60Z"'),
            *('"2026-12-10T18:00:00+25:00"', '"2026-12-10T18:00:00.1234567Z"', '"2026-12-10T18:00:00.Z"'),
            *('"2026-12-10T18:00:00Z\\n"', '" 2026-12-10T18:00:00Z"', '"2026-12-10T18:00:00Z\\u0000"'),
            *('"0000-01-01T00:00:00Z"', '"10000-01-01T00:00:00Z"', '"-2026-12-10T18:00:00Z"'),
            *('"0001-01-01T00:00:00+14:00"', '"9999-12-31T23:59:59-14:00"', '"\u0662026-12-10T18:00:00Z"'),
        )
    ),
    *(
        Fault("occurredAt", raw, "occurred_at_future")
        for raw in ('"2026-12-10T18:31:00.001Z"', '"2027-01-01T00:00:00Z"', '"9999-12-31T23:59:59Z"')
    ),
    *(
        Fault("occurredAt", raw, "goal_not_open", 409, None)
        for raw in ('"2026-11-30T23:59:59.999999Z"', '"1969-07-20T20:17:40Z"', '"0001-01-01T00:00:00Z"')
    ),
]
NAMES = [
    Fault("displayName", raw, "body_invalid")
    for raw in (
        *("5", "true", "NaN", "[]", "{}", '""', '" "', f'"{"a" * 65}"', '"a\\nb"', '"a\\u0000"', '"\\u007f"'),
        *('"\\u001b[31m"', '"\\u202eann"', '"\\u2028"', '"\\u200d"', '"\\u200b"', '"\\ud800"', '"\\ue000"'),
    )
]
UNKNOWN = [
    *(
        Fault(field, "1", "body_invalid")
        for field in ("amnt", "AMOUNT", "user_id", "__proto__", "constructor", "items")
    ),
    # What could be no field's name is not said back.
    *(
        Fault(field, "1", "body_invalid", 400, "body")
        for field in ("", " ", "a b", "amount ", "<script>", "\\ud800", "\\u0000", "\u00e4", "a" * 65)
    ),
]
ITEMS = [*AMOUNTS, *IDS, *INSTANTS, *NAMES, *UNKNOWN]
"""For every route that takes contributions."""
GOALS = [
    *(Fault("goalId", raw, "id_invalid") for raw in (None, "null", "5", "true", "NaN", "[]", "{}", f'["{OPEN_GOAL}"]')),
    *(
        Fault("goalId", raw, "unknown_goal", 404)
        for raw in (
            *(
                '""',
                '" "',
                '"nowhere"',
                f'"{OPEN_GOAL.upper()}"',
                f'"{OPEN_GOAL} "',
                f'"{OPEN_GOAL}\\u0000"',
                '"winter-2026"',
            ),
            *('"\\ud800"', '"\u00e4"', '"../lift-the-frost"', '"<script>"', f'"{"a" * 65}"', f'"{"a" * 50_000}"'),
        )
    ),
    *(Fault("goalId", f'"{name}-volume"', "goal_not_open", 409, None) for name in ("spring", "autumn", "lost")),
]
"""For the routes whose items name their goals."""
