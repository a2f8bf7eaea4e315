"""Where things are. `APPLIANCE_HOME` puts everything under one directory."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec


class Paths(msgspec.Struct, frozen=True, kw_only=True):
    """The directories of one appliance. Nothing is created before it is needed."""

    config: Path
    data: Path
    state: Path
    cache: Path
    logs: Path

    @property
    def models(self) -> Path:
        """The store of weights."""
        return self.data / "models"

    @property
    def node_socket(self) -> Path:
        """The local API of the daemon (mode 0600)."""
        return self.state / "node.sock"

    @property
    def gateway_socket(self) -> Path:
        """The gateway for this operator: no key, because the file mode is the key."""
        return self.state / "gateway.sock"


def find_paths() -> Paths:
    """The places of this user: under `APPLIANCE_HOME` where it is set, else the platform's own."""
    home = os.environ.get("APPLIANCE_HOME")
    if home:
        root = Path(home).expanduser().absolute()
        names = ("config", "data", "state", "cache", "logs")
        return Paths(**{name: root / name for name in names})
    from platformdirs import PlatformDirs

    dirs = PlatformDirs("appliance", appauthor=False)
    return Paths(
        config=dirs.user_config_path,
        data=dirs.user_data_path,
        state=dirs.user_state_path,
        cache=dirs.user_cache_path,
        logs=dirs.user_log_path,
    )


def private_directory(path: Path) -> Path:
    """Create `path` for its owner only and return it."""
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    return path
