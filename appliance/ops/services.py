"""What the main job needs of others."""

from __future__ import annotations

from typing import Protocol

from appliance.core.inventory import Inventory
from appliance.core.paths import Paths
from appliance.core.plan import Style
from appliance.core.progress import Cancel
from appliance.core.sample import Sample
from appliance.core.status import DeploymentStatus
from appliance.ops.deployment import Deployment


class Services(Protocol):
    """What the main job needs of whoever keeps engines running."""

    paths: Paths

    def inventory(self) -> Inventory:
        """What is in this server."""
        ...

    def sample(self, *, processes: bool = False) -> Sample:
        """How the cards are doing, and who is on them."""
        ...

    def statuses(self) -> list[DeploymentStatus]:
        """What is deployed, in whatever state."""
        ...

    def deploy(self, deployment: Deployment) -> Deployment | None:
        """Make this run, from now on and after every restart; returns what it replaces."""
        ...

    def withdraw(self, deployment_id: str, before: Deployment | None) -> None:
        """Undo `deploy`."""
        ...

    def await_ready(self, deployment_id: str, cancel: Cancel) -> None:
        """Return when it serves; raise, with the engine's own last words, when it will not."""
        ...

    def let_adapt(self, deployment_id: str) -> None:
        """From now on a smaller plan may take its place where this one cannot run."""
        ...

    def endpoint(self) -> str:
        """The base URL people use; raises when the gateway cannot listen."""
        ...

    def first_key(self, name: str | None = None) -> str | None:
        """A new key, called `name`, if there is none yet; `None` otherwise."""
        ...


class Request(Protocol):
    """The options of `up`."""

    @property
    def model(self) -> str | None: ...  # noqa: D102

    @property
    def users(self) -> int | None: ...  # noqa: D102

    @property
    def context(self) -> int | None: ...  # noqa: D102

    @property
    def allow_cpu(self) -> bool: ...  # noqa: D102

    @property
    def style(self) -> Style: ...  # noqa: D102

    @property
    def source(self) -> str: ...  # noqa: D102

    @property
    def key_name(self) -> str | None: ...  # noqa: D102

    @property
    def adapt(self) -> bool: ...  # noqa: D102
