"""The OpenAPI document: what the framework knows of its routes, the bare routes beside them, and every problem."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from worldevents import problems
from worldevents.api import bodies, broadcast, schemas, schemas_operating, webhook_schemas
from worldevents.api.answers import PROBLEM
from worldevents.api.routing import PUBLIC

_SECURITY: Final[list[dict[str, list[str]]]] = [{"key": []}, {"apikey": []}]
_CONTRIBUTION: Final = {"contributionId": "workout-1:squat", "userId": "ada", "amount": 102.5}
_IN_BATCH: Final = {"goalId": "lift-the-frost", **_CONTRIBUTION}
_WORKOUT: Final = {
    "kind": "workout",
    "id": "workout-2",
    "userId": "grace",
    "sets": [{"exercise": "bench", "weight": 61.25, "unit": "kg", "reps": 8}],
    "prs": ["bench"],
}
_BROADCASTS: Final[dict[str, Any]] = {
    "messages": [{"topic": "community_goals", "event": "boss_enraged", "payload": {"boss": "Frost Giant"}}]
}
_READ_STATUSES: Final = (400, 401, 403, 404, 422, 503)
_WRITE_STATUSES: Final = (400, 401, 403, 404, 409, 413, 415, 422, 503)


def openapi(app: FastAPI) -> dict[str, Any]:
    """The whole document."""
    document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    components = document.setdefault("components", {}).setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        components.pop(name, None)
    problem = schemas.schema_of(schemas.Problem, definitions=components)
    broadcast_problem = schemas.schema_of(schemas.BroadcastProblem, definitions=components)
    for model in (schemas.Change, schemas.Extension, *schemas_operating.BODIES, *webhook_schemas.BODIES):
        schemas.schema_of(model, definitions=components)
    paths = document["paths"]
    for path, entry in (_bare_routes(components) | _broadcasts(components)).items():
        paths.setdefault(path, {})["post"] = entry
    paths["/v1/stream"] = {"get": _stream()}
    for path, methods in paths.items():
        for method, entry in methods.items():
            if "_" in entry["operationId"]:
                entry["operationId"] = _camel(entry["summary"])
            statuses = _READ_STATUSES if method == "get" else _WRITE_STATUSES
            form = broadcast_problem if broadcast.is_here(path) else problem
            _add_problems(entry, form, (403,) if path in PUBLIC else statuses)
    return document


def _camel(summary: str) -> str:
    """`Show Goal` -> `showGoal`: what a generated client calls it."""
    words = summary.replace(" ", "")
    return words[0].lower() + words[1:]


def _add_problems(entry: dict[str, Any], problem: dict[str, Any], statuses: tuple[int, ...]) -> None:
    for status in statuses:
        entry["responses"][str(status)] = {
            "description": f"{HTTPStatus(status).phrase}: {', '.join(_codes(status))}",
            "content": {PROBLEM: {"schema": problem}},
        }
    entry["responses"] = dict(sorted(entry["responses"].items()))


def _codes(status: int) -> list[str]:
    found = [code for code, number in problems.codes().items() if number == status]
    return found or ["body_invalid"]


def _bare_routes(components: dict[str, Any]) -> dict[str, dict[str, Any]]:
    def json(model: type[schemas.Document], example: object = None) -> dict[str, Any]:
        told = {"schema": schemas.schema_of(model, definitions=components)}
        return {bodies.JSON: told if example is None else {**told, "example": example}}

    receipt = json(schemas.Receipt)
    lines = {bodies.NDJSON: {"schema": {"type": "string", "description": "One object on each line."}}}
    return {
        "/v1/goals/{goalId}/contributions": {
            "tags": ["contributions"],
            "operationId": "contribute",
            "summary": "Contribute to a goal",
            "description": "Counts an amount once for its id, however often it is sent.",
            "parameters": [
                _parameter("goalId", "path", "The goal's id.", required=True),
                _parameter("Idempotency-Key", "header", "Stands for `contributionId`."),
                _parameter("Prefer", "header", "How safe it is before the answer: `ack=applied|fsynced|ledger`."),
            ],
            "requestBody": {"required": True, "content": json(schemas.ContributionInGoal, _CONTRIBUTION)},
            "responses": {
                "201": {"description": "It counts.", "content": receipt},
                "200": {"description": "A repeat: it was counted before.", "content": receipt},
                "202": {"description": "Held for an operator, or too late to count.", "content": receipt},
            },
            "security": _SECURITY,
        },
        "/v1/contributions": {
            "tags": ["contributions"],
            "operationId": "contributeMany",
            "summary": "Contribute many",
            "description": (
                "1 to 1,000 items in one document, or up to 100,000 lines, acted on as they arrive and answered by as"
                " many lines. What is wrong with one stands in its place; the others count."
            ),
            "requestBody": {
                "required": True,
                "content": {**json(schemas.Contributions, {"items": [_IN_BATCH]}), **lines},
            },
            "responses": {
                "200": {
                    "description": "What became of each, in order.",
                    "content": {**json(schemas.Results), **lines},
                }
            },
            "security": _SECURITY,
        },
        "/v1/actions": {
            "tags": ["contributions"],
            "operationId": "recordActions",
            "summary": "Record game actions",
            "description": "Workouts, challenges, bosses and signs of activity, each for every open goal it feeds.",
            "requestBody": {"required": True, "content": json(schemas.Actions, {"items": [_WORKOUT]})},
            "responses": {
                "200": {"description": "What became of each, in order.", "content": json(schemas.RecordedMany)}
            },
            "security": _SECURITY,
        },
    }


def _broadcasts(components: dict[str, Any]) -> dict[str, dict[str, Any]]:
    many = {"schema": schemas.schema_of(schemas.BroadcastMessages, definitions=components), "example": _BROADCASTS}
    one = {"schema": {"type": "object"}, "example": _BROADCASTS["messages"][0]["payload"]}
    said: dict[str, Any] = {
        "tags": ["live"],
        "responses": {"202": {"description": "It is said, to whoever is there."}},
        "security": _SECURITY,
    }
    return {
        broadcast.PATH: {
            **said,
            "operationId": "broadcastMany",
            "summary": "Broadcast many",
            "description": "Says these to the sockets on their topics, as Supabase's server does.",
            "requestBody": {"required": True, "content": {bodies.JSON: many}},
            "responses": dict(said["responses"]),
        },
        f"{broadcast.PATH}/{{topic}}/events/{{event}}": {
            **said,
            "operationId": "broadcast",
            "summary": "Broadcast",
            "description": "Says one to the sockets on a topic; its payload is the body.",
            "parameters": [
                _parameter("topic", "path", "`community_goals`, `goal:<id>` or `user:<id>`.", required=True),
                _parameter("event", "path", "1 to 255 printable characters.", required=True),
                _parameter("private", "query", "Of a user's topic: `true`.", schema={"type": "boolean"}),
            ],
            "requestBody": {"required": True, "content": {bodies.JSON: one}},
            "responses": dict(said["responses"]),
        },
    }


def _stream() -> dict[str, Any]:
    return {
        "tags": ["live"],
        "operationId": "stream",
        "summary": "Follow goals live",
        "description": (
            "Server-sent events: the newest state of each goal, then every change. Events: goal_update, which is always"
            " the whole state, goal_tier_unlocked, goal_completed, goal_started, goal_ended, and bye before a shutdown."
        ),
        "parameters": [
            _parameter("goals", "query", "Ids of goals, with commas between them; all goals where left out."),
            _parameter("lastEventId", "query", "As the header Last-Event-ID, which goes first."),
        ],
        "responses": {
            "200": {
                "description": "What happens, until somebody ends it.",
                "content": {"text/event-stream": {"schema": {"type": "string"}}},
            }
        },
        "security": _SECURITY,
    }


def _parameter(
    name: str, where: str, description: str, *, required: bool = False, schema: dict[str, Any] | None = None
) -> dict[str, Any]:
    return {
        "name": name,
        "in": where,
        "required": required,
        "description": description,
        "schema": schema or {"type": "string"},
    }
