"""December sent through a running server as actions: the same figures."""

from pathlib import Path

from tests.acceptance.december import END, EXPECTED, START
from tests.cli.served import serving
from worldevents.client import Client
from worldevents.demo.replay import prepare, replay
from worldevents.importers.openpowerlifting import Row


async def test_a_server_counts_december(tmp_path: Path, rows: list[Row]) -> None:
    """Told as actions the report is exact to the text."""
    with serving(WORLDEVENTS_DATABASE_URL=f"sqlite:///{tmp_path}/ledger.db") as url:
        async with Client(url) as verbs:
            await prepare(verbs, START, END)
            told = await replay(verbs, rows, through="actions")
    assert EXPECTED == told.document()
    assert told.refusals == ()
