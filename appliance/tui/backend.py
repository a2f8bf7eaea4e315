"""What the screens stand on. Everything behind it may block; nothing in front of it does."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from appliance.core.errors import ApplianceError
from appliance.core.history import History
from appliance.core.inventory import Inventory
from appliance.core.progress import Cancel, OnProgress
from appliance.core.sample import Sample
from appliance.core.status import DeploymentStatus, JobStatus, Status
from appliance.core.topology import Topology
from appliance.node.wishes import Event, PullOptions, TuneOptions, UpOptions
from appliance.ops.conversation import AS_IT_IS, Finish, Manner, Message, Piece

if TYPE_CHECKING:
    from appliance.tui.screens.setup_state import Setup


class Node(Protocol):
    """The daemon, as `appliance.node.client.NodeClient` offers it."""

    def status(self) -> Status: ...  # noqa: D102

    def inventory(self) -> Inventory: ...  # noqa: D102

    def sample(self, *, processes: bool = False) -> Sample: ...  # noqa: D102

    def history(self, card: str, span: str) -> History: ...  # noqa: D102

    def topology(self) -> Topology: ...  # noqa: D102

    def hold_card(self, card: str, reason: str) -> None: ...  # noqa: D102

    def release_card(self, card: str) -> None: ...  # noqa: D102

    def events(self, after: int = 0) -> list[Event]: ...  # noqa: D102

    def logs(self, deployment: str, lines: int = 200) -> list[str]: ...  # noqa: D102

    def follow_logs(self, deployment: str, lines: int = 50) -> Iterator[str]: ...  # noqa: D102

    def up(self, options: UpOptions) -> Iterator[dict[str, Any]]: ...  # noqa: D102

    def pull(self, options: PullOptions) -> Iterator[dict[str, Any]]: ...  # noqa: D102

    def tune(self, deployment: str, options: TuneOptions) -> Iterator[dict[str, Any]]: ...  # noqa: D102

    def jobs(self) -> list[JobStatus]: ...  # noqa: D102

    def pause_job(self, job_id: str) -> None: ...  # noqa: D102

    def resume_job(self, job_id: str) -> None: ...  # noqa: D102

    def cancel_job(self, job_id: str) -> None: ...  # noqa: D102

    def down(self, deployment: str | None = None) -> None: ...  # noqa: D102

    def restart(self, deployment: str) -> None: ...  # noqa: D102


class Shelf(Protocol):
    """The store of weights; every call says in a sentence what came of it."""

    def verify(self, model: str, tell: OnProgress, cancel: Cancel) -> str: ...  # noqa: D102

    def export(  # noqa: D102
        self, model: str, directory: Path, tell: OnProgress, cancel: Cancel
    ) -> str: ...

    def take(self, place: Path, tell: OnProgress, cancel: Cancel) -> str: ...  # noqa: D102

    def remove(self, model: str, *, in_use: Collection[str]) -> str: ...  # noqa: D102


class Converse(Protocol):
    """A conversation with a served model (`None`: the first that is), held in a manner."""

    def __call__(  # noqa: D102
        self, messages: Sequence[Message], model: str | None, manner: Manner = AS_IT_IS
    ) -> Iterator[Piece | Finish]: ...


@dataclass(frozen=True)
class Backend:
    """`start` starts the daemon and returns when it answers; `offers` lists the models that could
    be served; `command` gives the command of a deployment's engine; `shelf` is the store; `mark`
    says that it is no real server.
    """

    node: Node
    converse: Converse
    start: Callable[[], object] | None = None
    offers: Callable[[Inventory | None], object] | None = None
    command: Callable[[DeploymentStatus], str] | None = None
    shelf: Shelf | None = None
    setup: Setup | None = None
    """Asks and answers for the wizard."""
    mark: str = ""


def in_thread(
    call: Callable[[], object], tell: Callable[[object, ApplianceError | None], None]
) -> None:
    """Run `call` in a thread that no exit waits for, and `tell` its value or its error."""

    def run() -> None:
        try:
            tell(call(), None)
        except ApplianceError as error:
            tell(None, error)

    threading.Thread(target=run, daemon=True).start()
