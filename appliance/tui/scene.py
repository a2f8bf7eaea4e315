"""All that a view may look at. Views are functions from a scene to lines; they keep nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from appliance.core.history import Span
from appliance.core.topology import Topology
from appliance.tui.glyphs import ASCII, Glyphs
from appliance.tui.jobs import JobState
from appliance.tui.snapshot import Snapshot


@dataclass(frozen=True)
class Scene:
    """What the daemon said, what the operator chose, and the room there is."""

    snapshot: Snapshot = field(default_factory=Snapshot)
    jobs: Mapping[str, JobState] = field(default_factory=dict)
    glyphs: Glyphs = ASCII
    width: int = 80
    height: int = 21
    deployment: str | None = None
    card: str | None = None
    span: Span = "1m"
    topology: Topology | None = None
    worst_first: bool = True
    paused: bool = False
    readonly: bool = False
    slow: bool = False
    mark: str = ""
    """Set into the title bar: DEMO, or the name of a capture."""
