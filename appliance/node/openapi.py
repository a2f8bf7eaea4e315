"""The OpenAPI description of the local API, made from its table."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from appliance import __version__
from appliance.core.inventory import Document

if TYPE_CHECKING:
    from appliance.node.api import Endpoint


class Refusal(Document, frozen=True, kw_only=True):
    """Why something was not done; `exit_code` is what a command ends with."""

    code: str
    exit_code: int
    text: str
    hint: str


class Refused(Document, frozen=True, kw_only=True):
    """Every answer that is not 200."""

    error: Refusal


def openapi(endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    """OpenAPI 3.1: every path with the schema of what it takes and gives."""
    given = [kind for e in endpoints for kind in (e.body, e.result) if kind is not None]
    types = [*given, Refused]
    schemas, components = msgspec.json.schema_components(
        types, ref_template="#/components/schemas/{name}"
    )
    by_type = dict(zip(map(repr, types), schemas, strict=True))
    paths: dict[str, Any] = {}
    for endpoint in endpoints:
        path = endpoint.path.replace(":path}", "}")
        paths.setdefault(path, {})[endpoint.method.lower()] = _operation(endpoint, by_type)
    return {
        "openapi": "3.1.0",
        "info": {"title": "appliance node", "version": __version__},
        "paths": paths,
        "components": {"schemas": components},
    }


def _operation(endpoint: Endpoint, by_type: dict[str, Any]) -> dict[str, Any]:
    media = "application/x-ndjson" if endpoint.stream else "application/json"
    schema = by_type.get(repr(endpoint.result), {"type": "object"})
    operation: dict[str, Any] = {
        "summary": endpoint.summary,
        "parameters": [*_path_parameters(endpoint), *_query_parameters(endpoint)],
        "responses": {
            "200": _content("done", media, schema),
            "default": _content("refused", "application/json", by_type[repr(Refused)]),
        },
    }
    if endpoint.body is not None:
        body = _content("options", "application/json", by_type[repr(endpoint.body)])
        operation["requestBody"] = body
    return operation


def _content(description: str, media: str, schema: Any) -> dict[str, Any]:
    return {"description": description, "content": {media: {"schema": schema}}}


def _path_parameters(endpoint: Endpoint) -> list[dict[str, Any]]:
    names = re.findall(r"\{(\w+)(?::path)?\}", endpoint.path)
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in names
    ]


def _query_parameters(endpoint: Endpoint) -> list[dict[str, Any]]:
    return [
        *(
            {"name": name, "in": "query", "schema": {"type": "integer", "minimum": 0}}
            for name in endpoint.query
        ),
        *({"name": name, "in": "query", "schema": {"type": "string"}} for name in endpoint.words),
    ]
