"""The control groups that this process is in: cgroups(7)."""

from __future__ import annotations

from pathlib import Path


def control_groups(controller: str, root: Path, membership: Path) -> list[Path]:
    """Directories of the groups with `controller` that hold this process, and of those above.

    `root` is where they are mounted, `membership` the process's list (`/proc/self/cgroup`). From
    inside a container its own group is the root. Both versions are read.
    """
    found = {root, root / controller}
    for line in _lines(membership):
        _, controllers, path = line.split(":", 2)
        if controllers == "" or controller in controllers.split(","):
            base = root / controllers
            leaf = base / path.lstrip("/")
            found |= {base, leaf, *(p for p in leaf.parents if p.is_relative_to(base))}
    return sorted(found)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []
