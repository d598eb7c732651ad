"""The examples of docs/http.md are sent in their order, and answered as the page says."""

from __future__ import annotations

import json
import re
from typing import Any

from tests.api.door import Door
from tests.test_docs import ROOT
from worldevents import problems

PAGE = (ROOT / "docs" / "http.md").read_text()
EXAMPLES = re.findall(r"^```http\n(.*?)^```\n\n`(\d+)`\n\n```json\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
ANY = "…"
"""In the page: what stands here is another each time, or is not shown."""


def shown(answer: Any, page: Any) -> Any:
    """An answer with the same left out as in the page."""
    if page == ANY:
        return ANY
    if isinstance(page, dict) and isinstance(answer, dict):
        names = page if ANY in page else answer
        return {name: ANY if name == ANY else shown(answer.get(name), page.get(name)) for name in names}
    if isinstance(page, list) and isinstance(answer, list) and len(page) == len(answer):
        return [shown(one, other) for one, other in zip(answer, page, strict=True)]
    return answer


async def test_every_example_is_answered_so(door: Door) -> None:
    """One after the other, on a day in December on which winter is all there is."""
    await door.runtime.engine.cancel("players", author="test", reason="not of the page")
    assert PAGE.count("```http") == len(EXAMPLES)
    for request, status, page in EXAMPLES:
        head, _, body = request.partition("\n\n")
        first, *lines = head.splitlines()
        headers = dict(line.split(": ", 1) for line in lines)
        method, target = first.split(" ")
        answered = await door.ask(method, target, body.encode() if body else None, headers)
        expected = json.loads(page)
        assert (first, int(status), expected) == (first, answered.status, shown(answered.json, expected))


def test_every_code_of_the_page_exists() -> None:
    """The table of refusals has codes with their statuses."""
    table = re.findall(r"^\| ([\d, ]+) \| (.*) \|$", PAGE, re.MULTILINE)
    assert len(table) >= 8
    for statuses, codes in table:
        for code in re.findall(r"`([a-z_]+)`", codes):
            usual = problems.codes()[code]
            assert str(usual) in statuses or (code, statuses) == ("body_invalid", "400")
