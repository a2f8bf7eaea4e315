"""The shapes that clients of the OpenAI API expect: errors and models."""

from __future__ import annotations

import json
from typing import Any

from starlette.responses import Response

from appliance.core.i18n import Text
from appliance.gateway.routes import ModelRoute


def error_body(status: int, code: str, message: Text) -> bytes:
    """`{"error": {…}}` as JSON; `code` is stable."""
    kind = "invalid_request_error" if status < 500 else "server_error"
    error = {"message": str(message), "type": kind, "param": None, "code": code}
    return json.dumps({"error": error}, ensure_ascii=False).encode()


def error_response(
    status: int, code: str, message: Text, headers: dict[str, str] | None = None
) -> Response:
    """An error as the whole answer."""
    body = error_body(status, code, message)
    return Response(body, status, headers=headers, media_type="application/json")


def model_document(model: ModelRoute) -> dict[str, Any]:
    """One entry of /v1/models."""
    return {"id": model.id, "object": "model", "created": 0, "owned_by": "appliance"}
