"""finding/1: something that was judged, with its evidence and what to do."""

from __future__ import annotations

from typing import Any

from appliance.core.inventory import Document, Severity


class Finding(Document, frozen=True, kw_only=True):
    """`code` is stable and English; `title` and `advice` are in the reader's language."""

    code: str
    severity: Severity
    card: str | None = None
    title: str
    evidence: dict[str, Any] = {}
    advice: str = ""
    reference: str = ""
