"""OpenPowerlifting's files: what their quirks mean, and what is said about a broken one."""

import gzip
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from worldevents.actions import Boss, Part, Workout, parts
from worldevents.errors import BodyInvalid
from worldevents.importers.openpowerlifting import Row, rows

COLUMNS = "date,meet_id,lifter,sex,s1,s2,s3,b1,b2,b3,d1,d2,d3,best_s,best_b,best_d,pb_s,pb_b,pb_d"
WHOLE = "2023-12-09,7,42,F,95,100,-105,55,62.5,-65,135,140,150,100,62.5,150,95,60,145"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "meets.csv"


def _read(file: Path, *lines: str, header: str = COLUMNS) -> list[Row]:
    file.write_text("\n".join([header, *lines, ""]), "utf-8")
    return list(rows(file))


def _complaint(file: Path, *lines: str, header: str = COLUMNS) -> str:
    with pytest.raises(BodyInvalid) as caught:
        _read(file, *lines, header=header)
    return caught.value.detail.removeprefix(str(file))


def test_a_row_is_a_performance_at_noon(file: Path) -> None:
    """Day, meet and lifter make its id; everything on a day happened at noon UTC."""
    (row,) = _read(file, WHOLE)
    assert (date(2023, 12, 9), "7", "42", "7:42") == (row.date, row.meet, row.lifter, row.id)
    assert datetime(2023, 12, 9, 12, tzinfo=UTC) == row.occurred_at


def test_a_row_gives_contributions(file: Path) -> None:
    """A workout, the kilograms of good attempts per lift, a record per lift, and a boss for three of them."""
    (row,) = _read(file, WHOLE)
    assert [
        Part("totalWorkouts", "7:42", 1),
        Part("totalVolume", "7:42:s", Decimal(195)),
        Part("totalVolume", "7:42:b", Decimal("117.5")),
        Part("totalVolume", "7:42:d", Decimal(425)),
        Part("totalPRs", "7:42:s", 1),
        Part("totalPRs", "7:42:b", 1),
        Part("totalPRs", "7:42:d", 1),
        Part("bossesDefeated", "7:42", 1),
    ] == row.parts()


def test_a_row_gives_actions(file: Path) -> None:
    """The same as a workout with volume and records, and a boss."""
    (row,) = _read(file, WHOLE)
    volume = {"s": Decimal(195), "b": Decimal("117.5"), "d": Decimal(425)}
    noon = datetime(2023, 12, 9, 12, tzinfo=UTC)
    assert [
        Workout(id="7:42", user_id="42", volume=volume, prs=("s", "b", "d"), occurred_at=noon),
        Boss(id="7:42", user_id="42", occurred_at=noon),
    ] == row.actions()


def test_both_forms_of_every_shipped_row_are_the_same() -> None:
    """Contributions and actions give the same amounts under the same ids, in the whole of the real winter."""
    winter = list(rows())
    assert 23_400 == len(winter)
    assert [] == [row for row in winter if row.parts() != [part for action in row.actions() for part in parts(action)]]


@pytest.mark.parametrize(
    ("attempts", "best", "volume"),
    [
        ("100,-105,-105", "100", 100),
        ("-100,-100,-100", "", 0),
        ("-100,-100,-100", "-100", 0),
        ("0,,", "100", 0),
        (",,", "182.5", Decimal("182.5")),
        (",,", "-182.5", 0),
        (",,", "", 0),
        ("100,,110.03", "110.03", Decimal("210.03")),
    ],
)
def test_volume_is_the_good_attempts_or_the_only_best(file: Path, attempts: str, best: str, volume: Decimal) -> None:
    """Negative is missed; the best counts only where no attempt is recorded at all."""
    (row,) = _read(file, f"2023-12-09,7,42,F,{attempts},,,,,,,{best},,,,,")
    assert volume == row.lifts[0].volume
    assert ([] if volume == 0 else ["7:42:s"]) == [
        part.contribution_id for part in row.parts() if part.metric == "totalVolume"
    ]


@pytest.mark.parametrize(
    ("best", "earlier", "record"),
    [("100", "99.99", True), ("100", "100", False), ("100", "", False), ("", "90", False), ("-100", "90", False)],
)
def test_a_record_is_over_an_earlier_best(file: Path, best: str, earlier: str, *, record: bool) -> None:
    """A first best is no record, nor is an equal one."""
    (row,) = _read(file, f"2023-12-09,7,42,F,,,,,,,,,,{best},,,{earlier},,")
    assert record == row.lifts[0].is_record
    assert not row.defeats_boss


def test_a_nameless_lifter_gives_nothing(file: Path) -> None:
    """The number 0 is nobody: one board row for all of them would be at the top."""
    (row,) = _read(file, WHOLE.replace(",42,", ",0,"))
    assert row.is_nameless
    assert ([], []) == (row.parts(), row.actions())


def test_repeated_lifts_keep_their_ids(file: Path) -> None:
    """Every row is told, also one that repeats another: the same ids let the ledger see the repeat."""
    first, second = _read(file, WHOLE, WHOLE)
    assert first.parts() == second.parts()


def test_a_file_without_earlier_bests_gives_no_records(file: Path) -> None:
    """Without the pb_ columns there are workouts and volume, but no records and no boss."""
    header, line = COLUMNS.removesuffix(",pb_s,pb_b,pb_d"), WHOLE.removesuffix(",95,60,145")
    (row,) = _read(file, line, header=header)
    assert {"totalWorkouts", "totalVolume"} == {part.metric for part in row.parts()}


def test_columns_are_found_by_name(file: Path) -> None:
    """Their order is free."""
    names, values = COLUMNS.split(","), WHOLE.split(",")
    turned = _read(file, ",".join(reversed(values)), header=",".join(reversed(names)))
    assert _read(file, WHOLE) == turned


def test_a_byte_order_mark_and_windows_line_ends_are_read(file: Path) -> None:
    """Files saved by a spreadsheet mean the same."""
    plain = _read(file, WHOLE)
    file.write_bytes(f"\ufeff{COLUMNS}\r\n{WHOLE}\r\n\r\n".encode())
    assert plain == list(rows(file))


def test_a_compressed_file_is_read(file: Path) -> None:
    """What ends in .gz is unpacked."""
    plain, packed = _read(file, WHOLE), file.with_suffix(".csv.gz")
    packed.write_bytes(gzip.compress(file.read_bytes()))
    assert plain == list(rows(packed))


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("2023-12-09", "09.12.2023", "date is a day such as 2023-12-09, not '09.12.2023'"),
        ("2023-12-09", "2023-02-30", "date is a day such as 2023-12-09, not '2023-02-30'"),
        (",42,", ",Mark Miller #12,", "lifter is 1 to 60 letters, digits or . _ @ -, not 'Mark Miller #12'"),
        ("62.5,-65", "1e2,-65", "b2 is kilograms with at most 3 decimals, not '1e2'"),
        ("62.5,-65", "NaN,-65", "b2 is kilograms with at most 3 decimals, not 'NaN'"),
        ("62.5,-65", "62.5001,-65", "b2 is kilograms with at most 3 decimals, not '62.5001'"),
        (",145", "", "18 fields, but 19 columns"),
    ],
)
def test_a_broken_row_is_named_by_its_line(file: Path, old: str, new: str, complaint: str) -> None:
    """A complaint says on which line what is wrong; the rows before it were given out."""
    assert f", line 3: {complaint}" == _complaint(file, WHOLE, WHOLE.replace(old, new))


def test_a_missing_column_is_named(file: Path) -> None:
    """A file of another kind is refused at its first line."""
    assert ", line 1: no column lifter" == _complaint(file, header=COLUMNS.replace("lifter", "name"))
    assert ", line 1: no column date" == _complaint(file, header="")


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("a.csv", None, ": No such file or directory"),
        ("a.csv", COLUMNS.encode() + b"\n\xff\xfe\n", ": not UTF-8 text"),
        ("a.csv.gz", b"date,meet_id", ": broken gzip data"),
        ("a.csv.gz", gzip.compress(COLUMNS.encode())[:-9], ": broken gzip data"),
    ],
    ids=["missing", "not text", "not packed", "cut off"],
)
def test_an_unreadable_file_is_refused(tmp_path: Path, name: str, content: bytes | None, complaint: str) -> None:
    """No driver's or decoder's own error leaves the importer."""
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BodyInvalid) as caught:
        list(rows(path))
    assert f"{path}{complaint}" == caught.value.detail
