"""Who may do what by HTTP: every route has its rule, in open mode, with keys and with users' tokens."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from fastapi.routing import APIRoute

from tests.api.door import OPEN_GOAL, PLAYERS_GOAL, Door, Json, opened
from tests.unit.issuing import AUDIENCE, ISSUER, SECRET, claims, signed
from worldevents.api import broadcast
from worldevents.api.app import _framework, _front
from worldevents.api.openapi import openapi
from worldevents.api.routing import PUBLIC
from worldevents.api.stream import STREAM
from worldevents.auth import KeyKind, Right, new_key
from worldevents.testing.builders import DURING

Route = tuple[str, str]
Keyed = tuple[Door, dict[str, str]]

CONTRIBUTION = {"contributionId": "c1", "userId": "ann", "amount": 5}
CHANGE = {"reason": "why", "endsAt": "2026-12-31T00:00:00Z"}
ONE = f"/v1/goals/{OPEN_GOAL}/contributions"
CHEER = f"{broadcast.PATH}/goal:{OPEN_GOAL}/events/cheer"
NAMED = {
    "{goalId}": OPEN_GOAL,
    "{eventId}": "winter-2026",
    "{endpointId}": "nowhere",
    "{topic}": f"goal:{OPEN_GOAL}",
    "{event}": "cheer",
    "{holdId}": "0",
    "{userId}": "ann",
    "{grantId}": "tier~nowhere~25~ann",
}
WRITES: dict[Route, Json] = {
    ("POST", ONE): CONTRIBUTION,
    ("POST", "/v1/contributions"): {"items": [{**CONTRIBUTION, "goalId": OPEN_GOAL}]},
    ("POST", "/v1/actions"): {"items": [{"kind": "boss", "id": "b1", "userId": "ann"}]},
    ("POST", broadcast.PATH): {"messages": [{"topic": f"goal:{OPEN_GOAL}", "event": "cheer", "payload": {}}]},
    ("POST", CHEER): {},
}
HOLDERS: dict[str, dict[str, Any]] = {
    "secret": {},
    "public": {"kind": KeyKind.PUBLIC},
    "operate": {"rights": [Right.READ, Right.CONTRIBUTE, Right.OPERATE]},
    "only operate": {"rights": [Right.OPERATE]},
    "one goal": {"goals": [OPEN_GOAL]},
    "operate on one goal": {"rights": [Right.READ, Right.OPERATE], "goals": [OPEN_GOAL]},
    "revoked": {},
}
SERVERS_ONLY = {
    ("GET", "/v1/grants"),
    ("GET", "/v1/users/ann/rewards"),
    ("POST", "/v1/rewards/tier~nowhere~25~ann/deliver"),
}
"""What a page's key does not open, whatever its right; a user's token opens what is that user's."""
PAGES = {("GET", "/"), ("GET", "/events/winter-2026")}


def routes(door: Door) -> set[Route]:
    """Every route of the framework with an event and a goal in it, and the front's own ones."""
    app = _framework(door.runtime)
    front = _front(door.runtime, app)
    found = {("POST", path) for path in front._many} | {("POST", ONE), ("GET", STREAM)}
    found |= {("POST", broadcast.PATH), ("POST", CHEER)}
    for route in _flat(app.routes):
        found |= {(method, named(route.path)) for method in route.methods or ()}
    return found


def named(path: str) -> str:
    """A path with names where the document has places for them."""
    for place, name in NAMED.items():
        path = path.replace(place, name)
    return path


def _flat(told: Iterable[object]) -> Iterator[APIRoute]:
    for route in told:
        if isinstance(route, APIRoute):
            yield route
        else:
            yield from _flat(getattr(getattr(route, "original_router", None), "routes", ()))


def rule(route: Route) -> Right | None:
    """The right that a route asks for; None where it is public."""
    method, path = route
    if path in PUBLIC:
        return None
    if path.startswith("/v1/admin/") or path == "/metrics":
        return Right.OPERATE
    return Right.READ if method == "GET" else Right.CONTRIBUTE


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def keyed(declared: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Keyed]:
    """Give a door with a key of each sort, and their texts."""
    async with opened(
        declared, tmp_path_factory.mktemp("keyed"), jwt_secret=SECRET, jwt_issuer=ISSUER, jwt_audience=AUDIENCE
    ) as door:
        texts = {"unknown": new_key("x", created_at=DURING, randomness=bytes(32)).text}
        for number, (name, told) in enumerate(HOLDERS.items(), 1):
            made = new_key(name, created_at=DURING, randomness=bytes([number] * 32), **told)
            await door.runtime.ledger.add_key(made.key)
            texts[name] = made.text
            if name == "revoked":
                await door.runtime.ledger.revoke_key(made.key.id, DURING)
        await door.runtime.access.refresh()
        yield door, texts


async def status(door: Door, route: Route, **headers: str) -> int:
    """What a route answers; a change is tried on an event that is not there, so that it changes nothing."""
    method, path = route
    if method == "POST" and path.startswith("/v1/admin/"):
        path = path.replace("winter-2026", "nowhere")
    body: Json | bytes | None = WRITES.get(route, CHANGE if method == "POST" else None)
    return (await door.ask(method, path, body, headers)).status


def bearer(text: str) -> dict[str, str]:
    return {"authorization": f"Bearer {text}"}


def test_every_route_is_walked(shared_door: Door) -> None:
    """The walk sees the framework's routes and the front's: those of the documentation, the pages and itself."""
    found = routes(shared_door)
    document = openapi(_framework(shared_door.runtime))
    told = {(method.upper(), named(path)) for path, methods in document["paths"].items() for method in methods}
    assert told | PAGES | {("GET", "/docs"), ("GET", "/openapi.json")} == found
    assert found > WRITES.keys()


async def test_without_a_key_there_is_nothing(keyed: Keyed) -> None:
    """Once there are keys, every route but the public ones answers 401, and says how to come in."""
    door, _ = keyed
    for route in routes(door):
        expected = 401 if rule(route) else 200
        assert (route, expected) == (route, await status(door, route))
    refused = await door.get("/v1/goals")
    assert ((401, "unauthorized", None), "Bearer") == (refused.refusal, refused.headers["www-authenticate"])


@pytest.mark.parametrize("name", ["unknown", "revoked"])
async def test_a_key_that_is_none_opens_nothing(keyed: Keyed, name: str) -> None:
    """A wrong or revoked key is 401 on every route that has a rule, as a bearer and as an apikey."""
    door, texts = keyed
    for route in routes(door):
        expected = 401 if rule(route) else 200
        assert (route, expected) == (route, await status(door, route, **bearer(texts[name])))
        assert (route, expected) == (route, await status(door, (route[0], f"{route[1]}?apikey={texts[name]}")))


@pytest.mark.parametrize(
    "told",
    [
        "Bearer",
        "Bearer ",
        "Basic YTpi",
        "Bearer a b",
        "we_secret_x",
        "Bearer \xe4\xff",
        "Bearer " + "a" * 9_000,
        "Bearer a.b.c",
    ],
)
async def test_what_is_no_bearer_opens_nothing(keyed: Keyed, told: str) -> None:
    """However it is written."""
    door, _ = keyed
    assert 401 == (await door.get("/v1/goals", authorization=told)).status


@pytest.mark.parametrize(
    ("name", "rights"),
    [
        ("secret", {Right.READ, Right.CONTRIBUTE}),
        ("public", {Right.READ}),
        ("operate", set(Right)),
        ("only operate", {Right.OPERATE}),
    ],
)
async def test_a_key_opens_what_its_rights_say(keyed: Keyed, name: str, rights: set[Right]) -> None:
    """Everything else is 403; what is opened is answered, whatever comes of it."""
    door, texts = keyed
    for route in routes(door):
        right = rule(route)
        if right in rights and route[1] == STREAM:
            continue  # It would not end.
        answered = await status(door, route, **bearer(texts[name]))
        if right is None or (right in rights and (name != "public" or route not in SERVERS_ONLY)):
            assert (route, True) == (route, answered in (200, 201, 202, 404, 422))
        else:
            assert (route, 403) == (route, answered)


async def test_a_public_key_may_stand_in_the_address(keyed: Keyed) -> None:
    """As an apikey, where no header can be set; for contributions that does not count."""
    door, texts = keyed
    assert 200 == (await door.get(f"/v1/goals?apikey={texts['public']}")).status
    assert 401 == (await door.post(f"{ONE}?apikey={texts['secret']}", CONTRIBUTION)).status


async def test_a_key_of_one_goal(keyed: Keyed) -> None:
    """It sees and feeds its goal alone, and does nothing that touches all."""
    door, texts = keyed
    key = bearer(texts["one goal"])
    assert [OPEN_GOAL] == [one["id"] for one in (await door.get("/v1/goals?status=all", **key)).json["goals"]]
    for leaf in ("progress", "standing?userId=ann", "leaderboard"):
        assert 200 == (await door.get(f"/v1/goals/{OPEN_GOAL}/{leaf}", **key)).status
        assert (403, "forbidden", "goalId") == (await door.get(f"/v1/goals/iron-march/{leaf}", **key)).refusal
        assert (403, "forbidden", "goalId") == (await door.get(f"/v1/goals/nowhere/{leaf}", **key)).refusal
    mine, other = ({**CONTRIBUTION, "goalId": goal} for goal in (OPEN_GOAL, "iron-march"))
    results = (await door.post("/v1/contributions", {"items": [mine, other]}, **key)).json["results"]
    assert [True, False] == [one["status"] in (200, 201) for one in results]
    assert "forbidden" == results[1]["problem"]["code"]
    assert 403 == (await door.post("/v1/goals/iron-march/contributions", CONTRIBUTION, **key)).status
    assert 403 == await status(door, ("POST", "/v1/actions"), **key)
    assert 403 == (await door.get(f"{STREAM}?goals=iron-march", **key)).status
    operator = bearer(texts["operate on one goal"])
    assert 403 == await status(door, ("PUT", "/v1/admin/events"), **operator)
    assert 403 == await status(door, ("GET", "/metrics"), **operator)


async def test_a_server_says_when_something_happened(keyed: Keyed) -> None:
    """A secret key is trusted with `occurredAt`, and names any user."""
    door, texts = keyed
    told = {"contributionId": "then", "userId": "zoe", "amount": 1, "occurredAt": "2026-12-02T00:00:00Z"}
    assert 201 == (await door.post(ONE, told, **bearer(texts["secret"]))).status


async def test_a_player_is_one_user(keyed: Keyed) -> None:
    """A token reads, asks about its user alone, and contributes where the goal says so: now, and as nobody else."""
    door, _ = keyed
    ann = bearer(signed(claims(sub="ann")))
    own, other = f"/v1/goals/{PLAYERS_GOAL}", f"/v1/goals/{OPEN_GOAL}"
    assert 201 == (await door.post(f"{own}/contributions", CONTRIBUTION, **ann)).status
    for refused, field in (
        (await door.post(f"{other}/contributions", CONTRIBUTION, **ann), "goalId"),
        (await door.post(f"{own}/contributions", {**CONTRIBUTION, "userId": "bob"}, **ann), "userId"),
        (
            await door.post(f"{own}/contributions", {**CONTRIBUTION, "occurredAt": "2026-12-10T18:00:00Z"}, **ann),
            "occurredAt",
        ),
        (await door.get(f"{own}/progress?userId=bob", **ann), "userId"),
        (await door.get(f"{own}/standing?userId=bob", **ann), "userId"),
        (await door.get(f"{own}/leaderboard?around=bob", **ann), "userId"),
        (await door.get("/v1/events/players?userId=bob", **ann), "userId"),
        (await door.get("/events/players?user=bob", **ann), "userId"),
    ):
        assert (403, "forbidden", field) == refused.refusal
    for asked in ("progress?userId=ann", "standing?userId=ann", "leaderboard?around=ann&userId=ann"):
        assert 200 == (await door.get(f"{own}/{asked}", **ann)).status
    assert 403 == await status(door, ("POST", "/v1/actions"), **ann)
    for route in routes(door):
        if rule(route) is Right.OPERATE:
            assert (route, 403) == (route, await status(door, route, **ann))


async def test_players_in_a_batch(keyed: Keyed) -> None:
    """Each item is asked for itself, in a document and among lines."""
    door, _ = keyed
    bob = bearer(signed(claims(sub="bob")))
    mine = {**CONTRIBUTION, "userId": "bob", "goalId": PLAYERS_GOAL}
    items = [mine, {**mine, "userId": "ann"}, {**mine, "goalId": OPEN_GOAL}, {**mine, "goalId": "nowhere"}]
    body = "\n".join(json.dumps(item) for item in items).encode()
    answered = await door.post("/v1/contributions", {"items": items}, **bob)
    lines = await door.post("/v1/contributions", body, **bob, content_type="application/x-ndjson")
    assert [201, 403, 403, 404] == [one["status"] for one in answered.json["results"]]
    assert [200, 403, 403, 404] == [one["status"] for one in lines.lines]


@pytest.mark.parametrize("claim", [{"iss": "https://evil.example"}, {"aud": "other"}, {"sub": "a b"}])
async def test_a_token_that_is_none(keyed: Keyed, claim: Json) -> None:
    """401, and the token is not said back."""
    door, _ = keyed
    token = signed(claims(**claim))
    answered = await door.get("/v1/goals", **bearer(token))
    assert (401, "unauthorized") == answered.refusal[:2]
    assert token.encode() not in answered.body


async def test_a_token_that_has_expired(keyed: Keyed) -> None:
    """401 too, by a code that tells an application to fetch another."""
    door, _ = keyed
    answered = await door.get("/v1/goals", **bearer(signed(claims(exp=1))))
    assert (401, "token_expired") == answered.refusal[:2]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(
            ("host", one)
            for one in ("evil.example", "evil.example:8000", "10.0.0.1", "localhost.evil.example", "", "0.0.0.1")
        ),
        *(("host", one) for one in ("127.0.0.1.evil.example", "[::]", "\xe4", "169.254.169.254", "2130706434")),
        *(("origin", one) for one in ("https://evil.example", "null", "http://localhost.evil.example", "file://")),
        *(("origin", one) for one in ("", "http://10.0.0.1", "chrome-extension://x", "http://", "\xff")),
    ],
)
async def test_an_open_door_is_for_this_machine(shared_door: Door, name: str, value: str) -> None:
    """While no key exists, what did not come to and from this machine is 403 on every route."""
    for route in routes(shared_door):
        assert (route, 403) == (route, await status(shared_door, route, **{name: value}))
    assert (403, "forbidden", name.title()) == (await shared_door.get("/v1/goals", **{name: value})).refusal


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8000", "127.0.0.1", "127.9.9.9:1", "[::1]:8000"])
@pytest.mark.parametrize("origin", [None, "http://localhost:3000", "https://127.0.0.1", "http://[::1]:8000"])
async def test_an_open_door_knows_this_machine(shared_door: Door, host: str, origin: str | None) -> None:
    """By its names and by all of its loopback addresses, for its pages too."""
    headers = {"host": host} | ({"origin": origin} if origin else {})
    assert 200 == (await shared_door.get("/v1/goals", **headers)).status


async def test_an_open_door_refuses_a_wrong_key(shared_door: Door) -> None:
    """Where it is shown as a bearer; an apikey is what a Supabase client always has."""
    made = new_key("x", created_at=DURING, randomness=bytes(32))
    assert 401 == (await shared_door.get("/v1/goals", **bearer(made.text))).status
    assert 200 == (await shared_door.get("/v1/goals?apikey=anything")).status


async def test_the_first_key_closes_the_door(door: Door) -> None:
    """From then on a foreign host is no matter, and a key is wanted."""
    made = new_key("first", created_at=DURING, randomness=bytes(32))
    await door.runtime.ledger.add_key(made.key)
    await door.runtime.access.refresh()
    assert 401 == (await door.get("/v1/goals")).status
    assert 200 == (await door.get("/v1/goals", host="goals.example.com", **bearer(made.text))).status
