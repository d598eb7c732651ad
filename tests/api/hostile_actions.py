"""What is wrong with one game action: the table, as in `hostile_items`."""

from __future__ import annotations

from typing import NamedTuple

from tests.api.hostile_items import INSTANTS, NO_IDS

ACTIONS = {
    "workout": {"id": '"w1"', "userId": '"ann"', "sets": '[{"exercise": "squat", "weight": 100, "reps": 5}]'},
    "challenge": {"id": '"ch1"', "userId": '"ann"', "workouts": '["w1"]'},
    "boss": {"id": '"b1"', "userId": '"ann"', "count": "2"},
    "activity": {"userId": '"ann"'},
}


class ActionFault(NamedTuple):
    """An action that is right but for one field, and the refusal it is to get."""

    kind: str
    field: str
    raw: str | None
    code: str
    status: int = 422
    told: str = ""

    @property
    def name(self) -> str:
        raw = "missing" if self.raw is None else self.raw
        shown = raw if len(raw) < 100 else f"{raw[:60]}({len(raw)})"
        return f"{self.kind}.{self.field or 'empty'}={shown}".encode("ascii", "backslashreplace").decode()

    @property
    def refusal(self) -> tuple[int, str, str]:
        return self.status, self.code, self.told or self.field

    @property
    def action(self) -> str:
        fields = {"kind": f'"{self.kind}"', **ACTIONS[self.kind]}
        parts = {name: raw for name, raw in fields.items() if name != self.field}
        if self.raw is not None:
            parts[self.field] = self.raw
        return "{" + ", ".join(f'"{name}": {raw}' for name, raw in parts.items()) + "}"


def _set(**fields: str) -> str:
    good = {"exercise": '"squat"', "weight": "100", "reps": "5"}
    parts = (f'"{name}": {raw}' for name, raw in {**good, **fields}.items() if raw)
    return "[{" + ", ".join(parts) + "}]"


KINDS = [
    ActionFault("workout", "kind", raw, "body_invalid")
    for raw in (None, "null", "5", "[]", "{}", "NaN", '""', '"Workout"', '"nap"', '"\\ud800"', '["workout"]')
]
ACTION_IDS = [
    *(ActionFault(kind, "id", raw, "id_invalid") for kind in ("workout", "boss") for raw in NO_IDS),
    ActionFault("challenge", "id", None, "id_invalid"),
    ActionFault("challenge", "id", '"a b"', "id_invalid"),
    *(ActionFault("activity", "userId", raw, "id_invalid") for raw in NO_IDS),
    ActionFault("workout", "id", f'"{"w" * 125}"', "id_invalid"),
]
SETS = [
    *(ActionFault("workout", "sets", raw, "body_invalid") for raw in ("5", "true", '"squat"', "{}", "NaN", "[null]")),
    *(ActionFault("workout", "sets", raw, "body_invalid") for raw in ("[[]]", "[5]", '["squat"]')),
    *(
        ActionFault("workout", "sets", _set(exercise=raw), "body_invalid", told="sets.exercise")
        for raw in ("", "null", "5", "[]", "{}", '""', '" "', '"\\ud800"')
    ),
    *(
        ActionFault("workout", "sets", _set(weight=raw), "amount_invalid", told="sets.weight")
        for raw in ("", "null", "true", "[]", '"x"', "NaN", "Infinity", "1e400", "1e-400", "-1", "0.0001", "9" * 400)
    ),
    *(
        ActionFault("workout", "sets", _set(reps=raw), "amount_invalid", told="sets.reps")
        for raw in ("", "null", "true", "[]", '"5"', "5.0", "-1", "1000001", "NaN", "1e3", "9" * 400)
    ),
    *(
        ActionFault("workout", "sets", _set(unit=raw), "body_invalid", told="sets.unit")
        for raw in ("null", '"g"', '"KG"', "5", "[]", "{}", "NaN", '"\\ud800"')
    ),
    ActionFault("workout", "sets", _set(colour='"red"'), "body_invalid", told="sets.colour"),
    ActionFault("workout", "sets", f"[{', '.join([_set()[1:-1]] * 1_001)}]", "body_invalid"),
]
VOLUME = [
    *(ActionFault("workout", "volume", raw, "body_invalid") for raw in ("5", "[]", '"squat"', '{"squat": 5}')),
    *(ActionFault("workout", "prs", raw, "body_invalid") for raw in ("5", '"squat"', "{}", "true", "[null]", "[5]")),
    *(ActionFault("workout", "prs", raw, "body_invalid") for raw in ('[""]', "[[]]", "[{}]", '["\\ud800"]', "[NaN]")),
    ActionFault("workout", "prs", f"[{', '.join(['0'] * 1_001)}]", "body_invalid"),
]
COUNTS = [
    ActionFault("boss", "count", raw, "amount_invalid")
    for raw in ("null", "0", "-1", "1.0", "1.5", '"1"', "true", "[]", "{}", "NaN", "1e400", "1000001", "9" * 400)
]
WORKOUTS = [
    *(
        ActionFault("challenge", "workouts", raw, "body_invalid")
        for raw in (None, "null", "[]", "5", '"w1"', "{}", "true", f"[{', '.join(['0'] * 1_001)}]")
    ),
    *(
        ActionFault("challenge", "workouts", raw, "id_invalid")
        for raw in ("[null]", "[5]", "[[]]", "[{}]", '[""]', '["a b"]', '["w1", "\\ud800"]', "[NaN]")
    ),
]
ACTION_INSTANTS = [
    ActionFault(kind, fault.field, fault.raw, fault.code)
    for fault in INSTANTS
    for kind in ("workout", "activity")
    # An action of another time is for no goal: it is answered, with nothing.
    if fault.code != "goal_not_open"
]
ACTION_UNKNOWN = [
    *(ActionFault(kind, "amount", "5", "body_invalid") for kind in ACTIONS),
    *(ActionFault("boss", field, "1", "body_invalid", 400, "body") for field in ("", "a b", "\\ud800", "<script>")),
]
ACTION_FAULTS = [*KINDS, *ACTION_IDS, *SETS, *VOLUME, *COUNTS, *WORKOUTS, *ACTION_INSTANTS, *ACTION_UNKNOWN]
