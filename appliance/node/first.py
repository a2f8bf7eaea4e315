"""Whether this server has ever served anything: what a first start is."""

from __future__ import annotations

import sqlite3
from pathlib import Path


def never_served(state: Path) -> bool:
    """Whether the daemon's memory at `state` has no deployment; reads only, needs no daemon."""
    if not state.exists():
        return True
    try:
        db = sqlite3.connect(f"file:{state}?mode=ro", uri=True)
        try:
            return db.execute("SELECT 1 FROM deployments LIMIT 1").fetchone() is None
        finally:
            db.close()
    except sqlite3.DatabaseError:
        return False
