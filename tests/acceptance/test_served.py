"""December sent through a running server: the same figures, whatever the door, and again nothing counts twice."""

from pathlib import Path

import pytest

from tests.acceptance.december import END, EXPECTED, GOALS, START
from tests.cli.served import serving
from worldevents.client import Client
from worldevents.demo.replay import Door, prepare, replay
from worldevents.importers.openpowerlifting import Row


@pytest.mark.parametrize("through", ["contributions", "actions"])
async def test_a_server_counts_december(tmp_path: Path, rows: list[Row], through: Door) -> None:
    """Told over HTTP the report is exact to the text; told again, every row is a repeat."""
    with serving(WORLDEVENTS_DATABASE_URL=f"sqlite:///{tmp_path}/ledger.db") as url:
        async with Client(url) as verbs:
            await prepare(verbs, START, END)
            first = await replay(verbs, rows, through=through)
            second = (await replay(verbs, rows, through=through)).document()
    assert EXPECTED == first.document()
    assert first.refusals == ()
    for metric in GOALS:
        assert (0, EXPECTED[metric]["total"]) == (second[metric]["counted"], second[metric]["total"])
