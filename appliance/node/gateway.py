"""Keeping the gateway: one process that outlives us, on a port that stays the same."""

from __future__ import annotations

import logging
import time

import msgspec

from appliance.core.config import DEFAULT_PORT, load_config
from appliance.core.documents import from_json
from appliance.core.errors import ApplianceError, Unreachable
from appliance.core.i18n import Text, say
from appliance.core.loopback import LOOPBACK
from appliance.core.paths import Paths
from appliance.engines.command import EngineCommand
from appliance.gateway.process import gateway_argv
from appliance.gateway.routes import ModelRoute, RouteTable, Worker, write_routes
from appliance.node.keeper import Keeper
from appliance.node.orphans import GATEWAY
from appliance.node.state import State
from appliance.supervisor.backoff import Backoff
from appliance.supervisor.logs import LogFile
from appliance.supervisor.ports import is_free, is_held_by
from appliance.supervisor.probe import Pulse, Signs, answers, cpu_ticks
from appliance.supervisor.running import Identity, Mark, alive, exit_status, start, stop

log = logging.getLogger(__name__)
_TICK_S = 0.25
_PATIENCE_S = 15.0
_PORTS_TO_TRY = 100
_SETTLED_S = 5.0
_RETRY_S = 1.0
_GRACE_S = 5.0
_WATCH_S = 2.0
_STILL_S = 15.0
_PORT = "endpoint_port"
_IDENTITY = "gateway"


class GatewayKeeper(Keeper):
    """Keeps the gateway process running."""

    def __init__(self, paths: Paths, state: State) -> None:
        super().__init__("keep-gateway", every_s=_TICK_S)
        self._paths = paths
        self._state = state
        self._log_file = LogFile(paths.logs / "gateway.log")
        self._identity = self._remembered()
        self._kept_port = self._remembered_port()
        self._backoff = Backoff()
        self._start_at = 0.0
        self._launched = self._watch_at = 0.0
        self._pulse = Pulse(still_s=_STILL_S)
        self._fault: ApplianceError | None = None
        self._fault_tick = 0
        self._ticks = 0
        self._move = False
        self._routes: RouteTable | None = None
        self._listening = False

    @property
    def kept_port(self) -> int | None:
        """The port that people's programs know, once the gateway has answered there."""
        return self._kept_port

    @property
    def identity(self) -> Identity | None:
        """The gateway's process."""
        return self._identity

    @property
    def listening(self) -> bool:
        """Whether it was seen to answer at its port."""
        return self._listening

    @property
    def fault(self) -> ApplianceError | None:
        """Why it cannot be started, as of the last try."""
        return self._fault

    def adopt(self, identity: Identity) -> None:
        """Take on a gateway that a killed daemon had no time to write down."""
        self._remember(identity)

    def known_endpoint(self) -> str | None:
        """The base URL as far as it is known, without waiting."""
        return url_of(self._kept_port) if self._kept_port else None

    def start(self) -> None:
        """Begin to keep it; one that answers already is known to from the first moment."""
        self._look()
        super().start()

    def stop(self) -> None:
        """End the gateway, for good."""
        self.leave()
        self.join()
        if self._identity:
            stop(self._identity, grace_s=_GRACE_S)
            self._remember(None)

    def route(self, models: list[ModelRoute]) -> None:
        """Tell the gateway who answers; the file is only written when it changes.

        Where it cannot be written (a full disk) the gateway goes on with what it knows.
        """
        table = RouteTable(models=models)
        if table == self._routes:
            return
        try:
            write_routes(self._paths.state, table)
            self._routes = table
        except OSError as error:
            log.warning("the gateway is not told who answers: %s", error)

    def endpoint(self) -> str:
        """The base URL people use, once the gateway answers there.

        A port that was set anew in `config.toml` is moved to. Raises `ApplianceError` when the
        gateway cannot listen.
        """
        configured = load_config(self._paths).gateway.port
        self._move = configured not in (None, self._kept_port)
        tick = self._ticks
        self._start_at = 0.0  # what was in the way may be gone
        deadline = time.monotonic() + _PATIENCE_S
        while time.monotonic() < deadline:
            if self._fault and self._fault_tick > tick:
                raise self._fault
            identity = self._identity
            if identity and not self._move and _listens(identity):
                self._keep_port(identity.port)
                return url_of(identity.port)
            time.sleep(0.05)
        raise Unreachable(
            say("the gateway does not answer"),
            hint=say("its log is {path}", path=self._log_file.path),
            code="GATEWAY-DOWN",
        )

    def tick(self) -> None:
        """Start it, note that it died, or see to its log."""
        self._ticks += 1
        if self._move:
            self._leave_port()
        if self._identity is None:
            if time.monotonic() >= self._start_at:
                self._launch()
        elif not alive(self._identity):
            exit_status(self._identity)
            self._event(say("the gateway died; it is started again"))
            self._remember(None)
            self._start_at = time.monotonic() + self._backoff.died("gateway")
        else:
            self._look()
            if time.monotonic() - self._launched > _SETTLED_S:
                self._backoff.answered()
                self._log_file.rotate()
                self._watch(self._identity)

    def _look(self) -> None:
        if self._identity and not self._listening:
            self._listening = _listens(self._identity)

    def _watch(self, identity: Identity) -> None:
        """End one that stands still: people would wait at it for ever."""
        if time.monotonic() < self._watch_at:
            return
        signs = Signs(answers=answers(identity.port), cpu_ticks=cpu_ticks(identity.pid))
        self._watch_at = time.monotonic() + _WATCH_S
        if self._pulse.hung(signs):
            self._event(say("the gateway stood still; it is started again"))
            stop(identity, grace_s=1.0)

    def failed(self, error: ApplianceError) -> None:
        """Try again in a second; tell the history once."""
        if str(error) != str(self._fault or ""):
            self._event(say("{what}", what=str(error)))
        self._fault, self._fault_tick = error, self._ticks
        self._start_at = time.monotonic() + _RETRY_S

    def _leave_port(self) -> None:
        """Give up the port for the one that is configured, if that one is free."""
        port = load_config(self._paths).gateway.port
        if port is not None and not is_free(port):
            self._move = False
            raise port_taken(port)
        if self._identity:
            stop(self._identity, grace_s=_GRACE_S)
            exit_status(self._identity)
            self._remember(None)
        self._move = False

    def _launch(self) -> None:
        port = self._port()
        command = EngineCommand(
            engine="gateway",
            argv=gateway_argv(self._paths.state, port),
            port=port,
        )
        mark = Mark(self._paths.state, GATEWAY)
        self._remember(start(command, self._log_file.path, mark))
        self._launched = time.monotonic()
        self._pulse = Pulse(still_s=_STILL_S)
        self._fault = None

    def _port(self) -> int:
        """The configured port, else the one we had before, else the first free one."""
        port = load_config(self._paths).gateway.port or self._kept_port
        if port is None:
            return first_free_port(DEFAULT_PORT)
        if not is_free(port):
            raise port_taken(port)
        return port

    def _keep_port(self, port: int) -> None:
        if port != self._kept_port:
            self._state.set_setting(_PORT, str(port))
            self._kept_port = port

    def _remembered_port(self) -> int | None:
        port = self._state.setting(_PORT)
        return int(port) if port else None

    def _event(self, text: Text) -> None:
        self._state.record("fail", "GATEWAY-DOWN", "gateway", text)

    def _remembered(self) -> Identity | None:
        raw = self._state.setting(_IDENTITY)
        return from_json(raw, Identity) if raw else None

    def _remember(self, identity: Identity | None) -> None:
        self._identity = identity
        self._listening = False
        raw = msgspec.json.encode(identity).decode() if identity else ""
        try:
            self._state.set_setting(_IDENTITY, raw)
        except ApplianceError as error:  # a full disk; the process bears our mark all the same
            log.warning("the gateway is not remembered: %s", error)


def _listens(identity: Identity) -> bool:
    """Whether the gateway, and nobody else, answers at its port."""
    return answers(identity.port) and is_held_by(identity.port, identity.pid)


def url_of(port: int) -> str:
    """The base URL of the endpoint."""
    return f"http://{LOOPBACK}:{port}/v1"


def first_free_port(start: int) -> int:
    """The first loopback port from `start` that nobody holds."""
    for port in range(start, start + _PORTS_TO_TRY):
        if is_free(port):
            return port
    raise port_taken(start)


def port_taken(port: int) -> ApplianceError:
    """The error of a port that somebody else holds."""
    return ApplianceError(
        say("port {port} is held by another program", port=port),
        hint=say("end that program, or set gateway.port in config.toml (`appliance config path`)"),
        code="PORT-TAKEN",
    )


def model_route(
    name: str, aliases: list[str], ports: dict[str, int], *, coming: bool
) -> ModelRoute:
    """The route of a model name; `ports` by replica id."""
    workers = [Worker(id=rid, url=f"http://{LOOPBACK}:{port}") for rid, port in ports.items()]
    return ModelRoute(id=name, aliases=aliases, workers=workers, coming=coming and not workers)
