"""Requests that are made up from the OpenAPI document, on a real socket: nothing of them breaks the server.

Left out: the stream, which does not end, and the page, which is no part of the document.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.api.door import OPEN_GOAL, Json, declare, opened
from tests.api.test_description import CHECKED_IN
from worldevents.ledger.base import GoalAudit
from worldevents.serving import bound, listening, url_of

EXAMPLES = 40
"""Requests for each operation and way of making them up."""
CHECKED = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
BATCHES = ("/v1/contributions", "/v1/actions")
"""They answer 200 to what is no item, with the refusal in its place."""


def document() -> Json:
    """The document for an open door, with ids of which some are there.

    Otherwise everything made up would have a key that is none, or be about no goal.
    """
    told: Json = json.loads(CHECKED_IN.read_text())
    ids = {"goalId": [OPEN_GOAL, "spring-volume", "nowhere"], "eventId": ["players", "nowhere"]}
    for methods in told["paths"].values():
        for entry in methods.values():
            entry.pop("security", None)
            for parameter in entry.get("parameters", []):
                if parameter["name"] in ids and parameter["in"] == "path":
                    parameter["schema"]["enum"] = ids[parameter["name"]]
    told["components"]["schemas"]["Contribution"]["properties"]["goalId"]["enum"] = ids["goalId"]
    return told


schema = schemathesis.openapi.from_dict(document()).exclude(path="/v1/stream")


@schemathesis.serializer("application/x-ndjson", "application/toml")
def as_text(_: schemathesis.SerializationContext, value: object) -> bytes:
    return str(value).encode(errors="surrogatepass")


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give the URL of a server in a thread of its own; at the end its sums are still sums."""
    found: list[str] = []
    audits: list[GoalAudit] = []
    ready, done = threading.Event(), threading.Event()

    async def serve() -> None:
        declared, folder = tmp_path_factory.mktemp("declared"), tmp_path_factory.mktemp("served")
        await declare(declared)
        with closing(bound("127.0.0.1", 0)) as listener:
            async with opened(declared, folder) as door, listening(door.app, listener, hub=door.runtime.hub):
                found.append(url_of(listener))
                ready.set()
                await asyncio.to_thread(done.wait)
                audits.extend(await door.runtime.ledger.audit())

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    ready.wait()
    yield found[0]
    done.set()
    thread.join()
    assert audits
    assert [] == [one for one in audits if not one.agrees]


@schema.parametrize()
@settings(max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_made_up_requests(case: schemathesis.Case[Any], address: str) -> None:
    """No answer is a 500; each has a status, a type and a form that are described; what is no request is refused."""
    checks = CHECKED if case.path in BATCHES else [*CHECKED, negative_data_rejection]
    case.call_and_validate(base_url=address, checks=checks)
