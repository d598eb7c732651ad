"""December sent through a running server as actions: the same figures, and again nothing counts twice."""

from pathlib import Path

from tests.acceptance.december import END, EXPECTED, GOALS, START
from tests.cli.served import serving
from worldevents.client import Client
from worldevents.demo.replay import prepare, replay
from worldevents.importers.openpowerlifting import Row


async def test_a_server_counts_december(tmp_path: Path, rows: list[Row]) -> None:
    """Told as actions the report is exact to the text; told again, every row is a repeat."""
    with serving(WORLDEVENTS_DATABASE_URL=f"sqlite:///{tmp_path}/ledger.db") as url:
        async with Client(url) as verbs:
            await prepare(verbs, START, END)
            first = await replay(verbs, rows, through="actions")
            second = (await replay(verbs, rows, through="actions")).document()
    assert EXPECTED == first.document()
    assert first.refusals == ()
    for metric in GOALS:
        assert (0, EXPECTED[metric]["total"]) == (second[metric]["counted"], second[metric]["total"])
