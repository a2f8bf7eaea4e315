"""How much of the server an engine may take before it, and not the server, goes down."""

from __future__ import annotations

OOM_SCORE = 500
"""The kernel ends engines before anything a person needs to repair the server (scale to 1000)."""

_LEAST_KEPT = 1 << 30
_SHARE_KEPT = 20


def memory_limit_bytes() -> int | None:
    """Memory for one engine: all but a twentieth, and but 1 GiB; `None` on a very small server."""
    import psutil

    total = int(psutil.virtual_memory().total)
    limit = total - max(_LEAST_KEPT, total // _SHARE_KEPT)
    return limit if limit > _LEAST_KEPT else None
