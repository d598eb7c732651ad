"""Keys and users' tokens on the wire: who may follow what, for how long, and where a user stands."""

import json
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.api.served import Server, begun, served
from tests.realtime.connected import ALL, Heard, Phone, phone
from tests.unit.issuing import AUDIENCE, ISSUER, NOW, SECRET, claims, signed
from worldevents.access_keys import KeyKind
from worldevents.auth import new_key
from worldevents.keyring import revoke
from worldevents.settings import Settings
from worldevents.testing.builders import DURING, a_goal, an_event

pytestmark = pytest.mark.usefixtures("no_leaks")
USER = "realtime:user:ann"
DENIED = "Unauthorized: You do not have permissions to read from this Channel topic: "


@dataclass(frozen=True)
class Keyed:
    """A server that has keys and knows an issuer of users' tokens."""

    server: Server
    database_url: str
    public: str
    secret: str
    narrow: str
    public_id: str

    async def contribute(self, contribution_id: str, user: str, amount: int, goal: str = "volume") -> None:
        body = {"contributionId": contribution_id, "userId": user, "amount": amount}
        headers = {"authorization": f"Bearer {self.secret}"}
        answer = await self.server.client.post(f"/v1/goals/{goal}/contributions", json=body, headers=headers)
        assert answer.is_success, answer.text


@pytest_asyncio.fixture
async def keyed(tmp_path: Path) -> AsyncIterator[Keyed]:
    """Give a server with a public key, a secret one, and a public one for one goal alone."""
    made = [
        new_key("app", kind=KeyKind.PUBLIC, created_at=DURING, randomness=bytes([1] * 32)),
        new_key("game", created_at=DURING, randomness=bytes([2] * 32)),
        new_key("stream", kind=KeyKind.PUBLIC, goals=["lifts"], created_at=DURING, randomness=bytes([3] * 32)),
    ]
    settings = Settings.load(
        database_url=f"sqlite:///{tmp_path}/served.db",
        update_interval_ms=10,
        jwt_secret=SECRET,
        jwt_issuer=ISSUER,
        jwt_audience=AUDIENCE,
    )
    await begun(settings, an_event(a_goal("volume"), a_goal("lifts")), keys=[one.key for one in made])
    async with served(settings) as server:
        yield Keyed(
            server=server,
            database_url=settings.database_url,
            public=made[0].text,
            secret=made[1].text,
            narrow=made[2].text,
            public_id=made[0].key.id,
        )


def token(**changes: Any) -> str:
    return signed(claims(**changes))


# Keys.


@pytest.mark.parametrize("apikey", ["", "we_pub_unknown", "sb_publishable_x", "anything"])
async def test_a_bad_key_is_refused_before_there_is_a_socket(keyed: Keyed, apikey: str) -> None:
    """With 401 and a problem: a client waits longer each time, and there is nothing to close."""
    with pytest.raises(InvalidStatus) as refused:
        async with phone(keyed.server, apikey=apikey):
            pass
    response = refused.value.response
    assert (401, "unauthorized") == (response.status_code, json.loads(response.body or b"")["code"])
    assert "application/problem+json" == response.headers["content-type"]


async def test_a_public_key_follows_all_goals(keyed: Keyed) -> None:
    """By the query, or by the header that goes before it."""
    async with phone(keyed.server, apikey=keyed.public) as one:
        assert "ok" == (await one.join()).status
        assert {"goal_update volume 0", "goal_update lifts 0"} == {(await one.hear()).word for _ in range(2)}
    async with phone(keyed.server, apikey="wrong", additional_headers={"x-api-key": keyed.public}) as one:
        assert "ok" == (await one.join()).status


async def test_a_key_of_one_goal_follows_that_goal(keyed: Keyed) -> None:
    """On the topic of all goals too."""
    async with phone(keyed.server, apikey=keyed.narrow) as one:
        await one.join()
        assert "goal_update lifts 0" == (await one.hear()).word
        assert f"{DENIED}goal:volume" == (await one.join("realtime:goal:volume")).reason
        assert "ok" == (await one.join("realtime:goal:lifts", ref="j2")).status
        await one.hear()
        await keyed.contribute("c1", "ann", 5)
        await one.is_quiet()


async def test_a_key_that_was_revoked_ends_the_connection(keyed: Keyed) -> None:
    """At the next heartbeat; the client that dials again is refused."""
    async with phone(keyed.server, apikey=keyed.public) as one:
        await one.join()
        await revoke(keyed.database_url, keyed.public_id, DURING, migrate=False)
        with suppress(ConnectionClosed):
            while True:
                await one.ask("phoenix", "heartbeat")
        assert 1008 == one.wire.close_code


# Users.


async def test_a_user_follows_where_the_user_stands(keyed: Keyed) -> None:
    """First every goal as it is, and then what changes: by own contributions and by those of others."""
    await keyed.contribute("c0", "bob", 10)
    async with phone(keyed.server, apikey=keyed.public) as one:
        assert "ok" == (await one.join(USER, token=token(), private=True)).status
        first = {told["goalId"]: told for told in [await standing(one) for _ in range(2)]}
        assert (0, None, 1, True) == (
            first["volume"]["userContribution"],
            first["volume"]["userRank"],
            first["volume"]["participantCount"],
            first["volume"]["snapshot"],
        )
        await keyed.contribute("c1", "ann", 20)
        own = await standing(one)
        assert ("volume", "ann", 20, 1, None, False) == (
            own["goalId"],
            own["userId"],
            own["userContribution"],
            own["userRank"],
            own["rankChange"],
            own["snapshot"],
        )
        await keyed.contribute("c2", "bob", 30)
        overtaken = await standing(one)
        assert (20, 2, -1, 2) == tuple(
            overtaken[name] for name in ("userContribution", "userRank", "rankChange", "participantCount")
        )
        assert overtaken["seq"] > own["seq"]


async def test_what_does_not_move_a_user_is_not_told(keyed: Keyed) -> None:
    """A contribution behind the user changes nothing of the user's own."""
    await keyed.contribute("c0", "ann", 100)
    async with phone(keyed.server, apikey=keyed.public) as one:
        await one.join(USER, token=token(), private=True)
        for _ in range(2):
            await standing(one)
        await keyed.contribute("c1", "bob", 1)
        await keyed.contribute("c2", "ann", 1)
        assert 101 == (await standing(one))["userContribution"]
        await one.is_quiet()


async def standing(one: Phone) -> dict[str, Any]:
    heard = await one.hear()
    assert ("broadcast", USER, "standing_update") == (heard.event, heard.topic, heard.payload["event"])
    told: dict[str, Any] = heard.payload["payload"]
    assert told["goalId"] == heard.payload["goalId"]
    return told


@pytest.mark.parametrize(
    ("shown", "reason"),
    [
        (None, f"{DENIED}user:ann"),
        (token(exp=NOW - 120), "InvalidJWTToken: Token has expired"),
        (token(sub="bob"), f"{DENIED}user:ann"),
        (token(aud="other"), "MalformedJWT: The token provided is not a valid JWT"),
        ("nonsense", "MalformedJWT: The token provided is not a valid JWT"),
        ("sb_publishable_x", f"{DENIED}user:ann"),
    ],
    ids=["none", "expired", "another user's", "another audience's", "nonsense", "a foreign key"],
)
async def test_without_a_good_token_a_user_is_nobody(keyed: Keyed, shown: str | None, reason: str) -> None:
    """And the client is told why; the connection goes on."""
    async with phone(keyed.server, apikey=keyed.public) as one:
        assert reason == (await one.join(USER, token=shown, private=True)).reason
        assert "ok" == (await one.join(USER, token=token(), private=True)).status


async def test_a_users_topic_is_private(keyed: Keyed) -> None:
    """Asked for as a public one it is refused; a public topic may be asked for privately, with a token."""
    async with phone(keyed.server, apikey=keyed.public) as one:
        assert "PrivateOnly: this topic is private" == (await one.join(USER, token=token())).reason
        assert f"{DENIED}community_goals" == (await one.join(private=True)).reason
        assert "ok" == (await one.join(token=token(), private=True)).status


async def test_a_secret_key_follows_any_user(keyed: Keyed) -> None:
    """A game's server speaks for all of its users."""
    async with phone(keyed.server, apikey=keyed.secret) as one:
        assert "ok" == (await one.join(USER, private=True)).status
        assert "ok" == (await one.join("realtime:user:bob", token=keyed.secret, private=True)).status
        assert "UnknownTopic: there is no topic user:a b" == (await one.join("realtime:user:a b", private=True)).reason


async def test_in_open_mode_nobody_is_a_user(server: Server) -> None:
    """Anybody would be everybody."""
    async with phone(server) as one:
        assert f"{DENIED}user:ann" == (await one.join(USER, private=True)).reason


async def test_a_token_that_expires_ends_its_topic(keyed: Keyed) -> None:
    """With the reason, and then for good; what is public goes on."""
    async with phone(keyed.server, apikey=keyed.public) as one:
        await one.join()
        # A minute of doubt about the issuer's clock is granted: this one has half a second left.
        assert "ok" == (await one.join(USER, ref="j2", token=token(exp=NOW - 59.5), private=True)).status
        system, closing = await until(one, "system"), await one.hear()
        assert {
            "extension": "system",
            "status": "error",
            "message": "InvalidJWTToken: Token has expired",
            "channel": "user:ann",
        } == system.payload
        assert ("phx_close", USER, "j2", {}) == (closing.event, closing.topic, closing.join_ref, closing.payload)
        await keyed.contribute("c1", "ann", 5)
        assert (ALL, "goal_update volume 5") == ((heard := await one.hear()).topic, heard.word)


async def until(one: Phone, event: str) -> Heard:
    while (heard := await one.hear()).event != event:
        pass
    return heard


async def test_a_new_token_takes_the_place_of_the_old(keyed: Keyed) -> None:
    """The topic lives as long as the newer one; a bad one, or another user's, ends it."""
    short = token(exp=NOW - 59)
    async with phone(keyed.server, apikey=keyed.public) as one:
        await one.join(USER, token=short, private=True)
        await one.say(USER, "access_token", {"access_token": token()}, join_ref="j1")
        for _ in range(2):
            await standing(one)
        await one.join("realtime:goal:lifts", ref="j2", token=short, private=True)
        assert "realtime:goal:lifts" == (await until(one, "phx_close")).topic
        await keyed.contribute("c1", "ann", 5)
        assert 5 == (await standing(one))["userContribution"]
        await one.say(USER, "access_token", {"access_token": token(sub="bob")}, join_ref="j1")
        assert f"{DENIED}user:ann" == (await one.hear()).payload["message"]
        assert "phx_close" == (await one.hear()).event
        await keyed.contribute("c2", "ann", 5)
        await one.is_quiet()
