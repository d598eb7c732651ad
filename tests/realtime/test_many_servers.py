"""Two servers on one Redis: what is counted at one is told at the other, to everybody and to each user."""

import time
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jwt
import pytest

from tests.api.served import Server, begun, served
from tests.realtime.connected import phone
from tests.unit.issuing import AUDIENCE, ISSUER, SECRET
from worldevents.auth import new_key
from worldevents.clock import SystemClock
from worldevents.settings import Settings
from worldevents.testing.builders import an_event, in_window

pytestmark = [pytest.mark.usefixtures("no_leaks"), pytest.mark.slow]


async def test_viewers_of_one_server_see_what_another_counts(redis_url: str, tmp_path: Path) -> None:
    """The goal's state, and where a user stands; and a viewer who changes servers soon has the same."""
    now = datetime.now(UTC)
    game = new_key("game", created_at=now, randomness=bytes([2] * 32))
    settings = Settings.load(
        database_url=f"sqlite:///{tmp_path}/ledger.db",
        redis_url=redis_url,
        update_interval_ms=10,
        jwt_secret=SECRET,
        jwt_issuer=ISSUER,
        jwt_audience=AUDIENCE,
    )
    event = in_window(an_event(), now - timedelta(days=1), now + timedelta(days=1))
    await begun(settings, event, clock=SystemClock(), keys=[game.key])
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ann", "iat": time.time(), "exp": time.time() + 600}
    async with AsyncExitStack() as stack:
        first, second = [await stack.enter_async_context(served(settings, SystemClock())) for _ in range(2)]
        everybody = await stack.enter_async_context(phone(second, apikey=game.text))
        ann = await stack.enter_async_context(phone(second, apikey=game.text))
        await everybody.join()
        await ann.join("realtime:user:ann", token=jwt.encode(claims, SECRET), private=True)
        assert ["goal_update volume 0", "standing_update volume None"] == [
            (await one.hear()).word for one in (everybody, ann)
        ]
        await contribute(first, game.text, "c1", "ann", 20)
        await contribute(first, game.text, "c2", "bob", 30)
        while (heard := await everybody.hear()).payload["newValue"] != 50:
            pass
        while (own := (await ann.hear()).payload["payload"])["userRank"] != 2:
            pass
        assert (20, 2) == (own["userContribution"], own["participantCount"])
        moved = await stack.enter_async_context(phone(first, apikey=game.text))
        await moved.join()
        # Its own look at the goal may be a moment behind; `seq` says so to whoever has seen more.
        while (state := (await moved.hear()).payload)["newValue"] != 50:
            pass
        then = heard.payload
        assert (state["epoch"], 50) == (then["epoch"], state["newValue"])
        assert state["seq"] >= then["seq"]


async def contribute(server: Server, key: str, contribution_id: str, user: str, amount: int) -> None:
    body = {"contributionId": contribution_id, "userId": user, "amount": amount}
    answer = await server.client.post(
        "/v1/goals/volume/contributions", json=body, headers={"authorization": f"Bearer {key}"}
    )
    assert answer.is_success, answer.text
