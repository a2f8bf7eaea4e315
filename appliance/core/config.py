"""`config.toml`: the operator's settings, and where each value came from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from appliance.core.documents import prepare
from appliance.core.errors import NeedsRights, UsageError
from appliance.core.i18n import say
from appliance.core.paths import Paths

DEFAULT_PORT = 8480


class GatewayConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`port`: the loopback port people's programs talk to; `None` takes the first free one from
    8480 up, and keeps it.
    """

    port: int | None = None


class UiConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`language`: "en" or "zh"; `None` follows the environment."""

    language: Literal["en", "zh"] | None = None


class HubConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`order`: which hubs may be asked, best first; empty means that none ever is."""

    order: tuple[Literal["hf", "ms"], ...] = ("hf", "ms")


class StoreConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The models on this server. `quota_gib`: what they may take together; `free_gib`: what is left
    free on their disk for everything else. `limit`: bytes a second of a pull, such as `50M`, or
    `10M@08:00-18:00,100M` by the hour.
    """

    quota_gib: Annotated[float, msgspec.Meta(ge=0)] | None = None
    free_gib: Annotated[float, msgspec.Meta(ge=0)] = 1.0
    limit: str | None = None


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All settings."""

    gateway: GatewayConfig = GatewayConfig()
    hubs: HubConfig = HubConfig()
    store: StoreConfig = StoreConfig()
    ui: UiConfig = UiConfig()


prepare(Config)


def config_file(paths: Paths) -> Path:
    """Where the settings are read from."""
    return paths.config / "config.toml"


def load_config(paths: Paths) -> Config:
    """The settings of this appliance. Raises `UsageError` for a file that cannot be meant."""
    path = config_file(paths)
    try:
        config = msgspec.toml.decode(path.read_bytes(), type=Config)
    except (FileNotFoundError, NotADirectoryError):
        return Config()
    except PermissionError as error:
        raise NeedsRights(
            say("no permission: {path}", path=path),
            hint=say("run as the owner of that file, or set APPLIANCE_HOME"),
        ) from error
    except (msgspec.MsgspecError, OSError, UnicodeDecodeError) as error:
        raise UsageError(
            say("cannot read {path}: {error}", path=path, error=error),
            hint=say("`appliance config schema` shows what may stand there"),
            code="BAD-CONFIG",
        ) from error
    if config.gateway.port is not None and not 1 <= config.gateway.port <= 65535:
        raise UsageError(
            say("{path}: gateway.port {port} is no port", path=path, port=config.gateway.port),
            hint=say("use a number from 1 to 65535"),
            code="BAD-CONFIG",
        )
    return config


def configured_language(paths: Paths) -> str | None:
    """`ui.language`; `None` where nothing usable is set: a bad file is told of by who needs it."""
    try:
        return load_config(paths).ui.language
    except (UsageError, NeedsRights):
        return None


def origins(paths: Paths) -> dict[str, dict[str, Any]]:
    """Every setting with its value and its origin (`default` or the file)."""
    config = load_config(paths)
    written = _written(paths)
    found: dict[str, dict[str, Any]] = {}
    for section, values in msgspec.to_builtins(config).items():
        for name, value in values.items():
            in_file = name in written.get(section, {})
            origin = str(config_file(paths)) if in_file else "default"
            found[f"{section}.{name}"] = {"value": value, "origin": origin}
    return found


def _written(paths: Paths) -> dict[str, Any]:
    try:
        written: dict[str, Any] = msgspec.toml.decode(config_file(paths).read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return {}
    return written


def schema() -> dict[str, Any]:
    """The JSON schema of the settings file."""
    return msgspec.json.schema(Config)
