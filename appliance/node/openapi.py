"""The OpenAPI description of the local API, made from its table."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from appliance import __version__

if TYPE_CHECKING:
    from appliance.node.api import Endpoint


def openapi(endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    """OpenAPI 3.1: every path with the schema of what it takes and gives."""
    types = [kind for e in endpoints for kind in (e.body, e.result) if kind is not None]
    schemas, components = msgspec.json.schema_components(
        types, ref_template="#/components/schemas/{name}"
    )
    by_type = dict(zip(map(repr, types), schemas, strict=True))
    paths: dict[str, Any] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint, by_type)
    return {
        "openapi": "3.1.0",
        "info": {"title": "appliance node", "version": __version__},
        "paths": paths,
        "components": {"schemas": components},
    }


def _operation(endpoint: Endpoint, by_type: dict[str, Any]) -> dict[str, Any]:
    media = "application/x-ndjson" if endpoint.stream else "application/json"
    schema = by_type.get(repr(endpoint.result), {})
    operation: dict[str, Any] = {
        "summary": endpoint.summary,
        "responses": {"200": {"description": "done", "content": {media: {"schema": schema}}}},
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            for name in re.findall(r"\{(\w+)\}", endpoint.path)
        ],
    }
    if endpoint.body is not None:
        content = {"application/json": {"schema": by_type[repr(endpoint.body)]}}
        operation["requestBody"] = {"content": content}
    return operation
