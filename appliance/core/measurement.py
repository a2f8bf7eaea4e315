"""What this box really gave, kept so that it replaces what was foretold."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import msgspec

from appliance.core.documents import from_json, prepare
from appliance.core.inventory import Document
from appliance.core.paths import Paths, private_directory

_MOST_KEPT = 200


class Measurement(Document, frozen=True, kw_only=True):
    """One setting of one variant on these cards, measured at RFC 3339 `at`.

    `cards` are names, not ids: what one card gave holds for another of its kind. `users` is how
    many asked at once for `decode_tps_all` and `first_token_s` (a median).
    """

    variant: str
    engine: str
    recipe: str
    cards: list[str]
    context: int
    slots: int
    users: int
    at: str
    decode_tps_one: float | None = None
    decode_tps_all: float | None = None
    prefill_tps: float | None = None
    first_token_s: float | None = None
    settings: dict[str, str] = {}

    @property
    def subject(self) -> tuple[object, ...]:
        """Of measurements with the same subject only the newest counts."""
        settings = tuple(sorted(self.settings.items()))
        return (self.variant, self.recipe, tuple(self.cards), self.context, self.slots,
                self.users, settings)  # fmt: skip


prepare(list[Measurement])


def load_measurements(paths: Paths) -> list[Measurement]:
    """What was measured here, oldest first; nothing where the file is missing or damaged."""
    try:
        return from_json(_file(paths).read_bytes(), list[Measurement])
    except (OSError, msgspec.MsgspecError):
        return []


def save_measurement(paths: Paths, measurement: Measurement) -> None:
    """Keep `measurement` in place of an older one of the same subject. Raises `OSError`."""
    others = [m for m in load_measurements(paths) if m.subject != measurement.subject]
    _replace(_file(paths), msgspec.json.encode([*others, measurement][-_MOST_KEPT:]))


def _file(paths: Paths) -> Path:
    return paths.state / "measurements.json"


def _replace(path: Path, content: bytes) -> None:
    private_directory(path.parent)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=path.name, delete=False) as file:
        try:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            Path(file.name).replace(path)
        except OSError:
            Path(file.name).unlink(missing_ok=True)
            raise
