"""The backend of this server: the daemon, the gateway's socket, planner and store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from appliance.core.documents import prepare
from appliance.core.errors import ApplianceError
from appliance.core.i18n import say
from appliance.core.inventory import Inventory
from appliance.core.paths import Paths
from appliance.core.pull import Progress
from appliance.core.sample import Sample
from appliance.core.status import DeploymentStatus, JobStatus, Proof, Status
from appliance.node.client import NodeClient
from appliance.node.wishes import Event
from appliance.ops.conversation import AS_IT_IS, Finish, Manner, Message, Piece, stream_chat
from appliance.ops.setup.session import Session
from appliance.tui.backend import Backend
from appliance.tui.shelf import StoreShelf

_PATIENCE_S = 4.0


def backend(paths: Paths) -> Backend:
    """Everything here is imported when it is first needed: the first picture does not wait."""
    prepare(Status, Inventory, Sample, list[Event], list[JobStatus], Progress, Proof)

    def converse(
        messages: Sequence[Message], model: str | None, manner: Manner = AS_IT_IS
    ) -> Iterator[Piece | Finish]:
        whole = [*manner.opening(), *messages]
        return stream_chat(paths.gateway_socket, whole, model=model, options=manner.options())

    def start() -> None:
        from appliance.node.start import ensure_daemon

        ensure_daemon(paths).close()

    return Backend(
        node=NodeClient(paths, timeout_s=_PATIENCE_S),
        converse=converse,
        start=start,
        offers=lambda inventory: _offers(paths, inventory),
        command=_command,
        setup=Session(paths),
        shelf=StoreShelf(paths),
    )


def _offers(paths: Paths, inventory: Inventory | None) -> object:
    from appliance.ops.models import model_rows, verdicts
    from appliance.tui.views.models import offers

    rows = model_rows(paths)
    return offers(rows, verdicts(paths, inventory) if inventory else {})


def _command(deployment: DeploymentStatus) -> str:
    """The command line of the engine that runs. Raises `ApplianceError` when none does."""
    import shlex

    import psutil

    for replica in deployment.replicas:
        if replica.pid is not None:
            try:
                return shlex.join(psutil.Process(replica.pid).cmdline())
            except psutil.Error:
                continue
    raise ApplianceError(
        say("no engine of {model} runs", model=deployment.id),
        hint=say("`appliance engines show {variant}`", variant=deployment.variant),
    )
