"""Whether a file of this server is still what the store took from it."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path

from appliance.core.errors import ApplianceError
from appliance.core.reference import FileReference, parse_reference
from appliance.weights.faults import SourceFault
from appliance.weights.manifest import StoredModel
from appliance.weights.sources.files import DirectorySource


def may_have_changed(stored: StoredModel) -> bool:
    """Whether a file that `stored` came from has another size, or was written since.

    Nothing is said of what did not come from a file here, or is there no more: a disk unplugged;
    nor of a time that is still to come, as a disk of another time zone tells it.
    """
    place = parse_reference(stored.id)
    if not isinstance(place, FileReference):
        return False
    added = datetime.fromisoformat(stored.added).timestamp()
    try:
        source = DirectorySource(Path(place.path))
        now = {file.name: file.bytes for file in source.listing().files}
        there = [file for file in stored.files if file.name in now]
        written = [int(source.locate(file.name).stat().st_mtime) for file in there]
        other_size = any(now[file.name] != file.bytes for file in there)
        return other_size or any(added < at <= time.time() for at in written)
    except (SourceFault, ApplianceError, OSError):
        return False
