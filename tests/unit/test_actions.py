"""Game actions become contributions: exact amounts under ids that make a repeat count once."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worldevents import rules
from worldevents.actions import Action, Activity, Boss, Challenge, Part, Unit, Workout, WorkoutSet, parts
from worldevents.errors import AmountInvalid, BodyInvalid, IdInvalid, WorldEventsError


def a_set(weight: Decimal | int | str, reps: int = 1, *, exercise: str = "Squat", unit: Unit = Unit.KG) -> WorkoutSet:
    """One set of squats in kilograms, unless told otherwise."""
    return WorkoutSet(exercise=exercise, weight=weight, reps=reps, unit=unit)


def a_workout(
    *sets: WorkoutSet, volume: dict[str, Decimal | int | str] | None = None, prs: Sequence[str] = ()
) -> Workout:
    """Ann's workout w1."""
    return Workout(id="w1", user_id="ann", sets=sets, volume=volume or {}, prs=prs)


def volume_of(*sets: WorkoutSet) -> dict[str, Decimal | int]:
    """The kilograms that these sets give, by contribution id."""
    return {part.contribution_id: part.amount for part in parts(a_workout(*sets)) if part.metric == "totalVolume"}


def refused(action: Action) -> tuple[str, str | None]:
    """The code and the field with which an action is refused."""
    with pytest.raises(WorldEventsError) as refusal:
        parts(action)
    return refusal.value.code, refusal.value.field


# Ids and amounts.


def test_a_workout_gives_itself_its_volume_and_its_records() -> None:
    """One workout, its kilograms per exercise, and a record per exercise listed."""
    workout = a_workout(a_set("100", 5), a_set("60.5", 10, exercise="Bench"), prs=["Squat"])
    assert parts(workout) == [
        Part("totalWorkouts", "w1", 1),
        Part("totalVolume", "w1:Squat", Decimal("500.000")),
        Part("totalVolume", "w1:Bench", Decimal("605.000")),
        Part("totalPRs", "w1:Squat", 1),
    ]


def test_a_workout_may_be_told_by_its_volume() -> None:
    """Kilograms per exercise are taken as they are told."""
    assert parts(a_workout(volume={"Squat": "500.125", "Bench": 605})) == [
        Part("totalWorkouts", "w1", 1),
        Part("totalVolume", "w1:Squat", Decimal("500.125")),
        Part("totalVolume", "w1:Bench", Decimal(605)),
    ]


def test_a_workout_without_weights_and_records_is_still_a_workout() -> None:
    """Nothing but the workout itself counts."""
    assert parts(a_workout()) == [Part("totalWorkouts", "w1", 1)]


def test_a_challenge_gives_its_workouts_under_their_own_ids() -> None:
    """A workout that both the challenge and the workout itself report has one id, and so counts once."""
    assert parts(Challenge(id="c1", user_id="ann", workouts=["w1", "w2"])) == [
        Part("totalWorkouts", "w1", 1),
        Part("totalWorkouts", "w2", 1),
    ]
    assert parts(a_workout())[0] == parts(Challenge(id="c9", user_id="ann", workouts=["w1"]))[0]


def test_a_boss_gives_its_count() -> None:
    """One boss, or as many as one fight had."""
    assert parts(Boss(id="b1", user_id="ann")) == [Part("bossesDefeated", "b1", 1)]
    assert parts(Boss(id="b1", user_id="ann", count=7)) == [Part("bossesDefeated", "b1", 7)]


def test_an_activity_gives_nothing() -> None:
    """Being there contributes nothing."""
    assert parts(Activity(user_id="ann")) == []


# Weights.


def test_sets_of_one_exercise_are_summed() -> None:
    """An exercise is one contribution, however many sets it had."""
    sets = a_set(100, 5), a_set("102.5", 3), a_set(50, 2, exercise="Row"), a_set(100, 1)
    assert volume_of(*sets) == {"w1:Squat": Decimal("907.500"), "w1:Row": Decimal(100)}


@pytest.mark.parametrize("sets", [[a_set(0, 10)], [a_set("0.000", 10)], [a_set(100, 0)]])
def test_a_set_without_weight_or_repetitions_adds_no_volume(sets: list[WorkoutSet]) -> None:
    """An exercise with the body alone gives a workout, but no kilograms."""
    assert volume_of(*sets) == {}
    assert parts(a_workout(*sets)) == [Part("totalWorkouts", "w1", 1)]


def test_no_volume_told_is_no_volume() -> None:
    """An exercise of zero kilograms contributes nothing."""
    assert parts(a_workout(volume={"Plank": 0})) == [Part("totalWorkouts", "w1", 1)]


@pytest.mark.parametrize(
    ("kilograms", "weight", "reps"),
    [
        ("0.454", "1", 1),
        ("45.359", "100", 1),
        ("453.592", "100", 10),
        ("102.058", "225", 1),
        ("22396103.424", "56.25", 877_777),
        # Ties: an odd and an even number of grams and a half.
        ("22679.618", "50000", 1),
        ("68038.856", "150000", 1),
        ("22679.618", "50", 1_000),
        ("68038.856", "150", 1_000),
    ],
)
def test_pounds_become_grams_rounded_half_even(kilograms: str, weight: str, reps: int) -> None:
    """A pound is 453.59237 grams; half a gram goes to the even one."""
    assert volume_of(a_set(weight, reps, unit=Unit.LB)) == {"w1:Squat": Decimal(kilograms)}


def test_pounds_are_rounded_once_for_an_exercise() -> None:
    """Sets of pounds and kilograms are summed exactly before they are rounded."""
    pounds = [a_set(1, unit=Unit.LB)] * 3
    assert volume_of(*pounds, a_set("0.001")) == {"w1:Squat": Decimal("1.362")}


@given(
    st.lists(
        st.builds(
            a_set, st.decimals(0, 1_000, places=3), st.integers(0, 1_000_000), unit=st.sampled_from([Unit.KG, Unit.LB])
        ),
        min_size=1,
        max_size=20,
    )
)
def test_volume_is_the_exact_sum_to_half_a_gram(sets: list[WorkoutSet]) -> None:
    """Whatever the sets, the contribution is the true weight to the nearest gram."""
    grams = {Unit.KG: Fraction(1_000), Unit.LB: Fraction("453.59237")}
    true = sum((Fraction(one.weight) * one.reps * grams[one.unit] for one in sets), Fraction(0))
    told = Fraction(volume_of(*sets).get("w1:Squat", 0)) * 1_000
    assert told.denominator == 1
    assert abs(told - true) <= Fraction(1, 2)


# Names of exercises.


@pytest.mark.parametrize("name", ["Squat", "bench_press", "a.b", "x@y", "1RM-test", "x" * 64])
def test_a_plain_name_is_part_of_the_id_as_it_is(name: str) -> None:
    """An exercise whose letters an id may hold keeps its name."""
    assert volume_of(a_set(1, exercise=name)) == {f"w1:{name}": Decimal("1.000")}


@pytest.mark.parametrize(
    "name",
    ["Bench Press", "Bankdrücken", "ベンチプレス", "🏋️", "a:b", "x" * 65, "x" * 10_000, " Squat", "Squat\n", "a\0b"],
)
def test_any_other_name_gives_a_valid_and_steady_id(name: str) -> None:
    """A name with blanks, of another script, or very long is told by a readable form and a digest."""
    (contribution_id,) = volume_of(a_set(1, exercise=name))
    assert contribution_id == rules.check_id(contribution_id, "id")
    assert [contribution_id] == list(volume_of(a_set(2, exercise=name)))
    assert len(contribution_id) <= 64


def test_the_readable_form_never_changes() -> None:
    """Ids are kept for ever: this one is written down."""
    assert list(volume_of(a_set(1, exercise="Bench Press"))) == ["w1:Bench-Press-1d7616371b24"]


def test_names_that_look_alike_have_ids_of_their_own() -> None:
    """Names that share their readable form do not share their id."""
    names = ["Bench Press", "Bench/Press", "Bench  Press", "Bench-Press", "Bench:Press", " Bench Press", "Bench Press "]
    long = [f"{'Press ' * 20}{number}" for number in range(3)]
    ids = volume_of(*(a_set(1, exercise=name) for name in names + long))
    assert len(ids) == len(names + long)


@given(st.lists(st.text(min_size=1).filter(str.strip), unique=True, min_size=2, max_size=5))
def test_different_names_give_different_ids(names: list[str]) -> None:
    """No two exercises of a workout share a contribution."""
    assert len(volume_of(*(a_set(1, exercise=name) for name in names))) == len(names)


def test_a_repeated_record_counts_once() -> None:
    """An exercise listed twice among the records is one record."""
    records = [part for part in parts(a_workout(prs=["Squat", "Bench", "Squat"])) if part.metric == "totalPRs"]
    assert records == [Part("totalPRs", "w1:Squat", 1), Part("totalPRs", "w1:Bench", 1)]


# Refusals.

MANY = 1_001
LONG_ID = "w" * 128
LOCAL = datetime(2026, 12, 10)  # noqa: DTZ001 - without an offset is what it is about


@pytest.mark.parametrize(
    ("code", "field", "action"),
    [
        ("body_invalid", "volume", a_workout(a_set(1), volume={"Squat": 1})),
        ("body_invalid", "sets", a_workout(*[a_set(1)] * MANY)),
        ("body_invalid", "volume", a_workout(volume={f"e{number}": 1 for number in range(MANY)})),
        ("body_invalid", "prs", a_workout(prs=["Squat"] * MANY)),
        ("body_invalid", "prs", a_workout(prs="Squat")),
        ("body_invalid", "prs", a_workout(prs=[" "])),
        ("body_invalid", "sets.exercise", a_workout(a_set(1, exercise=""))),
        ("body_invalid", "sets.exercise", a_workout(a_set(1, exercise="\t"))),
        ("body_invalid", "sets.exercise", a_workout(a_set(1, exercise="\ud800"))),
        ("body_invalid", "sets.unit", a_workout(a_set(1, unit="stone"))),  # type: ignore[arg-type]
        ("body_invalid", "volume", a_workout(volume={"": 1})),
        ("amount_invalid", "sets.weight", a_workout(a_set("-1"))),
        ("amount_invalid", "sets.weight", a_workout(a_set("1.0001"))),
        ("amount_invalid", "sets.weight", a_workout(a_set(2.5))),  # type: ignore[arg-type]
        ("amount_invalid", "sets.reps", a_workout(a_set(1, -1))),
        ("amount_invalid", "sets.reps", a_workout(a_set(1, 1_000_001))),
        ("amount_invalid", "sets.reps", a_workout(a_set(1, True))),  # noqa: FBT003 - a bool is what it is about
        ("amount_invalid", "volume", a_workout(volume={"Squat": "-1"})),
        ("amount_invalid", "volume", a_workout(volume={"Squat": Decimal("NaN")})),
        ("id_invalid", "id", Workout(id="a b", user_id="ann")),
        ("id_invalid", "id", Workout(id=LONG_ID, user_id="ann", sets=[a_set(1)])),
        ("id_invalid", "userId", Workout(id="w1", user_id="")),
        ("id_invalid", "id", Challenge(id="", user_id="ann", workouts=[])),
        ("id_invalid", "workouts", Challenge(id="c1", user_id="ann", workouts=["w1", "w 2"])),
        ("body_invalid", "workouts", Challenge(id="c1", user_id="ann", workouts=["w1"] * MANY)),
        ("body_invalid", "workouts", Challenge(id="c1", user_id="ann", workouts="w1")),
        ("id_invalid", "id", Boss(id="b\n", user_id="ann")),
        ("amount_invalid", "count", Boss(id="b1", user_id="ann", count=0)),
        ("amount_invalid", "count", Boss(id="b1", user_id="ann", count=True)),
        ("amount_invalid", "count", Boss(id="b1", user_id="ann", count=1_000_001)),
        ("id_invalid", "userId", Activity(user_id="a\0")),
        ("body_invalid", "occurredAt", Activity(user_id="ann", occurred_at=LOCAL)),
    ],
)
def test_an_action_of_another_form_is_refused_with_its_field(code: str, field: str, action: Action) -> None:
    """The refusal has its code and names the field of the action."""
    assert (code, field) == refused(action)


def test_a_thousand_of_everything_is_fine() -> None:
    """The limits themselves are inside."""
    workout = a_workout(*[a_set(1)] * 1_000, prs=[f"e{number}" for number in range(1_000)])
    assert len(parts(workout)) == 1_002
    assert len(parts(Challenge(id="c1", user_id="ann", workouts=[f"w{number}" for number in range(1_000)]))) == 1_000


def test_an_id_at_its_limit_is_fine_without_exercises() -> None:
    """A long id is only too long where an exercise comes behind it."""
    assert parts(Workout(id=LONG_ID, user_id="ann")) == [Part("totalWorkouts", LONG_ID, 1)]


def test_the_refusals_are_those_of_the_contract() -> None:
    """Only codes that a caller knows from the HTTP contract."""
    assert ("amount_invalid", "body_invalid", "id_invalid") == (AmountInvalid.code, BodyInvalid.code, IdInvalid.code)
