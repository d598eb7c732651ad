"""The description of the API as a page: from the OpenAPI document, without a script, from this server alone."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

from worldevents import problems
from worldevents.api.html import templates

_METHODS: Final = ("get", "post", "put")
_SAMPLES: Final = MappingProxyType({"date-time": "2026-12-01T18:00:00Z", "boolean": False, "integer": 1, "number": 1})


def render(document: Mapping[str, Any]) -> str:
    """The page at `/docs`."""
    return (
        templates()
        .get_template("docs.html")
        .render(
            title=document["info"]["title"],
            version=document["info"]["version"],
            description=document["info"]["description"],
            routes=list(_routes(document)),
            codes=problems.descriptions(),
        )
    )


def _routes(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for path, methods in document["paths"].items():
        for method in _METHODS:
            if method in methods:
                yield _route(document, method, path, methods[method])


def _route(document: Mapping[str, Any], method: str, path: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    body = entry.get("requestBody", {}).get("content", {})
    responses = entry["responses"].items()
    return {
        "method": method.upper(),
        "path": path,
        "summary": entry.get("summary", ""),
        "description": entry.get("description", ""),
        "parameters": entry.get("parameters", []),
        "bodies": [(kind, _example(document, told)) for kind, told in body.items()],
        "answers": [(status, told["description"], _first_example(document, told)) for status, told in responses],
    }


def _first_example(document: Mapping[str, Any], response: Mapping[str, Any]) -> str:
    """The example of a good answer; problems are described once, at the end."""
    for kind, told in response.get("content", {}).items():
        if "problem" not in kind:
            return _example(document, told)
    return ""


def _example(document: Mapping[str, Any], content: Mapping[str, Any]) -> str:
    told = content["example"] if "example" in content else _sample(document, content.get("schema", {}))
    return told if isinstance(told, str) else json.dumps(told, indent=2, ensure_ascii=False)


def _sample(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Any:
    """A value that a schema describes, from the examples in it."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return _sample(document, document["components"]["schemas"][name])
    choices: list[Mapping[str, Any]] = schema.get("anyOf") or schema.get("oneOf") or []
    if "examples" in schema or choices:
        return schema["examples"][0] if "examples" in schema else _sample(document, choices[0])
    match schema.get("type"):
        case "object":
            return {name: _sample(document, one) for name, one in schema.get("properties", {}).items()}
        case "array":
            return [_sample(document, schema.get("items", {}))]
        case kind:
            return schema.get("const", schema.get("enum", [_SAMPLES.get(schema.get("format", kind), "…")])[0])
