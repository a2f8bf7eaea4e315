"""How far a setup came: kept after every page, so that whoever quits goes on there."""

from __future__ import annotations

from pathlib import Path

import msgspec

from appliance.core.documents import from_json, prepare, to_json
from appliance.core.files import write_atomically
from appliance.core.inventory import Document
from appliance.core.paths import Paths, private_directory
from appliance.ops.setup.answers import Answers


class Draft(Document, frozen=True, kw_only=True):
    """The page in front and the answers so far."""

    page: str = "language"
    answers: Answers = Answers()


prepare(Draft)


def draft_file(paths: Paths) -> Path:
    """Where it is kept."""
    return paths.state / "setup.json"


def load_draft(paths: Paths) -> Draft | None:
    """What an earlier setup left; `None` where there is none, or none that can be read."""
    try:
        return from_json(draft_file(paths).read_bytes(), Draft)
    except (OSError, msgspec.MsgspecError):
        return None


def keep_draft(paths: Paths, draft: Draft) -> None:
    """Keep it, whole or not at all. Raises `OSError`."""
    private_directory(paths.state)
    write_atomically(draft_file(paths), to_json(draft).encode(), mode=0o600)


def drop_draft(paths: Paths) -> None:
    """The setup is done."""
    draft_file(paths).unlink(missing_ok=True)
